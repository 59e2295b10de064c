//! References in CSS: `url()` and `image-set()` in the value of a property that shows images.
//!
//! Read over tokens (CSS Syntax Level 3) without building rules: what stands first in a statement says
//! whether it is a declaration, and of which property. Fonts, imported sheets, and the parts of SVG files
//! that `filter` or `clip-path` name are no images.

use std::ops::Range;

use crate::document::decoded::Decoded;
use crate::document::escape::{Escape, Escapes};
use crate::document::extract::Found;
use crate::document::reference::{Reference, ReferenceKind};
use crate::document::span::Span;

use token::{Function, Token, Tokens};

mod token;
mod unescape;

/// Finds what a style sheet refers to.
pub fn find(bytes: &[u8], found: &mut Found) {
    let text = Decoded::bytes(bytes, Span::new(0, bytes.len()));
    find_in(&text, Escapes::of(Escape::Css), found);
}

/// The same for a style sheet, or the declarations of one rule, that stand in another document.
/// `escapes` is how a URL in its `url()` is written there, [`Escape::Css`] first.
pub fn find_in(css: &Decoded<'_>, escapes: Escapes, found: &mut Found) {
    read(css, Place::Start, escapes, found);
}

/// The same for the value of a property that shows images.
pub fn find_in_value(css: &Decoded<'_>, escapes: Escapes, found: &mut Found) {
    read(css, Place::Value { shows_images: true }, escapes, found);
}

fn read(css: &Decoded<'_>, start: Place, escapes: Escapes, found: &mut Found) {
    if !css.text().contains('(') {
        return;
    }
    let mut place = start;
    let mut functions = Vec::new();
    let mut tokens = Tokens::new(css.text());
    while let Some(token) = tokens.next() {
        match &token {
            Token::Function(function) => functions.push(*function),
            Token::Delimiter(b')') => drop(functions.pop()),
            Token::Delimiter(b'{' | b'}' | b';') | Token::BadString => functions.clear(),
            _ => {}
        }
        let url = match &token {
            Token::Url(url) => Some(url),
            Token::String(text) if matches!(functions.last(), Some(Function::Url | Function::ImageSet)) => {
                Some(text)
            }
            _ => None,
        };
        match url {
            Some(url) if place == (Place::Value { shows_images: true }) => {
                found.references.extend(reference(css, url.clone(), escapes));
            }
            _ => place = place.after(&token, css.text()),
        }
    }
}

/// The reference whose URL is `url` in `css`, with its escapes.
fn reference(css: &Decoded<'_>, url: Range<usize>, escapes: Escapes) -> Option<Reference> {
    let url = unescape::decode(css.text(), url);
    let found = url.reference(0..url.text().len(), ReferenceKind::CssUrl, escapes)?;
    Some(Reference { span: css.span(found.span.range())?, ..found })
}

/// Where in a statement the next token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    /// After a name that is a property if a colon follows.
    Name {
        shows_images: bool,
    },
    /// In the value of a property.
    Value {
        shows_images: bool,
    },
    /// In a selector, or in what an at-rule says before its block.
    Elsewhere,
}

impl Place {
    fn after(self, token: &Token, text: &str) -> Self {
        match (self, token) {
            (_, Token::Delimiter(b'{' | b'}' | b';')) => Self::Start,
            (Self::Start, Token::Word(name)) => {
                let name = unescape::decode(text, name.clone());
                let is_other = OTHER_PROPERTIES.iter().any(|other| name.text().eq_ignore_ascii_case(other));
                Self::Name { shows_images: !is_other }
            }
            (Self::Name { shows_images }, Token::Delimiter(b':')) => Self::Value { shows_images },
            (Self::Value { .. }, _) => self,
            _ => Self::Elsewhere,
        }
    }
}

/// The properties whose URLs name something else than an image.
const OTHER_PROPERTIES: [&str; 15] = [
    "-moz-binding",
    "-ms-behavior",
    "-webkit-clip-path",
    "-webkit-filter",
    "backdrop-filter",
    "behavior",
    "clip-path",
    "fill",
    "filter",
    "marker",
    "marker-end",
    "marker-mid",
    "marker-start",
    "src",
    "stroke",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(css: &str, expected: &[(&str, &str)]) {
        let mut found = Found::default();
        find(css.as_bytes(), &mut found);
        let found: Vec<_> =
            found.references.iter().map(|found| (&css[found.span.range()], found.url.as_str())).collect();
        assert_eq!(found, expected, "{css}");
    }

    #[test]
    fn urls() {
        check("a{background:url(a.png)}", &[("a.png", "a.png")]);
        check("a{background:URL( 'a.png' )}", &[("a.png", "a.png")]);
        check(
            "a { color: red; background : #fff url(\t\"a b.png\"\n) no-repeat, url(c.png) }",
            &[("a b.png", "a b.png"), ("c.png", "c.png")],
        );
        check("background:url(//h.example/a.png", &[("//h.example/a.png", "//h.example/a.png")]);
        check("background:url('a.png", &[("a.png", "a.png")]);
        check("a:hover,b::before{content:url(a.png)}", &[("a.png", "a.png")]);
        check("@media (min-width:1px){a{list-style:url(a.png)}}", &[("a.png", "a.png")]);
        check("a{b{border-image-source:url(a.png)}}", &[("a.png", "a.png")]);
        check(":root{--hero: url(a.png)}", &[("a.png", "a.png")]);
        check("a{background:url( ' a.png\t' )}", &[("a.png", "a.png")]);
        check("<!-- a{background:url(a.png)} -->", &[("a.png", "a.png")]);
        check("a{background:url(图.png)}", &[("图.png", "图.png")]);
    }

    #[test]
    fn escapes() {
        check(r"a{background:url(a\(1\).png)}", &[(r"a\(1\).png", "a(1).png")]);
        check(r"a{background:\75 rl(a.png)}", &[("a.png", "a.png")]);
        check(r#"a{background:url("\61 \0000622.png")}"#, &[(r"\61 \0000622.png", "ab2.png")]);
        check(r"a{background:url('\20 a.png\9 ')}", &[("a.png", "a.png")]);
        check("a{background:url('a\\\nb.png')}", &[("a\\\nb.png", "ab.png")]);
        check("a{background:url('a\\\r\nb\\'.png')}", &[("a\\\r\nb\\'.png", "ab'.png")]);
        check(r"a{b\ackground:url(a.png)}", &[("a.png", "a.png")]);
        check(
            r"a{background:url('\0 \d800 \110000 .png')}",
            &[(r"\0 \d800 \110000 .png", "\u{fffd}\u{fffd}\u{fffd}.png")],
        );
    }

    #[test]
    fn image_sets() {
        check(
            "a{background:image-set('a.png' 1x, url(b.png) 2x, \"c.avif\" type('image/avif'))}",
            &[("a.png", "a.png"), ("b.png", "b.png"), ("c.avif", "c.avif")],
        );
        check("a{background:-WebKit-image-set(url(a.png) 1x)}", &[("a.png", "a.png")]);
        check(
            "a{background:cross-fade(url('a.png'), image-set((url(b.png)) 1x), 50%)}",
            &[("a.png", "a.png"), ("b.png", "b.png")],
        );
    }

    #[test]
    fn what_is_no_image() {
        for css in [
            "",
            "url(",
            "@import url(a.css);",
            "@import 'a.png';",
            "@namespace url(http://www.w3.org/1999/xhtml);",
            "@font-face{font-family:x;src:url(a.woff),url('a.svg#x')}",
            "@font-face{SRC:url(a.woff)}",
            r"@font-face{s\72 c:url(a.woff)}",
            "a{filter:url(a.svg#f);behavior:url(a.htc)}",
            "a{content:'url(a.png)'}",
            "/* a{background:url(a.png)} */",
            "a{background:/*url(a.png)*/}",
            "/* a{background:url(a.png)}",
            "a{background:url(a b.png)}",
            "a{background:url(a\"b.png)}",
            "a{background:url(var(--x))}",
            "a{background:url('a\n.png')}",
            "a{background:xurl(a.png)}",
            "a{background:10url(a.png)}",
            "a{background:#url(a.png)}",
            "a{background:url (a.png)}",
            "a{background:image('a.png')}",
            "a{background:type('a.png')}",
            "a{background:url(data:image/png;base64,AA==) url(#a) url() url('')}",
            "a[href='url(a.png)']{color:red}",
            "@supports (background:url(a.png)){}",
        ] {
            check(css, &[]);
        }
    }

    #[test]
    fn what_is_broken_does_not_hide_the_rest() {
        check("a{background:url(a b);background:url(c.png)}", &[("c.png", "c.png")]);
        check("a{background:foo(}b{background:url(c.png)}", &[("c.png", "c.png")]);
        check("}}a{color:'x\n;background:url(c.png)}", &[("c.png", "c.png")]);
        check("@font-face{src:url(a.woff)}a{background:url(c.png)}", &[("c.png", "c.png")]);
        check("@import url(a.css);a{background:url(c.png)}", &[("c.png", "c.png")]);
    }
}
