//! References in XML: feeds and sitemaps, SVG, XHTML, and each of them inside another.
//!
//! What an element means is decided by its namespace, not by the document's root: an unknown root holds
//! what its known elements hold. `xml/feed.rs` says where feeds name images; the attributes of XHTML and
//! SVG mean what they mean in HTML. HTML that a feed holds as text, escaped or in CDATA, is read as HTML.
//!
//! The tokenizer is our own: quick-xml wants UTF-8 and ends at what is not well-formed. Nothing is expanded
//! that a document declares, and comments, processing instructions and scripts hold no references.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use url::Url;

use crate::document::decoded::Decoded;
use crate::document::escape::{Escape, Escapes};
use crate::document::extract::html::in_xml::{self, Known};
use crate::document::extract::{Found, Rules, css, nested, srcset};
use crate::document::reference::{Reference, ReferenceKind};
use crate::document::span::Span;

use feed::{Content, Name};
use namespace::{Namespace, Scope};
use text::{Entities, Stretch, Text};
use token::{Attribute, Tag, Token, Tokens};

#[cfg(test)]
mod cases;
mod feed;
mod namespace;
mod text;
mod token;

/// Finds what a whole document refers to.
///
/// `found.base` is the `xml:base` of the root, if that is remote. Where another one holds, a relative URL is
/// found as the absolute one that it stands for (XML Base, section 4).
pub fn find(bytes: &[u8], rules: &Rules, found: &mut Found) {
    let mut finder = Finder {
        bytes,
        rules,
        found,
        scope: Scope::default(),
        open: Vec::new(),
        counts: HashMap::new(),
        stretches: Vec::new(),
        bases: Vec::new(),
        has_root: false,
        is_based: false,
        plain: Namespace::Other,
        entities: Entities::Html,
    };
    finder.read();
}

struct Finder<'a> {
    bytes: &'a [u8],
    rules: &'a Rules,
    found: &'a mut Found,
    scope: Scope<'a>,
    /// The open elements, outermost first.
    open: Vec<Open<'a>>,
    /// How many of each name are open, if any, so that an end tag that closes nothing is not searched for.
    counts: HashMap<&'a [u8], usize>,
    /// The text so far of all open elements whose text matters, outermost first.
    stretches: Vec<Stretch>,
    /// The remote `xml:base`s of open elements, outermost first.
    bases: Vec<Url>,
    has_root: bool,
    /// Whether `found.base` is the root's.
    is_based: bool,
    /// What names mean that are in no namespace.
    plain: Namespace,
    entities: Entities,
}

/// An open element.
struct Open<'a> {
    /// As its tags have it, prefix included.
    tag: &'a [u8],
    name: Name<'a>,
    content: Option<Content>,
    /// Whether names without a namespace are HTML in it, as in a description that is not escaped.
    holds_html: bool,
    is_inert: bool,
    media: Option<Known>,
    /// Where in `bases` the one is that holds here.
    base: Option<usize>,
    /// How much of the finder's lists belongs to the elements around it.
    outside: Lengths,
}

#[derive(Clone, Copy)]
struct Lengths {
    scope: usize,
    stretches: usize,
    bases: usize,
}

/// Elements inside each other; what stands deeper is not read, so that open elements take little memory.
/// libxml2, which many feed readers use, stops at 256.
const MAX_DEPTH: usize = 100_000;

/// So many bases inside each other mean nothing but to keep us busy, and so do longer ones, in bytes.
const MOST_BASES: usize = 16;
const LONGEST_BASE: usize = 4096;

impl<'a> Finder<'a> {
    fn read(&mut self) {
        let mut tokens = Tokens::new(self.bytes);
        let mut start = 0;
        while let Some((open, token)) = tokens.next() {
            self.stretch(Span::new(start, open), false);
            match token {
                Token::Start => self.start(&tokens.tag),
                Token::End(name) => self.end(&self.bytes[name.range()]),
                Token::Cdata(span) => self.stretch(span, true),
                Token::Nothing if tokens.has_entities => self.entities = Entities::Xml,
                Token::Nothing => {}
            }
            start = tokens.at();
        }
        self.stretch(Span::new(start, self.bytes.len()), false);
        while !self.open.is_empty() {
            self.close();
        }
    }

    fn stretch(&mut self, span: Span, is_cdata: bool) {
        let matters = self.open.last().is_some_and(|open| open.content.is_some());
        if matters && span.start() < span.end() {
            self.stretches.push(Stretch { span, is_cdata });
        }
    }

    fn start(&mut self, tag: &Tag) {
        if self.open.len() == MAX_DEPTH {
            return;
        }
        let raw = &self.bytes[tag.name.range()];
        let outside =
            Lengths { scope: self.scope.len(), stretches: self.stretches.len(), bases: self.bases.len() };
        let parent = self.open.last();
        let mut open = Open {
            tag: raw,
            name: Name { namespace: Namespace::Other, local: raw },
            content: None,
            holds_html: parent.is_some_and(|parent| parent.holds_html),
            is_inert: parent.is_some_and(|parent| parent.is_inert),
            media: parent.and_then(|parent| parent.media),
            base: parent.and_then(|parent| parent.base),
            outside,
        };
        if !open.is_inert {
            self.element(tag, &mut open);
        }
        self.has_root = true;
        if tag.is_empty {
            self.forget(outside);
        } else {
            *self.counts.entry(raw).or_default() += 1;
            self.open.push(open);
        }
    }

    /// Finds out what an element is, and reads its attributes.
    fn element(&mut self, tag: &Tag, open: &mut Open<'a>) {
        let (prefix, local) = split(open.tag);
        self.declare(tag, prefix, local);
        let namespace = self.scope.get(prefix);
        open.name = Name { namespace, local };
        let is_of_rss = namespace == Namespace::Rss && prefix.is_empty();
        if open.holds_html && is_of_rss && !open.name.is_own_of_rss() {
            open.name.namespace = Namespace::Xhtml;
        }
        self.base(tag, open);
        let known = match open.name.namespace {
            Namespace::Xhtml => Some(Known::html(local)),
            Namespace::Svg => Some(Known::svg(local)),
            _ => None,
        };
        if let Some(known) = known {
            open.is_inert = known.is_inert();
            self.telling(tag, known, open);
            open.content = known.is_style().then_some(Content::Css);
            if known.is_media() {
                open.media = Some(known);
            }
        } else {
            let attributes = OfTag { bytes: self.bytes, tag, entities: self.entities };
            let images = feed::attributes(open.name, &attributes);
            open.content = feed::content(open.name, self.open.last().map(|open| open.name), &attributes);
            open.holds_html |= open.content == Some(Content::Html);
            for named in images {
                self.named(tag, *named, open.base);
            }
        }
    }

    /// Takes the declarations of namespaces in `tag`, whose name is `local` after its `prefix`.
    fn declare(&mut self, tag: &Tag, prefix: &[u8], local: &[u8]) {
        let bytes = self.bytes;
        let mut has_default = self.has_root;
        for attribute in &tag.attributes {
            let name = &bytes[attribute.name.range()];
            let prefix = match split(name) {
                (b"xmlns", prefix) => prefix,
                (b"", b"xmlns") => b"",
                _ => continue,
            };
            let uri = Text::attribute(bytes, attribute.value, self.entities);
            let is_plain = prefix.is_empty() && uri.decoded().text().trim().is_empty();
            let namespace = if uri.has_unknown() {
                // an entity of the document's own: the name tells all the same
                if prefix.is_empty() { Namespace::of_root(local) } else { Namespace::of_prefix(prefix) }
            } else if is_plain {
                self.plain
            } else {
                Namespace::of_uri(uri.decoded().text())
            };
            has_default |= prefix.is_empty();
            self.scope.declare(prefix, namespace);
        }
        if !self.has_root {
            let root = Namespace::of_root(local);
            if root == Namespace::Rss {
                self.plain = root;
            }
            if !has_default && (prefix.is_empty() || root == Namespace::Rss) {
                self.scope.declare(b"", root);
            }
        }
    }

    fn base(&mut self, tag: &Tag, open: &mut Open<'a>) {
        let bytes = self.bytes;
        let is_base = |attribute: &&Attribute| &bytes[attribute.name.range()] == b"xml:base";
        let Some(attribute) = tag.attributes.iter().find(is_base) else { return };
        let value = Text::attribute(bytes, attribute.value, self.entities);
        let text = value.decoded().text().trim();
        let is_usable = self.bases.len() < MOST_BASES && text.len() <= LONGEST_BASE && !value.has_unknown();
        let outer = open.base.map(|base| &self.bases[base]);
        let base = is_usable.then(|| Url::options().base_url(outer).parse(text).ok()).flatten();
        let base = base.filter(|base| matches!(base.scheme(), "http" | "https"));
        let base = base.filter(|base| base.as_str().len() <= LONGEST_BASE);
        open.base = base.is_some().then_some(self.bases.len());
        if let Some(base) = base {
            if self.has_root {
                self.found.has_inner_base = true;
            } else {
                self.found.base = Some(base.as_str().to_owned());
                self.is_based = true;
            }
            self.bases.push(base);
        }
    }

    /// Reads the attributes of an element of XHTML or SVG.
    fn telling(&mut self, tag: &Tag, known: Known, open: &Open<'a>) {
        let (bytes, rules) = (self.bytes, self.rules);
        let attributes = tag.attributes.iter().map(|attribute| {
            let (prefix, local) = split(&bytes[attribute.name.range()]);
            let is_xlink =
                local == b"href" && !prefix.is_empty() && self.scope.get(prefix) == Namespace::XLink;
            in_xml::Attribute { name: attribute.name, value: attribute.value, is_xlink }
        });
        let known = (known, open.media);
        let (all, policy) = in_xml::telling(bytes, open.name.local, known, attributes, rules);
        let before = self.found.references.len();
        for telling in all {
            let value = Text::attribute(bytes, telling.value, self.entities);
            let mut found = Found::default();
            telling.find(bytes, value.decoded(), rules, &mut found);
            self.found.base = self.found.base.take().or(found.base.take());
            self.found.page = self.found.page.take().or(found.page.take());
            self.found.policy = found.policy.or(self.found.policy);
            self.take(found, &value, open.base, |_| Some(Escapes::default()));
        }
        if let Some(policy) = policy {
            let spans = self.found.references[before..].iter().map(|reference| (reference.span, policy));
            self.found.policies.extend(spans);
        }
    }

    /// Reads an attribute of a feed that names images.
    fn named(&mut self, tag: &Tag, named: feed::Named, base: Option<usize>) {
        let bytes = self.bytes;
        let is_named = |attribute: &&Attribute| {
            let (prefix, local) = split(&bytes[attribute.name.range()]);
            let is_plain = prefix.is_empty() && named.namespace == Namespace::Other;
            local == named.local.as_bytes()
                && (is_plain || (!prefix.is_empty() && self.scope.get(prefix) == named.namespace))
        };
        let Some(attribute) = tag.attributes.iter().find(is_named) else { return };
        let text = Text::attribute(bytes, attribute.value, self.entities);
        let value = text.decoded();
        let html = Escapes::of(Escape::Html);
        let mut found = Found::default();
        if named.is_srcset {
            let escapes = Escapes::of(Escape::Srcset).inside(Escape::Html);
            found.references.extend(
                srcset::candidates(value.text())
                    .filter_map(|url| value.reference(url, ReferenceKind::SrcsetCandidate, escapes)),
            );
        } else {
            let url = value.reference(0..value.text().len(), ReferenceKind::XmlAttribute, html);
            found.references.extend(url);
        }
        self.take(found, &text, base, |_| Some(Escapes::default()));
    }

    /// Closes the last open element with this name, and what stands open in it.
    fn end(&mut self, name: &[u8]) {
        if self.counts.contains_key(name) {
            while self.close() != Some(name) {}
        }
    }

    /// Closes the innermost element and reads its text; returns its name.
    fn close(&mut self) -> Option<&'a [u8]> {
        let open = self.open.pop()?;
        if let Entry::Occupied(mut count) = self.counts.entry(open.tag) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        if let Some(content) = open.content {
            let text = Text::of(self.bytes, &self.stretches[open.outside.stretches..], self.entities);
            self.content(content, &text, open.base);
        }
        self.forget(open.outside);
        Some(open.tag)
    }

    fn content(&mut self, content: Content, text: &Text<'a>, base: Option<usize>) {
        let decoded: &Decoded<'_> = text.decoded();
        let mut found = Found::default();
        match content {
            Content::Url => {
                let all = 0..decoded.text().len();
                let url = decoded.reference(all, ReferenceKind::XmlText, Escapes::default());
                found.references.extend(url);
            }
            Content::Html => nested::find_html(decoded, Escapes::default(), self.rules, &mut found),
            Content::Css => css::find_in(decoded, Escapes::of(Escape::Css), &mut found),
        }
        self.take(found, text, base, |span| text.escapes(span));
    }

    /// Takes what was found in `text` and is written there in one piece. `outer` is how text is written at
    /// a span of the document.
    fn take(
        &mut self,
        found: Found,
        text: &Text<'_>,
        base: Option<usize>,
        outer: impl Fn(Span) -> Option<Escapes>,
    ) {
        let base = base.map(|base| &self.bases[base]);
        let is_theirs = |base: &&Url| self.is_based && self.found.base.as_deref() == Some(base.as_str());
        let base = base.filter(|base| !is_theirs(base));
        let in_place = |reference: Reference| {
            text.escapes(reference.span)?;
            let escapes = reference.escapes.within(outer(reference.span)?)?;
            let url = match base {
                Some(base) if !is_absolute(&reference.url) => base.join(&reference.url).ok()?.into(),
                _ => reference.url,
            };
            Some(Reference { escapes, url, ..reference })
        };
        self.found.has_inner_base |= found.has_inner_base;
        self.found.references.extend(found.references.into_iter().filter_map(in_place));
        self.found.links.extend(found.links.into_iter().filter_map(in_place));
    }

    fn forget(&mut self, outside: Lengths) {
        self.scope.truncate(outside.scope);
        self.stretches.truncate(outside.stretches);
        self.bases.truncate(outside.bases);
    }
}

/// The attributes of a tag by their names.
struct OfTag<'a, 't> {
    bytes: &'a [u8],
    tag: &'t Tag,
    entities: Entities,
}

impl feed::Attributes for OfTag<'_, '_> {
    fn get(&self, name: &str) -> Option<String> {
        let is_named = |attribute: &&Attribute| &self.bytes[attribute.name.range()] == name.as_bytes();
        let attribute = self.tag.attributes.iter().find(is_named)?;
        let value = Text::attribute(self.bytes, attribute.value, self.entities);
        Some(value.decoded().text().to_owned())
    }
}

/// A name's prefix, which may be empty, and the rest.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b':', name) {
        Some(colon) => (&name[..colon], &name[colon + 1..]),
        None => (b"", name),
    }
}

/// Whether `url` names a host or has a scheme.
fn is_absolute(url: &str) -> bool {
    url.starts_with("//") || Url::parse(url).is_ok()
}
