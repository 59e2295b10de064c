//! HTML that stands as text in a document of another kind: escaped in a feed, in a JSON string, in `srcdoc`.

use url::{ParseError, Url};

use crate::document::decoded::Decoded;
use crate::document::escape::Escapes;
use crate::document::extract::{Found, Rules, html};
use crate::document::reference::Reference;

/// Appends what the HTML that `text` decodes to refers to. `outer` is how text is written where it stands,
/// innermost layer first.
pub(super) fn find_html(text: &Decoded<'_>, outer: Escapes, rules: &Rules, found: &mut Found) {
    find_page(text, outer, 0, rules, found);
}

/// A page in a `srcdoc` in a `srcdoc` is read, and none deeper: each level costs the whole length once more.
const DEEPEST: usize = 2;

/// The same for the page of a `srcdoc` that stands `depth` pages deep.
///
/// A `<base href>` in it is not the document's, which is what relative URLs are read against elsewhere; so those
/// that follow it are made absolute here.
pub(super) fn find_page(text: &Decoded<'_>, outer: Escapes, depth: usize, rules: &Rules, found: &mut Found) {
    if depth > DEEPEST {
        return;
    }
    let mut inner = Found::default();
    html::find_page(text.text().as_bytes(), depth, rules, &mut inner);
    let base = inner.base.and_then(|base| Url::parse(&base).ok());
    let base = base.filter(|base| matches!(base.scheme(), "http" | "https"));
    let in_place = |reference: Reference| {
        let span = text.span(reference.span.range())?;
        let is_relative = || Url::parse(&reference.url) == Err(ParseError::RelativeUrlWithoutBase);
        let base = base.as_ref().filter(|_| is_relative());
        let url = base.and_then(|base| base.join(&reference.url).ok()).map_or(reference.url, String::from);
        Some(Reference { span, escapes: reference.escapes.within(outer)?, url, ..reference })
    };
    found.references.extend(inner.references.into_iter().filter_map(in_place));
    found.links.extend(inner.links.into_iter().filter_map(in_place));
    found.has_inner_base |= base.is_some() || inner.has_inner_base;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::DocumentKind;
    use crate::document::extract;
    use crate::document::splice::tests::replaced;

    fn found(html: &str) -> Found {
        extract::find(html.as_bytes(), DocumentKind::Html, &Rules::default())
    }

    /// `expected`: what stands in each span, and the URL.
    fn check(html: &str, expected: &[(&str, &str)]) {
        let found = found(html).references;
        let raw: Vec<_> = found.iter().map(|found| (&html[found.span.range()], found.url.as_str())).collect();
        assert_eq!(raw, expected, "{html}");
    }

    #[test]
    fn a_page_in_an_attribute() {
        check("<iframe srcdoc='<img src=a.png>'></iframe>", &[("a.png", "a.png")]);
        check("<IFRAME SRCDOC=\"<p>x<img src='a.png'>\">", &[("a.png", "a.png")]);
        check("<iframe srcdoc='&lt;img src=&quot;/a?b&amp;amp;c&quot;>'>", &[("/a?b&amp;amp;c", "/a?b&c")]);
        check("<iframe srcdoc='<img srcset=&quot;a 1x, b 2x&quot;>'>", &[("a", "a"), ("b", "b")]);
        check(
            "<iframe srcdoc='<p style=\"background:url(&amp;quot;a.png&amp;quot;)\">'>",
            &[("a.png", "a.png")],
        );
        check("<iframe srcdoc='<style>p{background:url(a)}</style>' src=b.png>", &[("a", "a")]);
        check("<iframe srcdoc='<img src=a'></iframe><img src=b>", &[("b", "b")]);
        check("<iframe srcdoc='<svg>'></iframe><![CDATA[><img src=a>", &[("a", "a")]);
    }

    #[test]
    fn what_is_no_page() {
        for html in [
            "<div srcdoc='<img src=a.png>'>",
            "<iframe data-srcdoc='<img src=a.png>'>",
            "<svg><iframe srcdoc='<img src=a.png>'>",
            "<iframe srcdoc='&amp;lt;img src=a.png>'>",
            "<iframe srcdoc='<!-- <img src=a.png> -->'>",
            "<iframe><img src=a.png></iframe>",
        ] {
            check(html, &[]);
        }
    }

    #[test]
    fn pages_in_pages_are_read_as_far_as_anybody_nests_them() {
        let nest = |html: &str| {
            format!("<iframe srcdoc=\"{}\"></iframe>", html.replace('&', "&amp;").replace('"', "&quot;"))
        };
        let mut html = "<img src=\"a.png\">".to_owned();
        for depth in 1..6 {
            html = nest(&html);
            assert_eq!(found(&html).references.len(), usize::from(depth <= 2), "{html}");
        }
        assert_eq!(found(&"<iframe srcdoc='".repeat(20_000)).references, []);
    }

    #[test]
    fn a_link_is_written_for_every_layer() {
        let html = "<iframe srcdoc='<img src=&quot;a.png&quot;>&#10;<p style=\"background:url(b)\">'>";
        let after = replaced(html.as_bytes(), &found(html).references, "/x?(1)&y'");
        let expected = concat!(
            "<iframe srcdoc='<img src=&quot;/x?(1)&amp;amp;y&amp;#39;&quot;>&#10;",
            "<p style=\"background:url(/x?\\(1\\)&amp;amp;y\\&amp;#39;)\">'>",
        );
        assert_eq!(after, expected);
        let urls: Vec<_> = found(expected).references.into_iter().map(|found| found.url).collect();
        assert_eq!(urls, ["/x?(1)&y'", "/x?(1)&y'"]);
    }

    #[test]
    fn a_base_in_a_page_is_its_own() {
        let html =
            "<iframe srcdoc='<base href=https://h/b/><img src=a.png><a href=c.jpg>'></iframe><img src=d.png>";
        let found = found(html);
        assert_eq!((found.base, found.has_inner_base), (None, true));
        let urls: Vec<_> = found.references.iter().chain(&found.links).map(|found| &found.url).collect();
        assert_eq!(urls, ["https://h/b/a.png", "d.png", "https://h/b/c.jpg"]);
    }
}
