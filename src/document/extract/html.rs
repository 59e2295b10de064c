//! References in HTML, the WHATWG way: whatever the bytes, a browser makes a page of them.
//!
//! The tokenizer is our own, over memchr. lol_html reads the same tags and attributes (`tests/html_spans`
//! holds the two against each other, on real pages and on random markup) but at a third of the speed or
//! less when it has to look at every attribute, and it takes `noscript` for text.
//!
//! A page that a site generator is to make starts with front matter, as a post in Markdown does.
//!
//! Read are the attributes that `html/meaning.rs` knows, `style` elements and attributes, JSON-LD, and the contents
//! of `template`, `noscript` and `srcdoc`. Comments, other scripts, `textarea` and other raw text hold no references.

use std::ops::Range;

use crate::document::decoded::Decoded;
use crate::document::escape::{Escape, Escapes};
use crate::document::extract::{Found, Rules, candidate, css, front_matter, json_ld, nested, srcset};
use crate::document::reference::ReferenceKind;
use crate::document::referrer::Policy;
use crate::document::span::Span;

use foreign::Foreign;
use meaning::{Meaning, Place};
use names::Element;
use token::{Token, Tokens};

mod char_ref;
mod foreign;
pub(super) mod in_xml;
mod meaning;
mod names;
mod raw_text;
mod token;

/// Finds what a whole document refers to.
///
/// `found.links` gets every `a href` that may lead to an image, and what a script will load (`data-src`)
/// into an element that is no image, unless its extension tells.
pub fn find(bytes: &[u8], rules: &Rules, found: &mut Found) {
    let body = front_matter::find(bytes, rules, found);
    find_in(bytes, &[Span::new(body, bytes.len())], rules, found);
}

/// The same for the HTML that stands in `pieces` of a document of another kind. Each piece is read on its
/// own, so that a tag or comment ends with it at the latest; elements stay open from piece to piece.
pub fn find_in(bytes: &[u8], pieces: &[Span], rules: &Rules, found: &mut Found) {
    find_pieces(bytes, pieces, 0, rules, found);
}

/// The same for a page that stands `depth` pages deep, one in the `srcdoc` of the other.
pub(super) fn find_page(bytes: &[u8], depth: usize, rules: &Rules, found: &mut Found) {
    find_pieces(bytes, &[Span::new(0, bytes.len())], depth, rules, found);
}

fn find_pieces(bytes: &[u8], pieces: &[Span], depth: usize, rules: &Rules, found: &mut Found) {
    let mut finder = Finder { bytes, rules, found, foreign: Foreign::default(), media: None, depth };
    for piece in pieces {
        finder.read(*piece, false);
    }
}

struct Finder<'a> {
    bytes: &'a [u8],
    rules: &'a Rules,
    found: &'a mut Found,
    foreign: Foreign,
    /// The last `picture`, `video` or `audio` if it is still open.
    media: Option<Element>,
    /// In how many pages this one stands.
    depth: usize,
}

impl<'a> Finder<'a> {
    fn read(&mut self, piece: Span, is_noscript: bool) {
        let mut tokens = Tokens::new(self.bytes, piece, self.rules);
        // where the text of a `style` of SVG goes on, which is made of texts and CDATA sections
        let mut style = None;
        while let Some((open, token)) = tokens.next(self.foreign.is_foreign()) {
            let was_style = style.take();
            if let Some(start) = was_style {
                self.style(&char_ref::decode(self.bytes, Span::new(start, open)), Some(Escape::Html));
            }
            let goes_on = was_style.map(|_| tokens.at());
            match token {
                Token::Start => style = self.start(&mut tokens, is_noscript),
                Token::End(element, name) => self.end(element, name),
                Token::Comment => style = goes_on,
                Token::Cdata(span) => {
                    if goes_on.is_some() {
                        self.style(&Decoded::bytes(self.bytes, span), None);
                    }
                    style = goes_on;
                }
            }
        }
        if let Some(start) = style {
            self.style(&char_ref::decode(self.bytes, Span::new(start, piece.end())), Some(Escape::Html));
        }
    }

    /// Reads a start tag, and the text of its element if that is no HTML. Returns where the text of a
    /// `style` of SVG starts.
    fn start(&mut self, tokens: &mut Tokens<'a>, is_noscript: bool) -> Option<usize> {
        let tag = &tokens.tag;
        let bytes = self.bytes;
        let name = &bytes[tag.name.range()];
        let is_html = self.foreign.start(
            tag.element,
            tag.is_self_closing,
            || foreign::start_breaks_out(name),
            || tag.says_html(bytes),
        );
        let place = Place { bytes, is_html, media: self.media };
        let before = self.found.references.len();
        for attribute in &tag.attributes {
            let meaning = place.meaning(tag, attribute);
            if meaning != Meaning::Nothing {
                self.value(meaning, &char_ref::decode(bytes, attribute.value));
            }
        }
        self.policies(place.referrer(tag), before);
        if !is_html {
            return (tag.element == Element::Style && !tag.is_self_closing).then(|| tokens.at());
        }
        let text = tokens.text();
        let raw = |end: usize| Span::new(tokens.at(), end);
        match tag.element {
            Element::Picture | Element::Video | Element::Audio => self.media = Some(tag.element),
            Element::Raw | Element::Title | Element::Iframe => {
                tokens.skip_to(raw_text::end(text, tokens.at(), name));
            }
            Element::Script => {
                let raw = raw(raw_text::script_end(text, tokens.at()));
                if place.is_json_ld(tag) {
                    json_ld::find(bytes, raw, self.found);
                }
                tokens.skip_to(raw.end());
            }
            Element::Plaintext => tokens.skip_to(text.len()),
            Element::Style => {
                let raw = raw(raw_text::end(text, tokens.at(), name));
                self.style(&Decoded::bytes(bytes, raw), None);
                tokens.skip_to(raw.end());
            }
            // To a browser that runs scripts it is raw text, so nothing in it can reach beyond its end.
            Element::Noscript if !is_noscript => {
                let raw = raw(raw_text::end(text, tokens.at(), name));
                let outside = (std::mem::take(&mut self.foreign), self.media);
                self.read(raw, true);
                (self.foreign, self.media) = outside;
                tokens.skip_to(raw.end());
            }
            _ => {}
        }
        None
    }

    /// The references from number `before` on stand in an element of this policy.
    fn policies(&mut self, policy: Option<Policy>, before: usize) {
        let Some(policy) = policy else { return };
        let spans = self.found.references[before..].iter().map(|reference| (reference.span, policy));
        self.found.policies.extend(spans);
    }

    fn end(&mut self, element: Element, name: Span) {
        let bytes = self.bytes;
        self.foreign.end(element, || foreign::end_breaks_out(&bytes[name.range()]));
        if matches!(element, Element::Picture | Element::Video | Element::Audio) {
            self.media = None;
        }
    }

    fn value(&mut self, meaning: Meaning, value: &Decoded<'_>) {
        let text = value.text();
        match meaning {
            Meaning::Image => self.image(value, 0..text.len()),
            Meaning::Sprite => self.image(value, 0..text.find('#').unwrap_or(text.len())),
            Meaning::Srcset => {
                let escapes = Escapes::of(Escape::Srcset).inside(Escape::Html);
                self.found.references.extend(
                    srcset::candidates(text)
                        .filter_map(|url| value.reference(url, ReferenceKind::SrcsetCandidate, escapes)),
                );
            }
            Meaning::CssValue => {
                css::find_in_value(value, Escapes::of(Escape::Css).inside(Escape::Html), self.found);
            }
            Meaning::Lazy | Meaning::LazyLink if text.contains("url(") => {
                css::find_in_value(value, Escapes::of(Escape::Css).inside(Escape::Html), self.found);
            }
            Meaning::Lazy if meaning::is_like_url(text) => self.image(value, 0..text.len()),
            Meaning::LazyLink if meaning::is_like_url(text) && candidate::names_image(text) => {
                self.image(value, 0..text.len());
            }
            Meaning::LazyLink | Meaning::Link if candidate::may_lead_to_image(text) => {
                let escapes = Escapes::of(Escape::Html);
                let link = value.reference(0..text.len(), ReferenceKind::HtmlAttribute, escapes);
                self.found.links.extend(link);
            }
            Meaning::Style => self.style(value, Some(Escape::Html)),
            Meaning::Page => {
                nested::find_page(value, Escapes::of(Escape::Html), self.depth + 1, self.rules, self.found);
            }
            Meaning::Base if self.found.base.is_none() => self.found.base = Some(text.trim().to_owned()),
            Meaning::Address if self.found.page.is_none() => self.found.page = Some(text.trim().to_owned()),
            Meaning::Referrer => self.found.policy = Policy::named(text).or(self.found.policy),
            Meaning::Lazy
            | Meaning::LazyLink
            | Meaning::Link
            | Meaning::Base
            | Meaning::Address
            | Meaning::Nothing => {}
        }
    }

    fn image(&mut self, value: &Decoded<'_>, url: Range<usize>) {
        let escapes = Escapes::of(Escape::Html);
        self.found.references.extend(value.reference(url, ReferenceKind::HtmlAttribute, escapes));
    }

    fn style(&mut self, text: &Decoded<'_>, within: Option<Escape>) {
        let escapes = Escapes::of(Escape::Css);
        css::find_in(text, within.map_or(escapes, |outer| escapes.inside(outer)), self.found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(html: &[u8]) -> Found {
        let rules = Rules { attributes: vec!["data-pic".into(), "X-SrcSet".into()], ..Rules::default() };
        let mut found = Found::default();
        find(html, &rules, &mut found);
        found
    }

    /// `expected`: what stands in each span.
    fn check(html: &str, expected: &[&str]) {
        let found = found(html.as_bytes());
        let raw: Vec<_> = found.references.iter().map(|found| &html[found.span.range()]).collect();
        assert_eq!(raw, expected, "{html}");
    }

    #[test]
    fn front_matter() {
        check("---\nlayout: post\nimage: '//h/a'\n---\n<img src=b>", &["//h/a", "b"]);
        check("+++\ncover = \"//h/a\"\n+++\n<img src=b>", &["//h/a", "b"]);
        check("---\nexcerpt: <img src=a>\n---\n<img src=b>", &["b"]);
        check("<p>---\nimage: //h/a.png\n---\n<img src=b>", &["b"]);
        check("---\nimage: //h/a.png\n<img src=b>", &["b"]);
        let html = b"---\nimage: '//h/a'\n---\n<img src=b>";
        let after = crate::document::splice::tests::replaced(html, &found(html).references, "/it's");
        assert_eq!(after, "---\nimage: '/it''s'\n---\n<img src=/it&#39;s>");
    }

    #[test]
    fn quotes_and_white_space() {
        for html in [
            "<img src='a.png'>",
            "<img src=\"a.png\">",
            "<img src=a.png>",
            "<IMG SRC=a.png >",
            "<img/src=a.png>",
            "<img/src='a.png'/>",
            "<img\nsrc\t=\r\n'a.png'>",
            "<img src=' a.png\n'>",
            "<img alt='>' src=a.png>",
            "<img alt=\"'\"src=a.png>",
            "<img =x src=a.png>",
            "<img ==x src=a.png>",
            "<img x= y src=a.png>",
            "<img \" src=a.png>",
            "<img src=a.png src=b.png SRC='c.png'>",
            "<img alt=\0 src=a.png>",
            "<<img src=a.png>",
            "< img><img src=a.png>",
            "</><img src=a.png>",
            "<a <img src=b.png><img src=a.png>",
            "<image src=a.png>",
        ] {
            check(html, &["a.png"]);
        }
        check("<img src=a.png/>", &["a.png/"]);
        check("<img src=a'b\"c=d`e>", &["a'b\"c=d`e"]);
        check("<img src='图.png'>", &["图.png"]);
    }

    #[test]
    fn no_reference() {
        for html in [
            "",
            "<",
            "<img src=a.png",
            "<img src='a.png>",
            "<img src>",
            "<img src=>",
            "<img src=''>",
            "<img src=' '>",
            "<img src src=a.png>",
            "<img s\0rc=a.png>",
            "<img\0 src=a.png>",
            "<imgs src=a.png>",
            "<img data-src>",
            "</img src=a.png>",
            "&lt;img src=a.png>",
            "<img longdesc=a.png alt=b.png title=c.png>",
            "<img src='data:image/png;base64,AA=='>",
            "<img src='{{ site.logo }}'>",
            "<img src='#a'>",
        ] {
            check(html, &[]);
        }
    }

    #[test]
    fn elements() {
        check("<img src=a lowsrc=b dynsrc=c srcset='d 1x, e 2x,f'>", &["a", "b", "c", "d", "e", "f"]);
        check("<picture><source srcset=a><source src=b></picture>", &["a", "b"]);
        check("<video poster=a src=b.png><source src=c.png type=image/png><img src=d></video>", &["a", "d"]);
        check(
            "<audio><source src=b.png></audio><source src=c.png><source src=d type='image/webp'>",
            &["c.png", "d"],
        );
        check("<source src=a.mp4>", &[]);
        check("<input type=IMAGE src=a><input src=b><input type=text src=c>", &["a"]);
        check("<object data=a type=image/svg+xml></object><object data=b.svg?x></object>", &["a", "b.svg?x"]);
        check("<object data=a.swf?b.png></object><object data=a type=text/html></object>", &[]);
        check("<embed src=a.png><embed src=b type=image/x><embed src=c>", &["a.png", "b"]);
        check(
            "<body background=a><table background=b><tr background=c><td background=d><th background=e>",
            &["a", "b", "c", "d", "e"],
        );
        check("<div background=a poster=b src=c srcset=d data=e content=f>", &[]);
        check("<amp-img src=a srcset='b 1x'></amp-img><amp-anim src=c></amp-anim>", &["a", "b", "c"]);
        check("<script src=a.png></script><iframe src=b.png></iframe><frame src=c.png>", &[]);
    }

    #[test]
    fn links_in_the_head() {
        for rel in
            ["icon", "shortcut icon", "Apple-Touch-Icon-Precomposed", "mask-icon", "image_src", "a\nICON b"]
        {
            check(&format!("<link rel='{rel}' href=a>"), &["a"]);
        }
        for rel in ["stylesheet", "canonical", "preload", "iconic", "", "preload' as='script"] {
            check(&format!("<link rel='{rel}' href=a.png>"), &[]);
        }
        check("<link rel=preload as=image href=a imagesrcset='b 1x, c 2x'>", &["a", "b", "c"]);
        check("<link rel=prefetch as=IMAGE href=a><link rel=icon imagesrcset=b>", &["a"]);
        check("<link itemprop=image href=a><link itemprop=logo href=b>", &["a", "b"]);
    }

    #[test]
    fn cards() {
        for meta in [
            "property=og:image",
            "property='og:image:secure_url'",
            "name=og:image:url",
            "itemprop=primaryImageOfPage",
            "itemprop=logo",
            "name=twitter:image",
            "name='twitter:image:src'",
            "name=msapplication-TileImage",
            "name=msapplication-square150x150logo",
            "itemprop=image",
            "name=thumbnail",
        ] {
            check(&format!("<meta {meta} content='https://h/a?b&amp;c'>"), &["https://h/a?b&amp;c"]);
            check(&format!("<meta content=a {meta}>"), &["a"]);
        }
        for meta in ["property=og:image:width", "name=description", "name=twitter:card", "http-equiv=refresh"]
        {
            check(&format!("<meta {meta} content=a.png>"), &[]);
        }
    }

    #[test]
    fn lazy_loading() {
        for name in
            ["data-src", "DATA-ORIGINAL", "data-lazy-src", "data-bg", "data-large-file", "data-url", "file"]
        {
            check(&format!("<img {name}=//h/a>"), &["//h/a"]);
        }
        check("<img data-srcset='//h/a 1x, //h/b 2x' data-lazy-srcset=//h/c>", &["//h/a", "//h/b", "//h/c"]);
        check("<img data-lowsrc=//h/a data-flickity-lazyload-srcset='//h/b 2x'>", &["//h/a", "//h/b"]);
        check(
            "<p data-bg-multi='url(//h/a), url(//h/b)' data-bg-set='url(//h/c) 1x'>",
            &["//h/a", "//h/b", "//h/c"],
        );
        check("<a data-mfp-src=//h/a.png><a data-mfp-src=//h/b>", &["//h/a.png"]);
        check("<div data-bg='url(&quot;//h/a&quot;)' data-src=a.png data-url=b.png>", &["//h/a", "a.png"]);
        check("<a data-src=//h/a.png data-bg=//h/b><div data-src=//h/c>", &["//h/a.png", "//h/b"]);
        check("<div data-bg=#fff data-image='{\"a\":\"/b.png\"}' data-lazy=true data-img='a / b'>", &[]);
        for element in ["iframe", "script", "audio", "video", "track", "embed"] {
            check(&format!("<{element} data-src=//h/a.png></{element}>"), &[]);
        }
        check("<video data-poster=//h/a><source data-src=//h/b></video><div file=a.png>", &["//h/a"]);
        check(
            "<p data-pic=a/b><img x-srcset='a 1x, b 2x' data-pic=c/d data-pic=e/f>",
            &["a/b", "a", "b", "c/d"],
        );
        check("<img data-nothing=a.png>", &[]);
    }

    #[test]
    fn svg() {
        check(
            "<svg><image href=a /><feImage xlink:href=b /><use href='c.svg#d'/><use href='#e'/></svg>",
            &["a", "b", "c.svg"],
        );
        check("<svg><a xlink:href=a><image src=b></image><circle href=c></svg>", &[]);
        check(
            "<svg><g cursor='url(a.png), auto' mask=url(b.png) fill=url(c.png#d)></svg>",
            &["a.png", "b.png"],
        );
        check("<p cursor='url(a.png)' mask='url(b.png)'>", &[]);
        check("<image href=a xlink:href=b><use href=c>", &[]);
    }

    #[test]
    fn styles() {
        check("<p style='background:url(a.png)'>", &["a.png"]);
        check("<p style=\"background:url(&quot;a.png?b&amp;c&quot;)\">", &["a.png?b&amp;c"]);
        check("<p style=background:url&lpar;a.png)>", &["a.png"]);
        check("<p style=\"background:url('&#32;a.png&#9;')\">", &["a.png"]);
        check("<style>p{background:url(a.png)}</style>", &["a.png"]);
        check("<style>p{background:url(a&amp;b.png)}", &["a&amp;b.png"]);
        check("<noscript><style>p{background:url(a.png)}</noscript>", &["a.png"]);
        check("<svg><style>p{background:url(a&amp;b)}</style><p>url(c)", &["a&amp;b"]);
        check("<svg><style>/*<![CDATA[*/ p{background:url(a&amp;b)} /*]]>*/</style>", &["a&amp;b"]);
        check("<svg><style>p{}<!-- url(c) -->p{background:url(a)}", &["a"]);
        check("<svg><style/><p>p{background:url(a)}", &[]);
        check("<p>background:url(a.png)</p>", &[]);
    }

    #[test]
    fn decoded() {
        let check = |html: &[u8], url: &str, escapes: Escapes| {
            let found = found(html);
            assert_eq!(found.references.len(), 1, "{found:?}");
            assert_eq!((found.references[0].url.as_str(), found.references[0].escapes), (url, escapes));
        };
        let html = Escapes::of(Escape::Html);
        check(b"<img src='https://h/?a=1&amp;b=2&c=3&copy=4'>", "https://h/?a=1&b=2&c=3&copy=4", html);
        check(b"<img src=' https://h/a\n\tb '>", "https://h/ab", html);
        check(b"<img src='https://h/\xcd\xff\\.png'>", "https://h/%CD%FF%5C.png", html);
        check(
            b"<img srcset='//h/a&comma;b&#32;1x'>",
            "//h/a,b",
            Escapes::of(Escape::Srcset).inside(Escape::Html),
        );
        let style = Escapes::of(Escape::Css);
        check(b"<style>p{background:url(a\\26 amp;)}", "a&amp;", style);
        check(b"<p style='background:url(a\\26 amp;)'>", "a&amp;", style.inside(Escape::Html));
        check(b"<p style='background:url(a&bsol;26 b)'>", "a&b", style.inside(Escape::Html));
    }

    #[test]
    fn links_and_base() {
        let check = |html: &str, links: &[&str], base: Option<&str>| {
            let found = found(html.as_bytes());
            let urls: Vec<_> = found.links.iter().map(|link| link.url.as_str()).collect();
            assert_eq!((urls.as_slice(), found.base.as_deref()), (links, base), "{html}");
            assert_eq!(found.references, [], "{html}");
        };
        check(
            "<a href=https://h/a?b&amp;c><a href=//h/d><a href=HTTP:x>",
            &["https://h/a?b&c", "//h/d"],
            None,
        );
        check("<a href=../a.jpg><a href=../a.html><a href=#a><a href=mailto:a@b.c>", &["../a.jpg"], None);
        check(
            "<a href='#' data-src='//h/a'><a data-src='#video'><div data-src=//h/b.js>",
            &["//h/a", "//h/b.js"],
            None,
        );
        check("<base target=x><base href=' https://h/&amp; '><base href=b>", &[], Some("https://h/&"));
        check("<svg><a href=//h/a></a><base href=a>", &["//h/a"], None);
    }

    #[test]
    fn pieces_are_read_on_their_own() {
        let html =
            b"<img src=a.png> <img src='b.png> '<img src=c.png> <picture> <source src=d> <!-- <img src=e>";
        let mut found = Found::default();
        let pieces = [(0, 15), (16, 33), (34, 49), (50, 59), (60, 74), (75, 79), (80, 91)]
            .map(|(start, end)| Span::new(start, end));
        find_in(html, &pieces, &Rules::default(), &mut found);
        let raw: Vec<_> = found.references.iter().map(|found| &html[found.span.range()]).collect();
        assert_eq!(raw, [&b"a.png"[..], b"c.png", b"d", b"e"]);
    }
}
