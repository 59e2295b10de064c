//! XHTML and SVG where they stand in an XML document: the same elements and attributes mean the same, but
//! names have a case, and no element has text of a syntax of its own.

use super::Finder;
use super::foreign::Foreign;
use super::meaning::{Meaning, Place};
use super::names::{Element, Key};
use super::token::{self, Tag};
use crate::document::decoded::Decoded;
use crate::document::extract::{Found, Rules};
use crate::document::referrer::Policy;
use crate::document::span::Span;

/// An element of XHTML or SVG.
#[derive(Clone, Copy, Debug)]
pub(in crate::document::extract) struct Known {
    element: Element,
    is_html: bool,
    is_inert: bool,
}

/// An attribute as XML has it.
#[derive(Clone, Copy, Debug)]
pub(in crate::document::extract) struct Attribute {
    /// As written, its prefix included.
    pub(in crate::document::extract) name: Span,
    /// As written, without quotes.
    pub(in crate::document::extract) value: Span,
    /// Whether it is the `href` of XLink.
    pub(in crate::document::extract) is_xlink: bool,
}

impl Known {
    /// The element with this name, which has no prefix any more.
    pub(in crate::document::extract) fn html(local: &[u8]) -> Self {
        let is_lower = !local.iter().any(u8::is_ascii_uppercase);
        let element = if is_lower { Element::named(local) } else { Element::Other };
        let is_inert = matches!(
            element,
            Element::Script | Element::Raw | Element::Title | Element::Iframe | Element::Plaintext
        );
        // only the parser of HTML takes it for `img`
        let element = if element == Element::Image { Element::Other } else { element };
        Self { element, is_html: true, is_inert }
    }

    /// The same for SVG.
    pub(in crate::document::extract) fn svg(local: &[u8]) -> Self {
        let is_cased = local.iter().any(u8::is_ascii_uppercase);
        let is_known = !is_cased || local == b"feImage" || local == b"foreignObject";
        let element = if is_known && local != b"feimage" { Element::named(local) } else { Element::Other };
        let is_inert = element == Element::Script || local == b"metadata";
        Self { element, is_html: false, is_inert }
    }

    /// Whether its text is a style sheet.
    pub(in crate::document::extract) fn is_style(self) -> bool {
        self.element == Element::Style
    }

    /// Whether nothing in it is shown, elements included.
    pub(in crate::document::extract) fn is_inert(self) -> bool {
        self.is_inert
    }

    /// Whether a `source` in it is one of its sources.
    pub(in crate::document::extract) fn is_media(self) -> bool {
        self.is_html && matches!(self.element, Element::Picture | Element::Video | Element::Audio)
    }
}

/// An attribute that may hold references.
#[derive(Clone, Copy, Debug)]
pub(in crate::document::extract) struct Telling {
    /// As written, without quotes.
    pub(in crate::document::extract) value: Span,
    meaning: Meaning,
}

/// The attributes of `known` that may hold references, of two with one name the first, and the element's
/// referrer policy. `local` is its name without a prefix, and `media` the element around it that
/// [has sources](Known::is_media), if there is one.
pub(in crate::document::extract) fn telling(
    bytes: &[u8],
    local: &[u8],
    (known, media): (Known, Option<Known>),
    attributes: impl Iterator<Item = Attribute>,
    rules: &Rules,
) -> (Vec<Telling>, Option<Policy>) {
    let mut tag = Tag::of_xml(known.element);
    let mut seen = 0_u128;
    let mut seen_users = Vec::new();
    for Attribute { name, value, is_xlink } in attributes {
        let raw = &bytes[name.range()];
        let is_plain = || !raw.iter().any(|byte| *byte == b':' || byte.is_ascii_uppercase());
        let key = if is_xlink { Key::named(b"xlink:href") } else { Key::named(raw).filter(|_| is_plain()) };
        let users = users_rule(local, raw, rules);
        let is_users = users.is_some();
        if users.is_some_and(|users| seen_users.contains(&users)) {
            continue;
        }
        seen_users.extend(users);
        let key = match key {
            Some((number, _)) if seen >> number & 1 == 1 => continue,
            Some((number, key)) => {
                seen |= 1 << number;
                key
            }
            None if is_users => Key::User,
            None => continue,
        };
        tag.attributes.push(token::Attribute { key, name, value, is_users });
    }
    let place = Place { bytes, is_html: known.is_html, media: media.map(|media| media.element) };
    let telling = |attribute: token::Attribute| Telling {
        value: attribute.value,
        meaning: place.meaning(&tag, &attribute),
    };
    let all = tag.attributes.iter().copied().map(telling);
    let all = all.filter(|attribute| attribute.meaning != Meaning::Nothing).collect();
    (all, place.referrer(&tag))
}

/// The number of the rule by which the user says that `attribute` of `element` holds an image.
fn users_rule(element: &[u8], attribute: &[u8], rules: &Rules) -> Option<usize> {
    let is_attribute = |users: &String| attribute.eq_ignore_ascii_case(users.as_bytes());
    let of_any = rules.attributes.iter().position(is_attribute);
    of_any.or_else(|| {
        let of_this = rules.elements.iter().position(|users| {
            is_attribute(&users.attribute) && element.eq_ignore_ascii_case(users.element.as_bytes())
        });
        of_this.map(|number| rules.attributes.len() + number)
    })
}

impl Telling {
    /// Appends what the attribute refers to; `value` is what it says.
    pub(in crate::document::extract) fn find(
        self,
        bytes: &[u8],
        value: &Decoded<'_>,
        rules: &Rules,
        found: &mut Found,
    ) {
        let mut finder = Finder { bytes, rules, found, foreign: Foreign::default(), media: None, depth: 0 };
        finder.value(self.meaning, value);
    }
}
