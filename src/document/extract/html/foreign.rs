//! Where SVG and MathML begin and end in a page: in them CDATA is text, and no element has raw text.
//!
//! The tree construction of HTML (section 13.2.6.5), reduced to what changes how bytes are read. Of the
//! open elements only those that switch between HTML and foreign content are remembered; an end tag is
//! taken to close the element that it names, whatever HTML stands open in between.

use super::names::Element;

/// The open elements at which the page changes its namespace, outermost first.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    open: Vec<Element>,
    /// How many of each kind are open, so that an end tag that closes nothing is not searched for.
    counts: [usize; SWITCHES.len()],
}

/// The first two begin foreign content; in the others it is HTML again.
const SWITCHES: [Element; 7] = [
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
        matches!(self.open.last(), Some(Element::Svg | Element::Math))
    }

    /// Takes note of a start tag and of the elements that it closes; returns whether its own element
    /// is HTML.
    ///
    /// `breaks_out` is asked whether this tag ends foreign content, and `holds_html` whether this
    /// `annotation-xml` says that it holds HTML.
    pub(super) fn start(
        &mut self,
        element: Element,
        is_self_closing: bool,
        breaks_out: impl Fn() -> bool,
        holds_html: impl Fn() -> bool,
    ) -> bool {
        if self.is_foreign() && breaks_out() {
            self.close_foreign();
        }
        let is_html = !self.is_foreign();
        let switches = match (self.open.last(), element) {
            (_, Element::Svg | Element::Math) => true,
            (Some(Element::Svg), Element::ForeignObject | Element::Desc | Element::Title) => true,
            (Some(Element::Math), Element::MathText) => true,
            (Some(Element::Math), Element::AnnotationXml) => holds_html(),
            _ => false,
        };
        if switches && !is_self_closing {
            self.open.push(element);
            self.counts[kind(element).expect("only such elements switch")] += 1;
        }
        is_html
    }

    /// Takes note of an end tag.
    pub(super) fn end(&mut self, element: Element, breaks_out: impl Fn() -> bool) {
        if self.open.is_empty() {
            return;
        }
        if let Some(kind) = kind(element) {
            if self.counts[kind] > 0 {
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
        let last = self.open.pop();
        if let Some(kind) = last.and_then(kind) {
            self.counts[kind] -= 1;
        }
        last
    }
}

fn kind(element: Element) -> Option<usize> {
    SWITCHES.iter().position(|switch| *switch == element)
}

/// Whether a start tag with this name is HTML wherever it stands. `font` does so only
/// with attributes that it has wherever it is used.
pub(super) fn start_breaks_out(name: &[u8]) -> bool {
    const NAMES: [&str; 45] = [
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
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// The same for an end tag.
pub(super) fn end_breaks_out(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"p") || name.eq_ignore_ascii_case(b"br")
}
