//! Bytes → references. One grammar a file; each appends what it finds and knows nothing of the others
//! but those that its own text embeds (Markdown and feeds hold HTML, HTML holds CSS).

use crate::document::DocumentKind;
use crate::document::encoding::{Encoding, Utf16Offsets};
use crate::document::reference::Reference;
use crate::document::referrer::Policy;
use crate::document::span::Span;

mod candidate;
pub mod css;
pub mod front_matter;
pub mod html;
pub mod json_feed;
mod json_ld;
pub mod markdown;
mod nested;
pub mod prefilter;
pub mod srcset;
pub mod xml;

/// What the user adds to the built-in lists. Names are compared without regard to ASCII case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rules {
    /// More HTML attributes that hold an image URL, on whatever element.
    pub attributes: Vec<String>,
    /// More HTML attributes that hold one on a certain element.
    pub elements: Vec<ElementAttribute>,
    /// More front-matter keys; a dotted path names a nested key.
    pub front_matter_keys: Vec<String>,
}

/// An attribute on one kind of element; users write `element[attribute]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ElementAttribute {
    /// The element's name.
    pub element: String,
    /// The attribute's name.
    pub attribute: String,
}

/// What one document holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What the document shows as an image. Sorted by where they start; no two spans overlap.
    pub references: Vec<Reference>,
    /// Links (`a href`, a Markdown link) that may lead to an image: a lightbox. Whether one does is
    /// for whoever can unwrap its URL to say. Sorted, and apart from `references`.
    pub links: Vec<Reference>,
    /// The document's `<base href>`, as written there, if it has one.
    pub base: Option<String>,
    /// Where the document says that it is published: `<link rel=canonical>`.
    pub page: Option<String>,
    /// The referrer policy of the whole page.
    pub policy: Option<Policy>,
    /// The referrer policies of single references, by where they stand; sorted.
    pub policies: Vec<(Span, Policy)>,
    /// Whether HTML that stands in it as text has such a base for itself. References there are absolute.
    pub has_inner_base: bool,
}

/// Finds every reference in `bytes`. Never fails: what is malformed holds no reference, and the rest is read on.
#[must_use]
pub fn find(bytes: &[u8], kind: DocumentKind, rules: &Rules) -> Found {
    let encoding = Encoding::of(bytes);
    if encoding == Encoding::Bytes {
        return find_in_bytes(bytes, kind, rules);
    }
    let text = encoding.read(bytes);
    let mut found = find_in_bytes(text.as_bytes(), kind, rules);
    for list in [&mut found.references, &mut found.links] {
        let mut offsets = Utf16Offsets::new(&text);
        for reference in list {
            reference.span = offsets.span(reference.span);
            reference.escapes = reference.escapes.written_in(encoding);
        }
    }
    let mut offsets = Utf16Offsets::new(&text);
    for (span, _) in &mut found.policies {
        *span = offsets.span(*span);
    }
    found
}

fn find_in_bytes(bytes: &[u8], kind: DocumentKind, rules: &Rules) -> Found {
    let mut found = Found::default();
    match kind {
        DocumentKind::Html => html::find(bytes, rules, &mut found),
        DocumentKind::Xml => xml::find(bytes, rules, &mut found),
        DocumentKind::Markdown => markdown::find(bytes, rules, &mut found),
        DocumentKind::Css => css::find(bytes, &mut found),
        DocumentKind::Json => json_feed::find(bytes, rules, &mut found),
    }
    for list in [&mut found.references, &mut found.links] {
        list.sort_by_key(|reference| reference.span);
        list.dedup_by(|later, earlier| later.span.start() < earlier.span.end());
    }
    found.policies.sort_by_key(|(span, _)| *span);
    found
}
