//! HTML that stands as text in a document of another kind: escaped in a feed, in a JSON string, in `srcdoc`.

use crate::document::decoded::Decoded;
use crate::document::escape::Escapes;
use crate::document::extract::{Found, Rules, html};
use crate::document::reference::Reference;

/// Appends what the HTML that `text` decodes to refers to. `outer` is how text is written where it stands,
/// innermost layer first.
pub(super) fn find_html(text: &Decoded<'_>, outer: Escapes, rules: &Rules, found: &mut Found) {
    let mut inner = Found::default();
    html::find(text.text().as_bytes(), rules, &mut inner);
    let in_place = |reference: Reference| {
        let span = text.span(reference.span.range())?;
        Some(Reference { span, escapes: reference.escapes.within(outer)?, ..reference })
    };
    found.references.extend(inner.references.into_iter().filter_map(in_place));
    found.links.extend(inner.links.into_iter().filter_map(in_place));
}
