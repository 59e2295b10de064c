//! Tags of site generators: `{% img … %}` (Hexo, Jekyll), `{{< figure … >}}` and `{{% figure … %}}` (Hugo).
//!
//! A generator reads them before Markdown is read, so to Markdown each is one word. A tag ends at the first
//! mark that can end it and holds no blank line and no other tag; whatever else there is in braces is no tag
//! of an image.

use crate::document::escape::{Escape, Escapes};
use crate::document::extract::candidate;
use crate::document::reference::{Reference, ReferenceKind};
use crate::document::shadow::Text;
use crate::document::span::Span;

use arguments::{Argument, Arguments, list};

mod arguments;

/// Which arguments without a name are images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Positional {
    /// The first that is a URL: classes stand before it, sizes and titles behind.
    First,
    /// The last that is a URL.
    Last,
    All,
}

/// Tags that show images, and whether their first argument without a name that is a URL is one.
const IMAGES: [(&str, Positional); 13] = [
    ("asset_img", Positional::First),
    ("fancybox", Positional::First),
    ("figure", Positional::First),
    ("gallery", Positional::All),
    ("galleryGroup", Positional::Last),
    ("image", Positional::First),
    ("img", Positional::First),
    ("inlineImg", Positional::First),
    ("inlineimage", Positional::First),
    ("lightgallery", Positional::All),
    ("photo", Positional::First),
    ("picture", Positional::First),
    ("responsive_image", Positional::First),
];

/// Tags that show what another file makes of their arguments: an image if the file's name says so.
const INCLUDES: [&str; 2] = ["include", "include_cached"];

/// What the name of a file that shows an image holds.
const FIGURES: [&str; 8] = ["figure", "image", "img", "picture", "photo", "gallery", "lightbox", "thumb"];

/// Names of arguments that are images.
const IMAGE_KEYS: [&str; 14] = [
    "cover",
    "file",
    "image",
    "image_path",
    "images",
    "img",
    "path",
    "poster",
    "source",
    "src",
    "src_l",
    "src_s",
    "thumbnail",
    "url",
];

/// Names of arguments that lead somewhere, perhaps to the image in full size.
const LINK_KEYS: [&str; 3] = ["download", "href", "link"];

/// Tags that have an end, between which no other tag is read; and whether what stands there is not shown, or
/// shown as code.
const BLOCKS: [(&str, bool); 6] = [
    ("code", true),
    ("codeblock", true),
    ("comment", true),
    ("highlight", true),
    ("raw", false),
    ("verbatim", false),
];

/// A tag that matters. Spans count from the start of the body.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) span: Span,
    pub(super) role: Role,
}

#[derive(Debug)]
pub(super) enum Role {
    /// It shows `images`, and leads to `links`.
    Image { images: Vec<Reference>, links: Vec<Reference> },
    /// It begins the block of this number in [`BLOCKS`].
    Start(usize),
    /// It ends that block.
    End(usize),
}

/// What stands between two tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) span: Span,
    /// Whether nothing in it counts; if not, it is only that no tag in it is one.
    pub(super) is_code: bool,
}

/// Whether any tag may stand in `body`.
pub(super) fn may_hold(body: &[u8]) -> bool {
    memchr::memchr_iter(b'{', body).any(|at| matches!(body.get(at + 1), Some(b'%' | b'{')))
}

/// The tags that matter, in order, whether they stand in code or not.
pub(super) fn read(text: Text<'_>) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some(len) = memchr::memchr(b'{', &text.seen[at..]) {
        at += len;
        let Some(syntax) = Syntax::opened(&text.seen[at..]) else {
            at += 1;
            continue;
        };
        let start = at;
        let inside = start + syntax.opening();
        match syntax.end(text.seen, inside) {
            Ok(end) => {
                at = end + syntax.closing();
                let role = role(text, Span::new(inside, end), syntax);
                tags.extend(role.map(|role| Tag { span: Span::new(start, at), role }));
            }
            Err(next) => at = next,
        }
    }
    tags
}

/// The blocks that tags begin and end. `is_code` tells whether Markdown takes a place for code: no block
/// begins there.
pub(super) fn blocks(tags: &[Tag], is_code: impl Fn(usize) -> bool) -> Vec<Block> {
    let mut last_ends = [0; BLOCKS.len()];
    for (index, tag) in tags.iter().enumerate() {
        if let Role::End(block) = tag.role {
            last_ends[block] = index;
        }
    }
    let mut blocks = Vec::new();
    let mut rest = tags.iter().enumerate();
    while let Some((index, tag)) = rest.next() {
        if let Role::Start(block) = tag.role
            && last_ends[block] > index
            && !is_code(tag.span.start())
            && let Some((_, end)) =
                rest.find(|(_, tag)| matches!(tag.role, Role::End(ended) if ended == block))
        {
            let span = Span::new(tag.span.end(), end.span.start());
            blocks.push(Block { span, is_code: BLOCKS[block].1 });
        }
    }
    blocks
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    /// `{% … %}`
    Liquid,
    /// `{{< … >}}`, `{{% … %}}`: the byte that stands within the braces.
    Hugo(u8),
}

impl Syntax {
    /// The syntax of the tag that `seen` starts with.
    fn opened(seen: &[u8]) -> Option<Self> {
        match seen {
            [b'{', b'%', ..] => Some(Self::Liquid),
            [b'{', b'{', mark @ (b'<' | b'%'), ..] => Some(Self::Hugo(*mark)),
            _ => None,
        }
    }

    fn opening(self) -> usize {
        match self {
            Self::Liquid => 2,
            Self::Hugo(_) => 3,
        }
    }

    fn closing(self) -> usize {
        self.opening()
    }

    /// Where the closing mark of the tag stands whose inside starts at `at`; or, if it is no tag, where one
    /// may start.
    fn end(self, seen: &[u8], mut at: usize) -> Result<usize, usize> {
        let start = at;
        loop {
            at += memchr::memchr3(b'{', b'}', b'\n', &seen[at..]).ok_or(seen.len())?;
            match (&seen[at..], self) {
                ([b'{', b'{' | b'%', ..], _) => return Err(at),
                ([b'}', ..], Self::Liquid) if at > start && seen[at - 1] == b'%' => return Ok(at - 1),
                ([b'}', b'}', ..], Self::Hugo(mark)) if at > start => {
                    let closing = if mark == b'<' { b'>' } else { mark };
                    if seen[at - 1] == closing {
                        return Ok(at - 1);
                    }
                }
                ([b'\n', rest @ ..], _) if starts_blank(rest) => return Err(at),
                _ => {}
            }
            at += 1;
        }
    }
}

/// Whether the line that `rest` starts with is blank.
fn starts_blank(rest: &[u8]) -> bool {
    let text = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
    matches!(text, None | Some(b'\n'))
}

/// What the tag is that holds `inside`.
fn role(text: Text<'_>, inside: Span, syntax: Syntax) -> Option<Role> {
    let mut inside = trim(text.seen, inside, syntax);
    let is_end = syntax != Syntax::Liquid && text.seen[inside.start()..inside.end()].starts_with(b"/");
    if is_end {
        inside = Span::new(inside.start() + 1, inside.end());
        inside = trim(text.seen, inside, Syntax::Liquid);
    }
    let seen = &text.seen[inside.range()];
    let len = seen.iter().position(u8::is_ascii_whitespace).unwrap_or(seen.len());
    let name = std::str::from_utf8(&seen[..len]).ok()?;
    let block = |name: &str| BLOCKS.iter().position(|(block, _)| *block == name);
    if is_end {
        return block(name).map(Role::End);
    }
    if let Some(end) = name.strip_prefix("end").and_then(block) {
        return Some(Role::End(end));
    }
    if let Some(start) = block(name) {
        return Some(Role::Start(start));
    }
    let mut arguments = Arguments::new(text.seen, Span::new(inside.start() + len, inside.end()));
    let mut positional = None;
    if INCLUDES.contains(&name) {
        let file = text.seen[arguments.next()?.value.range()].to_ascii_lowercase();
        if !FIGURES.iter().any(|figure| memchr::memmem::find(&file, figure.as_bytes()).is_some()) {
            return None;
        }
    } else {
        positional = Some(IMAGES.iter().find(|(image, _)| image.eq_ignore_ascii_case(name))?.1);
    }
    let (images, links) = references(text, arguments, positional);
    (!images.is_empty() || !links.is_empty()).then_some(Role::Image { images, links })
}

/// Without the white space around it, and the marks that belong to the braces: `{%- … -%}`, `{{< … />}}`.
fn trim(seen: &[u8], inside: Span, syntax: Syntax) -> Span {
    let (mut start, mut end) = (inside.start(), inside.end());
    match syntax {
        Syntax::Liquid => {
            start += usize::from(seen[start..end].starts_with(b"-"));
            end -= usize::from(seen[start..end].ends_with(b"-"));
        }
        Syntax::Hugo(_) => end -= usize::from(seen[start..end].ends_with(b"/")),
    }
    let text = &seen[start..end];
    start += text.len() - text.trim_ascii_start().len();
    Span::new(start, start + text.trim_ascii().len())
}

fn references(
    text: Text<'_>,
    arguments: Arguments<'_>,
    positional: Option<Positional>,
) -> (Vec<Reference>, Vec<Reference>) {
    let (mut images, mut links, mut unnamed) = (Vec::new(), Vec::new(), Vec::new());
    let all = |value| list(text.seen, value).filter_map(|(url, escape)| reference(text, url, escape));
    for Argument { key, value } in arguments {
        let Some(key) = key else {
            if positional == Some(Positional::All) {
                unnamed.extend(all(value));
            } else {
                unnamed.extend(reference(text, value, Escape::TemplateTag));
            }
            continue;
        };
        let key = text.seen[key.range()].to_ascii_lowercase();
        let is_among = |keys: &[&str]| keys.iter().any(|known| known.as_bytes() == key);
        if is_among(&IMAGE_KEYS) {
            images.extend(all(value));
        } else if is_among(&LINK_KEYS) {
            links.extend(reference(text, value, Escape::TemplateTag));
        }
    }
    match positional {
        Some(Positional::All) => images.extend(unnamed),
        Some(Positional::First) => images.extend(unnamed.into_iter().next()),
        Some(Positional::Last) => images.extend(unnamed.pop()),
        None => {}
    }
    (images, links)
}

/// The reference that `value` is. A word without a slash is a name of the site's own.
fn reference(text: Text<'_>, value: Span, escape: Escape) -> Option<Reference> {
    let url = text.slice(value).decode(b"", |_| None);
    (url.contains('/') && url != "/" && candidate::is_one_url(&url)).then_some(Reference {
        span: value,
        kind: ReferenceKind::TemplateTag,
        escapes: Escapes::of(escape),
        url,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What stands in the spans of images and of links.
    fn found(text: &str) -> (Vec<&str>, Vec<&str>) {
        let (mut images, mut links) = (Vec::new(), Vec::new());
        for tag in read(Text::of(text.as_bytes())) {
            if let Role::Image { images: shown, links: led_to } = tag.role {
                images.extend(shown.iter().map(|image| &text[image.span.range()]));
                links.extend(led_to.iter().map(|link| &text[link.span.range()]));
            }
        }
        (images, links)
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(found(text), (expected.to_vec(), Vec::new()), "{text}");
    }

    #[test]
    fn hexo() {
        check("{% img http://h/a.png %}", &["http://h/a.png"]);
        check("{%img //h/a.png%}{%- img //h/b.png -%}", &["//h/a.png", "//h/b.png"]);
        check("{% img left big http://h/a 100 200 '\"a title/x\" \"alt\"' %}", &["http://h/a"]);
        check("{% asset_img right 'https://h/a.png' \"t\" %}", &["https://h/a.png"]);
        check("{% image https://h/a.png, width=400px, alt=//h/x.png %}", &["https://h/a.png"]);
        let (images, links) = found("{% image https://h/a.png 图 download:https://h/b.png width:9px %}");
        assert_eq!((images, links), (vec!["https://h/a.png"], vec!["https://h/b.png"]));
        check(
            "{% inlineImg https://h/a.png 150px %} {% inlineimage //h/b, height=9px %}",
            &["https://h/a.png", "//h/b"],
        );
        check("{% galleryGroup '壁 纸' 'text' '/Gallery/a' https://h/a.png %}", &["https://h/a.png"]);
        check("{% img\n  class\n  http://h/a.png\n%}", &["http://h/a.png"]);
        check("{% img ../ab/cd.png %}{% img /ab/cd.png %}", &["../ab/cd.png", "/ab/cd.png"]);
    }

    #[test]
    fn jekyll() {
        check("{% include figure.html src=\"//h/a\" alt='x' caption=\"//h/x\" %}", &["//h/a"]);
        check("{% include figure image_path='//h/a' url = \"//h/b\" %}", &["//h/a", "//h/b"]);
        check("{% include_cached my/Image.html img=//h/a.png %}", &["//h/a.png"]);
        check("{% picture //h/a.png alt=\"x\" %}{% picture wide //h/b.png %}", &["//h/a.png", "//h/b.png"]);
        check("{% responsive_image path: //h/a.png alt: \"x/y\" %}", &["//h/a.png"]);
        check("{% responsive_image path: '//h/a b.png' %}", &[]);
    }

    #[test]
    fn hugo() {
        let (images, links) = found("{{< figure src=\"//h/a\" link=\"//h/b\" title=\"//h/x\" >}}");
        assert_eq!((images, links), (vec!["//h/a"], vec!["//h/b"]));
        check(
            "{{% figure src='//h/a' %}}{{<img src=//h/b>}}{{< img src=`//h/c` />}}",
            &["//h/a", "//h/b", "//h/c"],
        );
        check("{{< image \"//h/a\" >}}{{< Figure src=//h/b/>}}", &["//h/a", "//h/b"]);
        check("{{< figure\n  src=\"//h/a\"\n  alt=\"a } b\"\n>}}", &["//h/a"]);
        check(
            "{{< gallery \"//h/a\" '//h/b,c' \"//h/d, //h/e\" >}}",
            &["//h/a", "//h/b,c", "//h/d", "//h/e"],
        );
        check("{% img src=,//h/a,b,./c/d,../e/f %}", &["//h/a,b", "./c/d", "../e/f"]);
        check("{{< image src=\"//h/a\" src_s=\"//h/b\" src_l=\"//h/c\" >}}", &["//h/a", "//h/b", "//h/c"]);
    }

    #[test]
    fn what_is_no_tag_of_an_image() {
        for text in [
            "{% asset_path //h/a.png %}",
            "{% link //h/a.png %}",
            "{% imgs //h/a.png %}",
            "{% img %}",
            "{% img a.png %}",
            "{% img 'http://h/a b.png' %}",
            "{% img {{ site.url }}/a.png %}",
            "{% img //h/a.png\n\n%}",
            "{% img //h/a.png",
            "{% img \"//h/a.png %}",
            "{ % img //h/a.png %}",
            "{%} img //h/a.png %}",
            "{{ img //h/a.png }}",
            "{{ 'http://h/a.png' | relative_url }}",
            "{{</* figure src=\"//h/a.png\" */>}}",
            "{{%/* figure src=\"//h/a.png\" */%}}",
            "{{< /figure src=\"//h/a.png\" >}}",
            "{{< figure src=\"//h/a.png\" %}}",
            "{{< figure alt=\"//h/a.png\" >}}",
            "{{< youtube src=//h/a.png >}}",
            "{% include video.html src=\"//h/a.png\" %}",
            "{% include src=\"//h/a.png\" %}",
            "{% img data:image/png;base64,AA/A= %}",
        ] {
            check(text, &[]);
        }
        check("{% img {% img //h/a.png %}", &["//h/a.png"]);
    }

    #[test]
    fn blocks_begin_and_end() {
        let check = |text: &str, expected: &[(&str, bool)]| {
            let tags = read(Text::of(text.as_bytes()));
            let found = blocks(&tags, |at| text[at..].starts_with("{% raw x"));
            let found: Vec<_> =
                found.iter().map(|block| (&text[block.span.range()], block.is_code)).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("{% raw %}a{% endraw %}{%- codeblock x -%}b{% endcodeblock %}", &[("a", false), ("b", true)]);
        check(
            "{{< highlight go >}}a{{< /highlight >}}{{% comment %}}b{{%/comment%}}",
            &[("a", true), ("b", true)],
        );
        check("{% raw %}{% code %}a{% endraw %}b{% endcode %}", &[("{% code %}a", false)]);
        check("{% raw %}{% comment %}a{% endcomment %}", &[("a", true)]);
        check("{% raw x %}{% comment %}a{% endcomment %}{% endraw %}", &[("a", true)]);
        check("{% endraw %}{% raw %}", &[]);
    }

    proptest! {
        /// Whatever is written for a URL is what is read there.
        #[test]
        fn a_replacement_is_read_back(parts in proptest::collection::vec(proptest::sample::select(vec![
            "{% img ", "{% gallery ", "{{< figure ", "{{% gallery ", "%}", ">}}", "%}}", "/>}}", " ", "\n", "\"", "'", "`", "src=", "link=",
            "path: ", "//h/a", "http://h/b.png", "c/d", ",", ", ", "=", ":", "{", "}", "/", "{% raw %}", "图", "alt=", "\\",
        ]), 0..24)) {
            const LINK: &str = "i=/a&b='x'/{y},/\"z\"`.png";
            let text = parts.concat();
            let all = |text: &str| -> Vec<Reference> {
                let roles = read(Text::of(text.as_bytes())).into_iter().map(|tag| tag.role);
                let both = roles.filter_map(|role| match role {
                    Role::Image { images, links } => Some(images.into_iter().chain(links)),
                    Role::Start(_) | Role::End(_) => None,
                });
                let mut all: Vec<_> = both.flatten().collect();
                all.sort_by_key(|reference| reference.span);
                all
            };
            let before = all(&text);
            let mut changed = text.clone();
            for reference in before.iter().rev() {
                prop_assert_eq!(&text[reference.span.range()], &reference.url);
                let link = String::from_utf8(reference.escapes.encode(LINK)).unwrap();
                changed.replace_range(reference.span.range(), &link);
            }
            let after = all(&changed);
            prop_assert_eq!(after.len(), before.len(), "{:?} {:?}", text, changed);
            for reference in after {
                let written = [Escape::TemplateTag, Escape::TemplateList].map(|escape| Escapes::of(escape).encode(LINK));
                prop_assert!(written.contains(&reference.url.into_bytes()), "{:?} {:?}", text, changed);
            }
        }
    }
}
