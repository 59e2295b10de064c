//! JSON front matter: an object, or its members alone, as Hexo has it between `;;;`.

use crate::document::escape::Escape;
use crate::document::json::{self, Event, Reader};
use crate::document::reference::ReferenceKind;
use crate::document::shadow::Text;

use super::keys::Walk;

/// Where the object ends that `text` starts with, if it is one as a whole.
pub(super) fn object_end(text: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(text, 0);
    reader.by_ref().all(|event| event.is_ok()).then(|| reader.offset())
}

/// Reads as far as the text is JSON.
pub(super) fn find(text: Text<'_>, walk: &mut Walk<'_>) {
    let reader = if text.seen.trim_ascii_start().starts_with(b"{") {
        Reader::new(text.seen, 0)
    } else {
        Reader::members(text.seen, 0)
    };
    // How deep the keys were where each open bracket stands: behind a value its own key is left again.
    let mut open = Vec::new();
    for event in reader.map_while(Result::ok) {
        match event {
            Event::Key(span) => walk.enter(&json::decode(text.slice(span))),
            Event::ObjectStart | Event::ArrayStart => open.push((event, walk.depth())),
            Event::ObjectEnd | Event::ArrayEnd => {
                open.pop();
                leave_member(&open, walk);
            }
            Event::String(span) => {
                if walk.holds_image() {
                    walk.push(span, ReferenceKind::JsonString, Escape::Json, json::decode(text.slice(span)));
                }
                leave_member(&open, walk);
            }
            Event::Other(_) => leave_member(&open, walk),
        }
    }
}

/// Behind a value: the key of a member is left, an array's element had none.
fn leave_member(open: &[(Event, usize)], walk: &mut Walk<'_>) {
    let base = open.last().map_or(0, |&(_, depth)| depth);
    if walk.depth() > base {
        walk.leave();
    }
}

/// Whether `text` is nothing but members of an object.
pub(super) fn are_members(text: &[u8]) -> bool {
    let mut reader = Reader::members(text, 0);
    let is_bad = |event| matches!(event, Err(json::Error::Unexpected { .. }));
    !reader.any(is_bad) && text[reader.offset().min(text.len())..].trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::keys::UserKeys;
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let keys = UserKeys::new(&[]);
        let mut walk = Walk::new(&keys);
        find(Text::of(text.as_bytes()), &mut walk);
        let found = walk.finish(0);
        let urls: Vec<_> = found.iter().map(|reference| reference.url.as_str()).collect();
        assert_eq!(urls, expected, "{text}");
    }

    #[test]
    fn strings_under_keys_of_images() {
        check(
            r#"{"cover": "/a.png", "link": "/b.png", "image": {"src": "\/c.png", "alt": "/x.png"}}"#,
            &["/a.png", "/c.png"],
        );
        check(
            r#"{"images": ["/a.png", ["/b.png"], {"src": "/c.png"}], "x": "/d.png"}"#,
            &["/a.png", "/b.png", "/c.png"],
        );
        check(r#""cover": "/a.png", "x": {"y": {"img": "/b.png"}, "z": "/c.png"}"#, &["/a.png", "/b.png"]);
        check(r#"{"cover": false, "x": "/a.png", "img": "no URL"}"#, &[]);
        check(r#"{"cover": "/a.png", oops, "img": "/b.png"}"#, &["/a.png"]);
    }
}
