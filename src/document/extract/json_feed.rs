//! References in a JSON Feed (jsonfeed.org, versions 1 and 1.1).
//!
//! Extensions (keys that start with an underscore) and `content_text` hold none.

use std::ops::ControlFlow;

use memchr::memmem;

use crate::document::escape::{Escape, Escapes};
use crate::document::extract::{Found, Rules, candidate, nested};
use crate::document::json::{self, Event, Reader};
use crate::document::reference::{Reference, ReferenceKind};
use crate::document::shadow::{self, Text};
use crate::document::span::Span;

/// Whether `bytes` are a feed: an object whose own `version` is one of JSON Feed's.
#[must_use]
pub fn is_feed(bytes: &[u8]) -> bool {
    // no slash, which may be written as an escape
    if object(bytes).is_none() || memmem::find(bytes, b"jsonfeed.org").is_none() {
        return false;
    }
    let mut is_feed = false;
    read(bytes, |text, place, key, event| {
        if let (Place::Feed, Key::Version, Event::String(span)) = (place, key, event) {
            is_feed = is_version(&json::decode(text.slice(span)));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    is_feed
}

fn is_version(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| rest.trim_start_matches("www.").starts_with("jsonfeed.org/version/"))
}

/// Finds what a feed refers to, as far as it can be read.
pub fn find(bytes: &[u8], rules: &Rules, found: &mut Found) {
    let mut attachment = Attachment::default();
    read(bytes, |text, place, key, event| {
        match (place, key, event) {
            (Place::Attachment, Key::Url, Event::String(span)) => attachment.url = image(text, span),
            (Place::Attachment, Key::MimeType, Event::String(span)) => {
                attachment.mime_type = Some(json::decode(text.slice(span)));
            }
            (Place::Attachment, _, Event::ObjectEnd) => {
                found.references.extend(std::mem::take(&mut attachment).image());
            }
            (Place::Feed, Key::Icon, Event::String(span))
            | (Place::Author, Key::Avatar, Event::String(span))
            | (Place::Item, Key::Image, Event::String(span)) => found.references.extend(image(text, span)),
            (Place::Item, Key::ContentHtml, Event::String(span)) => {
                nested::find_html(&json::decoded(text, span), Escapes::of(Escape::Json), rules, found);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    });
}

fn image(text: Text<'_>, span: Span) -> Option<Reference> {
    let text = json::decoded(text, span);
    text.reference(0..text.text().len(), ReferenceKind::JsonString, Escapes::of(Escape::Json))
}

/// An attachment as far as it was read: its type may stand behind its URL.
#[derive(Default)]
struct Attachment {
    url: Option<Reference>,
    mime_type: Option<String>,
}

impl Attachment {
    /// Its URL, if it is an image: by its type, or where that says nothing, by its name.
    fn image(self) -> Option<Reference> {
        let mime_type = self.mime_type.unwrap_or_default().trim().to_ascii_lowercase();
        let says_nothing =
            matches!(mime_type.as_str(), "" | "application/octet-stream" | "binary/octet-stream");
        let is_image = |url: &Reference| {
            mime_type.starts_with("image/") || says_nothing && candidate::names_image(&url.url)
        };
        self.url.filter(is_image)
    }
}

/// What an open object or array is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Feed,
    Items,
    Item,
    Authors,
    Author,
    Attachments,
    Attachment,
    /// Nothing that is read, nor is anything in it.
    Other,
}

/// What the name of a member says; names are compared to the letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Attachments,
    Author,
    Authors,
    Avatar,
    ContentHtml,
    /// `icon` or `favicon`.
    Icon,
    /// `image` or `banner_image`.
    Image,
    Items,
    MimeType,
    Url,
    Version,
    /// Any other, or none.
    Other,
}

impl Key {
    fn named(name: &str) -> Self {
        match name {
            "attachments" => Self::Attachments,
            "author" => Self::Author,
            "authors" => Self::Authors,
            "avatar" => Self::Avatar,
            "content_html" => Self::ContentHtml,
            "icon" | "favicon" => Self::Icon,
            "image" | "banner_image" => Self::Image,
            "items" => Self::Items,
            "mime_type" => Self::MimeType,
            "url" => Self::Url,
            "version" => Self::Version,
            _ => Self::Other,
        }
    }
}

impl Place {
    /// What opens in `self` under `key`.
    fn inner(self, key: Key, is_object: bool) -> Self {
        match (self, key, is_object) {
            (Self::Feed, Key::Items, false) => Self::Items,
            (Self::Items, _, true) => Self::Item,
            (Self::Feed | Self::Item, Key::Author, true) | (Self::Authors, _, true) => Self::Author,
            (Self::Feed | Self::Item, Key::Authors, false) => Self::Authors,
            (Self::Item, Key::Attachments, false) => Self::Attachments,
            (Self::Attachments, _, true) => Self::Attachment,
            _ => Self::Other,
        }
    }
}

/// Where the object starts that `bytes` are, perhaps after a byte order mark.
fn object(bytes: &[u8]) -> Option<usize> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    text.starts_with(b"{").then_some(bytes.len() - text.len())
}

/// Calls `take` for each value and each end, with where it stands, until it breaks or the text is no JSON any more.
/// An end stands in what it ends.
fn read(bytes: &[u8], mut take: impl FnMut(Text<'_>, Place, Key, Event) -> ControlFlow<()>) {
    let Some(start) = object(bytes) else { return };
    let shadow = shadow::utf8(bytes, Span::new(0, bytes.len()));
    let text = Text { seen: shadow.as_bytes(), raw: bytes };
    let mut open = Vec::new();
    let mut key = Key::Other;
    for event in Reader::new(text.seen, start).map_while(Result::ok) {
        let place = open.last().copied();
        match event {
            Event::Key(_) if place == Some(Place::Other) => key = Key::Other,
            Event::Key(name) => key = Key::named(&json::decode(text.slice(name))),
            Event::ObjectStart | Event::ArrayStart => {
                let inner = |outer: Place| outer.inner(key, event == Event::ObjectStart);
                open.push(place.map_or(Place::Feed, inner));
                key = Key::Other;
            }
            Event::ObjectEnd | Event::ArrayEnd | Event::String(_) | Event::Other(_) => {
                if take(text, place.unwrap_or(Place::Other), key, event).is_break() {
                    return;
                }
                if matches!(event, Event::ObjectEnd | Event::ArrayEnd) {
                    open.pop();
                }
                key = Key::Other;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::DocumentKind;
    use crate::document::extract;
    use crate::document::splice::tests::replaced;

    fn found(json: &[u8]) -> Found {
        extract::find(json, DocumentKind::Json, &Rules::default())
    }

    /// `expected`: what stands in each span.
    fn check(json: &str, expected: &[&str]) {
        let found = found(json.as_bytes());
        let raw: Vec<_> = found.references.iter().map(|found| &json[found.span.range()]).collect();
        assert_eq!(raw, expected, "{json}");
    }

    #[test]
    fn a_feed_says_that_it_is_one() {
        let check = |json: &str, expected: bool| assert_eq!(is_feed(json.as_bytes()), expected, "{json}");
        check(r#"{"version":"https://jsonfeed.org/version/1.1"}"#, true);
        check(
            "\u{feff} {\"items\":[{\"version\":1}],\"version\" : \"http:\\/\\/www.jsonfeed.org\\/version\\/1\"",
            true,
        );
        check(r#"{"items":[],"x":{"version":"no"},"version":"https://jsonfeed.org/version/1",oops"#, true);
        check(r#"{"version":"https://jsonfeed.org/"}"#, false);
        check(r#"{"version":"1.1","home":"https://jsonfeed.org/version/1"}"#, false);
        check(r#"{"x":{"version":"https://jsonfeed.org/version/1"}}"#, false);
        check(r#"[{"version":"https://jsonfeed.org/version/1"}]"#, false);
        check(r#""https://jsonfeed.org/version/1""#, false);
        check("<p>https://jsonfeed.org/version/1</p>", false);
        check("", false);
    }

    #[test]
    fn images_of_a_feed() {
        check(
            r#"{"icon":"a","favicon":"b","image":"c","avatar":"d","url":"e.png","home_page_url":"f.png"}"#,
            &["a", "b"],
        );
        check(
            r#"{"author":{"avatar":"a","url":"b.png"},"authors":[{"avatar":"c"},{"avatar":"d"}]}"#,
            &["a", "c", "d"],
        );
        check(
            r#"{"items":[{"image":"a","banner_image":"b","url":"c.png","external_url":"d.png","id":"e.png"},{"author":{"avatar":"f"},"authors":[{"avatar":"g"}]}]}"#,
            &["a", "b", "f", "g"],
        );
        check("\u{feff}\r\n{\"icon\":\" //h/a \\n\"}", &["//h/a"]);
        check(r#"{"icon":"https:\/\/h\/\u0061\/b.png"}"#, &[r"https:\/\/h\/\u0061\/b.png"]);
    }

    #[test]
    fn attachments() {
        let check = |attachment: &str, is_found: bool| {
            let json = format!("{{\"items\":[{{\"attachments\":[{attachment}]}}]}}");
            assert_eq!(found(json.as_bytes()).references.len(), usize::from(is_found), "{json}");
        };
        check(r#"{"url":"a","mime_type":"image/png"}"#, true);
        check(r#"{"mime_type":"IMAGE/JPEG","url":"a"}"#, true);
        check(r#"{"url":"a.mp3","mime_type":"audio/mpeg"}"#, false);
        check(r#"{"url":"a.png","mime_type":"audio/mpeg"}"#, false);
        check(r#"{"url":"a.png?x","title":"b.png"}"#, true);
        check(r#"{"url":"a","title":"b.png"}"#, false);
        check(r#"{"url":"a.png","mime_type":null}"#, true);
        check(r#"{"url":"a.jpg","mime_type":"application/octet-stream"}"#, true);
        check(r#"{"url":"data:image/png;base64,AA==","mime_type":"image/png"}"#, false);
        check(r#"{"url":{"url":"a.png"}}"#, false);
        check(r#"{"mime_type":"image/png"},{"url":"a"}"#, false);
    }

    #[test]
    fn what_is_no_image() {
        for json in [
            r#"{"items":[{"content_text":"<img src='//h/a.png'> ![](//h/b.png)","summary":"//h/c.png"}]}"#,
            r#"{"_blue":{"icon":"a"},"items":[{"_x":{"image":"a"},"tags":["a.png"]}],"hubs":[{"url":"b.png"}]}"#,
            r#"{"items":{"image":"a"},"author":[{"avatar":"b"}],"authors":{"avatar":"c"},"Icon":"d"}"#,
            r#"{"items":[[{"image":"a"}]],"icon":["b"],"favicon":null}"#,
            r#"[{"icon":"a"}]"#,
            "",
        ] {
            check(json, &[]);
        }
    }

    #[test]
    fn html_in_a_string() {
        let html = |html: &str| format!("{{\"items\":[{{\"content_html\":\"{html}\"}}]}}");
        check(&html(r#"<img src=\"a.png\" srcset='b 1x,\nc 2x'>"#), &["a.png", "b", "c"]);
        check(
            &html(r"\u003cimg src='https:\/\/h\/?a=1&amp;b=\u00322'\u003e"),
            &[r"https:\/\/h\/?a=1&amp;b=\u00322"],
        );
        check(&html("<p style='background:url(a.png)'><!-- <img src=b> -->"), &["a.png"]);
        check(&html("&lt;img src=a.png>"), &[]);
        check(&html("<iframe srcdoc='<img src=a>'></iframe>"), &["a"]);
        check(&html("<img src='{{ x }}'><img src='data:a'>"), &[]);
        let links = found(html(r"<a href='https:\/\/h\/a.jpg'>").as_bytes()).links;
        assert_eq!(links[0].url, "https://h/a.jpg");
    }

    #[test]
    fn what_is_broken_is_read_as_far_as_it_goes() {
        check(r#"{"icon":"a",}"#, &["a"]);
        check(r#"{"icon":"a",oops"favicon":"b"}"#, &["a"]);
        check(r#"{"items":[{"image":"a"},{"image":"b"#, &["a"]);
        check(&format!("{{\"x\":{}", "[".repeat(200_000)), &[]);
        check(&format!("{{\"icon\":\"a\",\"items\":{}", "[{\"authors\":".repeat(200_000)), &["a"]);
    }

    #[test]
    fn a_link_is_written_for_every_layer() {
        let json =
            r#"{"icon":"a","items":[{"content_html":"<img src='b'><p style=\"background:url(c)\">"}]}"#;
        let found = found(json.as_bytes()).references;
        let after = replaced(json.as_bytes(), &found, "/x\"\\(1)&y");
        let expected = concat!(
            r#"{"icon":"/x\"\\(1)&y","items":[{"content_html":"<img src='/x&quot;\\(1)&amp;y'>"#,
            r#"<p style=\"background:url(/x\\&quot;\\\\\\(1\\)&amp;y)\">"}]}"#,
        );
        assert_eq!(after, expected);
    }
}
