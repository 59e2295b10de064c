//! YAML front matter.
//!
//! Most posts hold nothing but `key: value` lines and flat lists, which `lines` reads exactly. Whatever is
//! more goes through saphyr-parser; and where that finds an error, what `lines` could make of the rest is
//! taken too, so that one bad line does not hide the others.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::document::reference::ReferenceKind;
use crate::document::shadow::Text;
use crate::document::span::Span;

use super::keys::Walk;
use super::lines;
use super::scalar::Scalar;

/// `shadow` is what is seen of `text`: ASCII, so that the characters which the parser counts are bytes.
pub(super) fn find(text: Text<'_>, shadow: &str, walk: &mut Walk<'_>) {
    let mut by_lines = walk.fork();
    if lines::find(text, &mut by_lines) {
        return walk.join(by_lines);
    }
    let mut by_events = walk.fork();
    let read = Events::new(text, &mut by_events).read(shadow);
    walk.join(by_events);
    if read.is_err() {
        walk.join(by_lines);
    }
}

/// A collection that is open, and what comes next in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Sequence,
    Key,
    Value,
}

struct Events<'t, 'w, 'k> {
    text: Text<'t>,
    walk: &'w mut Walk<'k>,
    open: Vec<Open>,
    anchors: HashMap<usize, Scalar>,
}

impl<'t, 'w, 'k> Events<'t, 'w, 'k> {
    fn new(text: Text<'t>, walk: &'w mut Walk<'k>) -> Self {
        Self { text, walk, open: Vec::new(), anchors: HashMap::new() }
    }

    fn read(&mut self, shadow: &str) -> Result<(), saphyr_parser::ScanError> {
        for event in Parser::new_from_str(shadow) {
            let (event, place) = event?;
            let span = Span::new(place.start.index(), place.end.index().max(place.start.index()));
            match event {
                Event::Scalar(value, style, anchor, _tag) => self.scalar(span, &value, style, anchor),
                Event::Alias(anchor) => self.alias(anchor),
                Event::SequenceStart(..) => self.open(Open::Sequence),
                Event::MappingStart(..) => self.open(Open::Key),
                Event::SequenceEnd | Event::MappingEnd => {
                    self.open.pop();
                    self.settle();
                }
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
            }
        }
        Ok(())
    }

    fn scalar(&mut self, span: Span, value: &str, style: ScalarStyle, anchor: usize) {
        if self.open.last() == Some(&Open::Key) {
            let key = Scalar::find(self.text, span, style);
            self.walk.enter(&key.map(|key| key.decode(self.text)).unwrap_or_default());
            if let Some(open) = self.open.last_mut() {
                *open = Open::Value;
            }
            return;
        }
        if (anchor != 0 || self.walk.holds_image())
            && let Some(scalar) = Scalar::find(self.text, span, style)
            && scalar.decode(Text::of(self.text.seen)) == value.trim_end_matches('\n')
        {
            if self.walk.holds_image() {
                self.keep(scalar);
            }
            if anchor != 0 {
                self.anchors.insert(anchor, scalar);
            }
        }
        self.settle();
    }

    /// The anchored scalar is what the alias says, so it is the place to change.
    fn alias(&mut self, anchor: usize) {
        if self.open.last() == Some(&Open::Key) {
            return self.key_of_no_name();
        }
        if self.walk.holds_image()
            && let Some(&scalar) = self.anchors.get(&anchor)
        {
            self.keep(scalar);
        }
        self.settle();
    }

    fn keep(&mut self, scalar: Scalar) {
        self.walk.push(scalar.span, ReferenceKind::YamlScalar, scalar.escape, scalar.decode(self.text));
    }

    fn open(&mut self, collection: Open) {
        if self.open.last() == Some(&Open::Key) {
            self.key_of_no_name();
            // The collection is the key itself: what it holds stands under no name, and its end ends the key.
            if let Some(open) = self.open.last_mut() {
                *open = Open::Key;
            }
        }
        self.open.push(collection);
    }

    fn key_of_no_name(&mut self) {
        self.walk.enter("");
        if let Some(open) = self.open.last_mut() {
            *open = Open::Value;
        }
    }

    /// Behind a node: a value's key is left; a key that was a collection now waits for its value.
    fn settle(&mut self) {
        match self.open.last_mut() {
            Some(open @ Open::Value) => {
                *open = Open::Key;
                self.walk.leave();
            }
            Some(open @ Open::Key) => *open = Open::Value,
            Some(Open::Sequence) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::keys::UserKeys;
    use super::*;

    /// What is found: the text at the span and what it says.
    fn found(text: &str) -> Vec<(String, String)> {
        let keys = UserKeys::new(&[]);
        let mut walk = Walk::new(&keys);
        find(Text::of(text.as_bytes()), text, &mut walk);
        assert_eq!(walk.depth(), 0, "{text}");
        let found = walk.finish(0).into_iter();
        found.map(|reference| (text[reference.span.range()].to_owned(), reference.url)).collect()
    }

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|&(raw, url)| (raw.to_owned(), url.to_owned())).collect();
        assert_eq!(found(text), expected, "{text}");
    }

    /// Where the text is its own meaning.
    fn check_urls(text: &str, expected: &[&str]) {
        check(text, &expected.iter().map(|&url| (url, url)).collect::<Vec<_>>());
    }

    #[test]
    fn styles_of_scalars() {
        check_urls("cover: https://a.example/b.png", &["https://a.example/b.png"]);
        check_urls("cover:   /b.png  # note", &["/b.png"]);
        check_urls("cover: /b.png#part", &["/b.png#part"]);
        check_urls("cover: '/b.png'", &["/b.png"]);
        check_urls("cover: \"/b.png\" # note", &["/b.png"]);
        check("cover: '/it''s.png'", &[("/it''s.png", "/it's.png")]);
        check("cover: \"\\/b\\x2Epng\\u003f\"", &[("\\/b\\x2Epng\\u003f", "/b.png?")]);
        check_urls("cover: &a !!str /b.png", &["/b.png"]);
        check_urls("cover: !t &a '/b.png' # note", &["/b.png"]);
        check_urls("cover: |\n  /b.png\n", &["/b.png"]);
        check_urls("cover: &a >-\n  /b.png\n\nx: y", &["/b.png"]);
        check_urls("cover:\n  /b.png\n", &["/b.png"]);
        check_urls("cover: >-\n  /b.png\n  /c.png\n", &[]);
        check_urls("cover: '/b\n  .png'", &[]);
        check_urls("cover: /b.png\n  /c.png\n", &[]);
        check_urls("cover: two words.png", &[]);
        check_urls("cover: true\nimage:\nimg: ''\n", &[]);
        check_urls("? cover\n: /b.png\n", &["/b.png"]);
        check_urls("'cover': /b.png\n\"img\" : /c.png", &["/b.png", "/c.png"]);
    }

    #[test]
    fn collections() {
        check_urls("images:\n- /a.png\n- '/b.png'\nx: /c.png", &["/a.png", "/b.png"]);
        check_urls("images:\n  - src: /a.png\n    alt: /x.png\n  - /b.png", &["/a.png", "/b.png"]);
        check_urls(
            "cover: {image: /a.png, link: /b.png}\nphotos: [/c.png, \"/d.png\"]",
            &["/a.png", "/c.png", "/d.png"],
        );
        check_urls("x:\n  y:\n    - z:\n        og_image: /a.png\n", &["/a.png"]);
        check_urls("[a, b]: c\n? {d: e}\n: f\ncover: /a.png", &["/a.png"]);
        check_urls("? [a, b]\n: {cover: /a.png}\nx: /b.png", &["/a.png"]);
        check_urls("x: &it /a.png\ncover: *it\nimg: *it", &["/a.png"]);
        check_urls("*a : x\ncover: /a.png", &["/a.png"]);
    }

    #[test]
    fn a_bad_line_hides_no_other() {
        check_urls("cover: /a.png\ntitle: a: b: c\nimg: '/b.png'", &["/a.png", "/b.png"]);
        check_urls("title: \"un\"closed\"\ncover: /a.png\nx: /b.png", &["/a.png"]);
        check_urls("title: @x\nx:\n  cover: /a.png\n  y: /b.png\nz: /c.png", &["/a.png"]);
        check_urls("title: [x\nimages:\n  - /a.png\n  - src: /b.png\ny: /c.png", &["/a.png", "/b.png"]);
        check_urls(
            "title: `x`\nphotos: [/a.png, '/b.png' ,\"/c.png\"]\nimg: [/d.png]",
            &["/a.png", "/b.png", "/c.png", "/d.png"],
        );
        check_urls("title: `x`\nphotos: [, ]\nimg: {src: /d.png}\ncover: &a /e.png\nlogo: [", &[]);
        check_urls("title: `x`\ncover:/a.png\n\timg: /b.png", &["/a.png", "/b.png"]);
    }

    #[test]
    fn depth_and_length_are_no_danger() {
        for text in ["[", "{a: ", "- ", "? ", "a: &a b\n", "*a ", "'", "cover: |\n", "a:\n ", "!t "] {
            found(&text.repeat(20_000));
        }
        let nested: String = (0..400).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        found(&nested);
    }

    proptest! {
        /// Where `lines` calls a text simple, the YAML parser reads the same from it.
        #[test]
        fn simple_lines_are_read_exactly(lines in proptest::collection::vec(("(cover|img|x|a b|图|-|)", proptest::sample::select(vec![
            ": ", ":", "- ", " - ", "  - ", "-", "   ", "",
        ]), proptest::sample::select(vec![
            "/a.png", "'/b.png'", "\"/c.png\"", "/d.png # x", "'/e''.png' ", "\"/f\\.png\"", "", "a: b", "#", "&a /g.png", "[/h.png]",
            "/i.png:", "'/j.png", "x", "|", "{", "%x", "a#b/", "- /k.png", "? x", "*a", "1", "...", "---", "/图.png", "'/l.png' x",
        ])), 0..8)) {
            let text: String = lines.iter().map(|(key, mark, value)| format!("{key}{mark}{value}\n")).collect();
            let shadow = crate::document::shadow::ascii(text.as_bytes(), Span::new(0, text.len()));
            let text = Text { seen: shadow.as_bytes(), raw: text.as_bytes() };
            let keys = UserKeys::new(&[]);
            let (mut by_lines, mut by_events) = (Walk::new(&keys), Walk::new(&keys));
            if lines::find(text, &mut by_lines) {
                prop_assert!(Events::new(text, &mut by_events).read(&shadow).is_ok());
                prop_assert_eq!(by_lines.finish(0), by_events.finish(0));
            }
        }
    }
}
