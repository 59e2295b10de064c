//! A document: bytes, what kind of text they are, and the references in them.
//!
//! Pure: bytes and values in, values out. No disk, network, clock or waiting.
//! Documents are bytes in any ASCII-compatible encoding, or UTF-16; nothing here needs UTF-8.

pub mod date;
pub mod decoded;
pub mod diff;
pub mod encoding;
pub mod escape;
pub mod extract;
pub mod json;
pub mod lines;
pub mod reference;
pub mod referrer;
pub mod shadow;
pub mod span;
pub mod splice;

/// How a document's bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// HTML, the WHATWG way: whatever the bytes, a browser makes a page of them.
    Html,
    /// XML: a feed, a sitemap, SVG, XHTML. Namespaces tell which.
    Xml,
    /// CommonMark with raw HTML, perhaps after front matter.
    Markdown,
    /// A style sheet.
    Css,
    /// A JSON Feed.
    Json,
}
