//! References in JSON-LD (W3C JSON-LD 1.1), as pages have it for search engines: what the terms of schema.org call
//! an image.
//!
//! Contexts are not resolved: a term goes by its own name, by `schema:` and that name, or by its whole IRI. HTML in
//! a string, such as an `articleBody`, is text for machines and stays as it is.

use crate::document::escape::{Escape, Escapes};
use crate::document::extract::{Found, candidate};
use crate::document::json::{self, Event, Reader};
use crate::document::reference::{Reference, ReferenceKind};
use crate::document::shadow::{self, Text};
use crate::document::span::Span;

/// Properties whose value is an image: its URL, or an object that has one.
const IMAGES: [&str; 9] = [
    "image",
    "images",
    "logo",
    "photo",
    "photos",
    "primaryImageOfPage",
    "screenshot",
    "thumbnail",
    "thumbnailUrl",
];

/// Properties that hold the URL of the object itself.
const OWN_URLS: [&str; 2] = ["contentUrl", "url"];

/// Types whose objects are images, compared without regard to ASCII case: some publishers write `imageObject`.
const IMAGE_TYPES: [&str; 3] = ["Barcode", "ImageObject", "ImageObjectSnapshot"];

/// Objects deeper than this are not read: no page nests so in earnest, and memory stays small.
const DEEPEST: usize = 128;

/// Appends the references of the JSON-LD that stands in `script` of `bytes`, as far as it can be read.
pub(super) fn find(bytes: &[u8], script: Span, found: &mut Found) {
    let raw = &bytes[script.range()];
    let Some(start) = start(raw) else { return };
    let shadow = shadow::utf8(raw, Span::new(0, raw.len()));
    let text = Text { seen: shadow.as_bytes(), raw };
    let mut walk = Walk { text, open: Vec::new(), role: Role::Nothing, found: Vec::new() };
    for event in Reader::new(text.seen, start).map_while(Result::ok) {
        walk.take(event);
        if walk.open.len() > DEEPEST {
            break;
        }
    }
    walk.finish();
    found.references.extend(walk.found.into_iter().map(|reference| {
        let span = reference.span.shift(script.start());
        Reference { span, ..reference }
    }));
}

/// Where the JSON starts: some wrap it in a comment or a CDATA section.
fn start(script: &[u8]) -> Option<usize> {
    let bracket = memchr::memchr2(b'{', b'[', script)?;
    let cdata = bracket.checked_sub(2).filter(|start| script[*start..].starts_with(b"<![CDATA["));
    match cdata.map(|start| start + b"<![CDATA[".len()) {
        Some(text) => memchr::memchr2(b'{', b'[', &script[text..]).map(|len| text + len),
        None => Some(bracket),
    }
}

/// What a value is to the object that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// An image.
    Image,
    /// Where the object itself is to be had.
    OwnUrl,
    /// What the object is.
    Type,
    Nothing,
}

/// An open object or array.
struct Open {
    is_object: bool,
    /// What it is as a value, which goes for the elements of an array as well.
    role: Role,
    has_type: bool,
    is_image: bool,
    /// The URLs of the object itself: what they are is known when it ends, since its type may come last.
    own_urls: Vec<Reference>,
}

struct Walk<'a> {
    text: Text<'a>,
    open: Vec<Open>,
    /// What the next value is.
    role: Role,
    found: Vec<Reference>,
}

impl Walk<'_> {
    fn take(&mut self, event: Event) {
        match event {
            Event::Key(name) => {
                let name = json::decode(self.text.slice(name));
                let outer = self.open.last().map_or(Role::Nothing, |object| object.role);
                self.role = role(&name, outer);
            }
            Event::ObjectStart | Event::ArrayStart => {
                let is_object = event == Event::ObjectStart;
                let (has_type, is_image, own_urls) = (false, false, Vec::new());
                self.open.push(Open { is_object, role: self.role, has_type, is_image, own_urls });
                if is_object {
                    self.role = Role::Nothing;
                }
            }
            Event::ObjectEnd | Event::ArrayEnd => self.close(),
            Event::String(span) => {
                self.string(span);
                self.leave();
            }
            Event::Other(_) => self.leave(),
        }
    }

    fn string(&mut self, span: Span) {
        match self.role {
            Role::Image => {
                let reference = self.reference(span);
                self.found.extend(reference);
            }
            Role::OwnUrl => {
                let reference = self.reference(span);
                if let Some(object) = self.object() {
                    object.own_urls.extend(reference);
                }
            }
            Role::Type => {
                let name = json::decode(self.text.slice(span));
                if let Some(object) = self.object() {
                    object.has_type = true;
                    object.is_image |=
                        IMAGE_TYPES.iter().any(|image| image.eq_ignore_ascii_case(term(&name)));
                }
            }
            Role::Nothing => {}
        }
    }

    /// The innermost open object.
    fn object(&mut self) -> Option<&mut Open> {
        self.open.iter_mut().rev().find(|open| open.is_object)
    }

    fn reference(&self, span: Span) -> Option<Reference> {
        let text = json::decoded(self.text, span);
        let len = text.text().len();
        let reference = text.reference(0..len, ReferenceKind::JsonString, Escapes::of(Escape::Json))?;
        candidate::is_one_url(&reference.url).then_some(reference)
    }

    fn close(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        if closed.is_image || closed.role == Role::Image && !closed.has_type {
            self.found.extend(closed.own_urls);
        }
        self.leave();
    }

    /// Behind a value: the next one in an array is the same to the object, in an object it has a key of its own.
    fn leave(&mut self) {
        self.role = self.open.last().filter(|open| !open.is_object).map_or(Role::Nothing, |array| array.role);
    }

    /// Ends what the text left open.
    fn finish(&mut self) {
        while !self.open.is_empty() {
            self.close();
        }
    }
}

/// What the value of `name` is, in an object that is itself `outer`.
fn role(name: &str, outer: Role) -> Role {
    match name {
        "@type" => Role::Type,
        "@list" | "@set" | "@value" => outer,
        _ if IMAGES.contains(&term(name)) => Role::Image,
        _ if OWN_URLS.contains(&term(name)) => Role::OwnUrl,
        _ => Role::Nothing,
    }
}

/// The name of a term of schema.org without its vocabulary.
fn term(name: &str) -> &str {
    ["schema:", "https://schema.org/", "http://schema.org/"]
        .into_iter()
        .find_map(|vocabulary| name.strip_prefix(vocabulary))
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::DocumentKind;
    use crate::document::extract::{self, Rules};
    use crate::document::splice::tests::replaced;

    fn found(html: &[u8]) -> Vec<Reference> {
        extract::find(html, DocumentKind::Html, &Rules::default()).references
    }

    /// `expected`: what stands in each span.
    fn check_html(html: &str, expected: &[&str]) {
        let found = found(html.as_bytes());
        let raw: Vec<_> = found.iter().map(|found| &html[found.span.range()]).collect();
        assert_eq!(raw, expected, "{html}");
    }

    fn check(json: &str, expected: &[&str]) {
        check_html(&format!("<script type=\"application/ld+json\">\n{json}\n</script><img>"), expected);
    }

    #[test]
    fn images_of_a_thing() {
        check(r#"{"@type":"Article","image":"//h/a","logo":"b.png"}"#, &["//h/a", "b.png"]);
        check(r#"{"image":["//h/a",["//h/b"],{"url":"//h/c"}],"x":"//h/d"}"#, &["//h/a", "//h/b", "//h/c"]);
        check(
            r#"{"image":{"@type":"ImageObject","url":["//h/a"],"contentUrl":"//h/b"}}"#,
            &["//h/a", "//h/b"],
        );
        check(r#"{"publisher":{"logo":{"url":"//h/a","@type":["Thing","ImageObject"]}}}"#, &["//h/a"]);
        check(r#"{"logo":{"@type":"imageObject","url":"//h/a"}}"#, &["//h/a"]);
        check(r#"{"logo":{"@type":"Organization","url":"//h/a"}}"#, &[]);
        check(r#"{"@graph":[{"@type":"ImageObject","contentUrl":"//h/a"},{"url":"//h/b.png"}]}"#, &["//h/a"]);
        check(r#"[{"photo":"//h/a"},{"primaryImageOfPage":{"url":"//h/b"}}]"#, &["//h/a", "//h/b"]);
        check(r#"{"@type":"VideoObject","thumbnailUrl":["//h/a"],"contentUrl":"//h/b.png"}"#, &["//h/a"]);
        check(r#"{"image":{"@list":["//h/a",{"@value":"//h/b"}]}}"#, &["//h/a", "//h/b"]);
        check(
            r#"{"schema:image":"//h/a","http://schema.org/logo":{"@type":"schema:ImageObject","https://schema.org/url":"//h/b"}}"#,
            &["//h/a", "//h/b"],
        );
        check(r#"{"image":{"caption":{"a":"b"},"url":"//h/a","width":1},"b":[1,"//h/b"]}"#, &["//h/a"]);
        check(
            r#"{"image":{"thumbnail":{"@type":"ImageObject","url":"//h/a"},"url":"//h/b"}}"#,
            &["//h/a", "//h/b"],
        );
    }

    #[test]
    fn what_is_no_image() {
        for json in [
            r#"{"url":"//h/a.png","@id":"//h/b.png","sameAs":"//h/c.png","contentUrl":"//h/d.png"}"#,
            r#"{"image":{"@id":"//h/#primaryimage"}}"#,
            r#"{"image":{"@type":"VideoObject","contentUrl":"//h/a.png"}}"#,
            r#"{"@type":["VideoObject"],"contentUrl":"//h/a.png","url":"//h/b.png"}"#,
            r#"{"articleBody":"<img src='//h/a.png'>","image":"<img src='//h/a.png'>"}"#,
            r#"{"image":"a fine picture","logo":"","photo":"data:image/png;base64,AA==","thumbnail":true}"#,
            r#"{"image":{"author":{"url":"//h/a.png"}}}"#,
            r#"{"Image":"//h/a.png","image ":"//h/b.png"}"#,
            r#""//h/a.png""#,
            "",
        ] {
            check(json, &[]);
        }
        check(r#"{"@type":"ImageObject","author":{"url":"//h/a"},"url":"//h/b"}"#, &["//h/b"]);
    }

    #[test]
    fn what_is_broken_is_read_as_far_as_it_goes() {
        check(r#"{"image":"//h/a",}"#, &["//h/a"]);
        check(r#"{"image":"//h/a","logo":oops,"photo":"//h/b"}"#, &["//h/a"]);
        check(r#"{"@type":"ImageObject","url":"//h/a","#, &["//h/a"]);
        check(r#"{"image":["//h/a","//h/b"#, &["//h/a"]);
        check("<!-- {\"image\":\"//h/a\"} -->", &["//h/a"]);
        check("/*<![CDATA[*/ {\"image\":\"//h/a\"} /*]]>*/", &["//h/a"]);
        check("{\"description\":\"two\nlines\",\"image\":\"//h/a\"}", &["//h/a"]);
        check(&format!("{}\"//h/a\"", "{\"image\":".repeat(100_000)), &[]);
        check(&"[".repeat(100_000), &[]);
    }

    #[test]
    fn only_scripts_that_say_so() {
        let json = r#"{"image":"//h/a"}"#;
        for kind in [
            "application/ld+json",
            "Application/LD+JSON",
            " application/ld+json ; charset=utf-8",
            "&#97;pplication/ld+json",
        ] {
            check_html(&format!("<script type='{kind}'>{json}</script>"), &["//h/a"]);
        }
        for kind in ["application/json", "application/ld+jsonp", "text/javascript", "", "ld+json"] {
            check_html(&format!("<script type='{kind}'>{json}</script>"), &[]);
        }
        check_html(&format!("<script>{json}</script><svg><script type=application/ld+json>{json}"), &[]);
        check_html(&format!("<!-- <script type=application/ld+json>{json}</script> -->"), &[]);
        check_html(&format!("<script type=application/ld+json>{json}"), &["//h/a"]);
        check_html(&format!("<noscript><script type=application/ld+json>{json}</script>"), &["//h/a"]);
    }

    #[test]
    fn a_link_is_written_as_json_that_ends_no_script() {
        let html = br#"<script type="application/ld+json">{"image":" https:\/\/h\/\u0061.png\n"}</script>"#;
        let found = found(html);
        assert_eq!(found[0].url, "https://h/a.png");
        let after = replaced(html, &found, "/x\"</script>\\y");
        assert_eq!(
            after,
            r#"<script type="application/ld+json">{"image":" /x\"\u003C/script>\\y\n"}</script>"#
        );
    }

    #[test]
    fn second_bytes_are_no_escapes() {
        let html = b"<script type=application/ld+json>{\"name\":\"\x95\x5c\",\"image\":\"//h/\x95\x5c.png\"}</script>";
        let found = found(html);
        assert_eq!(found[0].url, "//h/%95%5C.png");
        assert_eq!(&html[found[0].span.range()], b"//h/\x95\x5c.png");
    }
}
