//! Bytes → references. One grammar a file; each appends what it finds and knows nothing of the others
//! but those that its own text embeds (Markdown holds HTML, HTML holds CSS).

use crate::document::DocumentKind;
use crate::document::reference::Reference;

mod candidate;
pub mod css;
pub mod front_matter;
pub mod html;
pub mod markdown;
mod nested;
pub mod prefilter;
pub mod srcset;

/// What the user adds to the built-in lists. Names are compared without regard to ASCII case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rules {
    /// More HTML attributes that hold an image URL.
    pub attributes: Vec<String>,
    /// More front-matter keys; a dotted path names a nested key.
    pub front_matter_keys: Vec<String>,
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
}

/// Finds every reference in `bytes`. Never fails: what is malformed holds no reference, and the rest is read on.
#[must_use]
pub fn find(bytes: &[u8], kind: DocumentKind, rules: &Rules) -> Found {
    let mut found = Found::default();
    match kind {
        DocumentKind::Html => html::find(bytes, rules, &mut found),
        DocumentKind::Markdown => markdown::find(bytes, rules, &mut found),
        DocumentKind::Css => css::find(bytes, &mut found),
    }
    for list in [&mut found.references, &mut found.links] {
        list.sort_by_key(|reference| reference.span);
        list.dedup_by(|later, earlier| later.span.start() < earlier.span.end());
    }
    found
}
