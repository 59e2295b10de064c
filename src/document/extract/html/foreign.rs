//! Where SVG and MathML begin and end in a page: in them CDATA is text, and no element has raw text.
//!
//! The tree construction of HTML (section 13.2.6.5), reduced to what changes how bytes are read. Of the
//! open elements only those are remembered whose name may switch between HTML and foreign content; an end
//! tag is taken to close the element that it names, whatever HTML stands open in between.

use super::names::Element;

/// The open elements of those [`NAMES`], outermost first; none before the first `svg` or `math`.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    open: Vec<Open>,
    /// How many of each name are open, so that an end tag that closes nothing is not searched for.
    counts: [usize; NAMES.len()],
}

#[derive(Debug)]
struct Open {
    element: Element,
    content: Content,
}

/// What stands in an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Html,
    Svg,
    Math,
    /// MathML, but an `svg` is SVG.
    Annotation,
}

const NAMES: [Element; 7] = [
    Element::Svg,
    Element::Math,
    Element::ForeignObject,
    Element::Desc,
    Element::Title,
    Element::MathText,
    Element::AnnotationXml,
];

impl Foreign {
    /// Whether what comes next is not HTML.
    pub(super) fn is_foreign(&self) -> bool {
        self.content() != Content::Html
    }

    /// Takes note of a start tag and of the elements that it closes; returns whether its own element
    /// is HTML.
    ///
    /// `breaks_out` is asked whether this tag ends foreign content, and `says_html` whether this
    /// `annotation-xml` says that it holds HTML.
    pub(super) fn start(
        &mut self,
        element: Element,
        is_self_closing: bool,
        breaks_out: impl Fn() -> bool,
        says_html: impl Fn() -> bool,
    ) -> bool {
        if self.is_foreign() && breaks_out() {
            self.close_foreign();
        }
        let within = self.content();
        let content = match (within, element) {
            (Content::Html | Content::Annotation, Element::Svg) => Content::Svg,
            (Content::Html, Element::Math) => Content::Math,
            (Content::Svg, Element::ForeignObject | Element::Desc | Element::Title) => Content::Html,
            (Content::Math | Content::Annotation, Element::MathText) => Content::Html,
            (Content::Math, Element::AnnotationXml) if says_html() => Content::Html,
            (Content::Math, Element::AnnotationXml) => Content::Annotation,
            _ => within,
        };
        let is_foreign = within != Content::Html || content != Content::Html;
        let is_remembered = is_foreign || !self.open.is_empty();
        if let Some(name) = number(element).filter(|_| is_remembered && !(is_foreign && is_self_closing)) {
            self.open.push(Open { element, content });
            self.counts[name] += 1;
        }
        within == Content::Html
    }

    /// Takes note of an end tag.
    pub(super) fn end(&mut self, element: Element, breaks_out: impl Fn() -> bool) {
        if self.open.is_empty() {
            return;
        }
        if let Some(name) = number(element) {
            if self.counts[name] > 0 {
                while self.pop() != Some(element) {}
            }
        } else if self.is_foreign() && breaks_out() {
            self.close_foreign();
        }
    }

    fn close_foreign(&mut self) {
        while self.is_foreign() {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<Element> {
        let last = self.open.pop()?.element;
        if let Some(name) = number(last) {
            self.counts[name] -= 1;
        }
        Some(last)
    }

    fn content(&self) -> Content {
        self.open.last().map_or(Content::Html, |open| open.content)
    }
}

fn number(element: Element) -> Option<usize> {
    NAMES.iter().position(|named| *named == element)
}

/// Whether a start tag with this name is HTML wherever it stands. `font` does so only
/// with attributes that it has wherever it is used.
pub(super) fn start_breaks_out(name: &[u8]) -> bool {
    const HTML: [&str; 45] = [
        "b",
        "big",
        "blockquote",
        "body",
        "br",
        "center",
        "code",
        "dd",
        "div",
        "dl",
        "dt",
        "em",
        "embed",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "head",
        "hr",
        "i",
        "img",
        "li",
        "listing",
        "menu",
        "meta",
        "nobr",
        "ol",
        "p",
        "pre",
        "ruby",
        "s",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "table",
        "tt",
        "u",
        "ul",
        "var",
        "font",
    ];
    HTML.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// The same for an end tag.
pub(super) fn end_breaks_out(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"p") || name.eq_ignore_ascii_case(b"br")
}
