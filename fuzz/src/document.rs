//! What is found in a document is where it says, can be replaced, and can be given back.

use std::path::Path;
use std::sync::LazyLock;

use imgkeep::blob::BlobName;
use imgkeep::digest::Digest;
use imgkeep::document::DocumentKind;
use imgkeep::document::decoded::is_fetchable;
use imgkeep::document::encoding::Encoding;
use imgkeep::document::extract::prefilter::may_name_image;
use imgkeep::document::extract::{self, ElementAttribute, Found, Rules, front_matter};
use imgkeep::document::lines::Lines;
use imgkeep::document::reference::{Reference, ReferenceKind};
use imgkeep::document::span::Span;
use imgkeep::document::{date, diff};
use imgkeep::media::MediaType;
use imgkeep::origin::proxy::Families;
use imgkeep::resolve::{Resolved, Resolver, Wanted};
use imgkeep::rewrite::link::LinkStyle;
use imgkeep::rewrite::{self, Planned, Standing, align};

use super::dice::Dice;

static RESOLVER: LazyLock<Resolver> = LazyLock::new(|| Resolver { families: Families::builtin() });

/// A document of `kind`, with the usual rules.
pub fn holds(bytes: &[u8], kind: DocumentKind) {
    holds_by(bytes, kind, &Rules::default());
}

/// The first byte says the kind, the rules and the encoding.
pub fn any_kind_holds(bytes: &[u8]) {
    let mut dice = Dice::new(bytes);
    let choice = dice.byte();
    let kind = [
        DocumentKind::Html,
        DocumentKind::Xml,
        DocumentKind::Markdown,
        DocumentKind::Css,
        DocumentKind::Json,
    ][usize::from(choice % 5)];
    let rules = Rules {
        attributes: vec!["data-x".to_owned()],
        elements: vec![ElementAttribute { element: "x".to_owned(), attribute: "y".to_owned() }],
        front_matter_keys: vec!["a.b".to_owned(), "z".to_owned()],
    };
    let rules = if choice & 0x40 == 0 { Rules::default() } else { rules };
    let rest = dice.rest();
    let encoding = if choice & 0x80 == 0 { Encoding::Utf16Le } else { Encoding::Utf16Be };
    match std::str::from_utf8(rest) {
        Ok(text) if choice & 0x20 != 0 => {
            holds_by(&encoding.write(format!("\u{feff}{text}")), kind, &rules);
        }
        _ => holds_by(rest, kind, &rules),
    }
}

/// The bytes as the front matter of a post.
pub fn front_matter_holds(bytes: &[u8]) {
    let mut dice = Dice::new(bytes);
    let (open, close) = [
        ("---\n", "\n---\n"),
        ("+++\n", "\n+++\n"),
        ("{", "}\n"),
        ("", ""),
        ("\u{feff}---\r\n", "\r\n...\r\n"),
    ][usize::from(dice.byte() % 5)];
    let post = [open.as_bytes(), dice.rest(), close.as_bytes(), b"\n![a](/b.png)\n"].concat();
    let block = front_matter::text(&post);
    assert!(block.is_none_or(|block| block.end() <= post.len()));
    let body = front_matter::find(&post, &Rules::default(), &mut Found::default());
    assert!(body <= post.len());
    holds(&post, DocumentKind::Markdown);
}

/// The bytes as arguments of a site generator's tags.
pub fn tags_hold(bytes: &[u8]) {
    let mut dice = Dice::new(bytes);
    let (open, close) = [
        ("{% img ", " %}"),
        ("{{< figure ", " >}}"),
        ("{{% image ", " %}}"),
        ("{% gallery %}\n", "\n{% endgallery %}"),
    ][usize::from(dice.byte() % 4)];
    let post = [b"a ", open.as_bytes(), dice.rest(), close.as_bytes(), b" ![a](/b.png)\n"].concat();
    holds(&post, DocumentKind::Markdown);
}

fn holds_by(bytes: &[u8], kind: DocumentKind, rules: &Rules) {
    let found = extract::find(bytes, kind, rules);
    stand_where_they_say(bytes, &found);
    assert_eq!(extract::find(bytes, kind, rules), found, "the same is found twice");
    let _ = date::of(bytes, "posts/2020-01-02-a.md");
    let style = match bytes.len() % 3 {
        0 => LinkStyle::Relative,
        1 => LinkStyle::Prefix("/images/".to_owned()),
        _ => LinkStyle::Prefix("http://127.0.0.1:7420/images/?a=1&b='x'/".to_owned()),
    };
    come_back(bytes, kind, rules, &style);
}

/// Spans are in order, apart, within the document and between characters, and what stands in them says the URL.
fn stand_where_they_say(bytes: &[u8], found: &Found) {
    let text = std::str::from_utf8(bytes).ok();
    for list in [&found.references, &found.links] {
        let mut end = 0;
        let mut lines = Lines::new(bytes);
        for Reference { span, kind, url, escapes } in list {
            assert!(end <= span.start() && span.end() <= bytes.len(), "{span:?} after {end}");
            end = span.end();
            assert!(!span.is_empty(), "nothing stands at {span:?}");
            assert!(is_fetchable(url) && !url.contains(['\t', '\n', '\r']), "{url:?}");
            // a destination of Markdown has no edges to trim: a NUL is a character of it
            if !matches!(kind, ReferenceKind::MarkdownImage | ReferenceKind::MarkdownDefinition) {
                assert_eq!(url.trim_matches(|char| char <= ' '), url);
            }
            let (line, column) = lines.place(span.start());
            assert!(line >= 1 && column >= 1);
            if escapes.encoding() != Encoding::Bytes {
                assert_eq!((span.start() % 2, span.len() % 2), (0, 0), "half of a character");
                continue;
            }
            if let Some(text) = text {
                assert!(text.is_char_boundary(span.start()) && text.is_char_boundary(span.end()));
            }
            let raw = &bytes[span.range()];
            // an `xml:base` says what a relative URL is
            let is_based = memchr::memmem::find(bytes, b"base").is_some();
            if !is_based && raw.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/:._-".contains(byte)) {
                assert_eq!(raw, url.as_bytes(), "nothing is written in another way here");
            }
        }
    }
    assert!(found.policies.is_sorted_by_key(|(span, _)| *span));
    assert!(found.policies.iter().all(|(span, _)| span.end() <= bytes.len()));
}

fn look(bytes: &[u8], kind: DocumentKind, rules: &Rules) -> Resolved {
    RESOLVER.resolve(extract::find(bytes, kind, rules), &Wanted::default(), &|_, _| true)
}

/// Rewrites as `archive` would if every image were to be had.
fn archive(bytes: &[u8], resolved: Resolved, style: &LinkStyle) -> Planned {
    let answers = resolved.remote.into_iter().map(|remote| {
        let digest = Digest::of(remote.origin.as_str().as_bytes());
        let blob = BlobName { digest, media_type: MediaType::Jpeg };
        let folder = Path::new("/blog/posts & notes/(1)");
        let link = style.link(folder, Path::new("/blog/ca'che/images"), blob, remote.url());
        (remote.reference, blob, link)
    });
    rewrite::plan(bytes, &[], Vec::new(), answers.collect(), "run")
}

/// Only spans change, looks to come see kept links and in the end nothing to do, and the way back is exact.
fn come_back(bytes: &[u8], kind: DocumentKind, rules: &Rules, style: &LinkStyle) {
    // What was malformed may be read better once the malformed is gone, and more be found: but not for ever.
    const LOOKS: usize = 5;
    let mut document = bytes.to_vec();
    for _ in 0..LOOKS {
        let before = look(&document, kind, rules);
        if before.remote.is_empty() {
            return;
        }
        let next = comes_back(&document, before, kind, rules, style);
        if !is_text(&document) {
            // which bytes are characters is a guess, and may be another one without those that were replaced
            return;
        }
        document = next;
    }
    panic!("something is left after {LOOKS} looks: {:?}", String::from_utf8_lossy(&document));
}

fn is_text(bytes: &[u8]) -> bool {
    Encoding::of(bytes) != Encoding::Bytes || std::str::from_utf8(bytes).is_ok()
}

/// The document with every image kept, if it leads back to these bytes.
fn comes_back(
    bytes: &[u8],
    before: Resolved,
    kind: DocumentKind,
    rules: &Rules,
    style: &LinkStyle,
) -> Vec<u8> {
    assert!(
        may_name_image(bytes) || Encoding::of(bytes) != Encoding::Bytes,
        "the prefilter would have passed it over"
    );
    let has_kept = !before.kept.is_empty();
    // of front matter that is malformed so much is read as can be, and that is another part once some is replaced
    let is_in_scalar = |kind| matches!(kind, ReferenceKind::YamlScalar | ReferenceKind::TomlString);
    // an internal subset that has no end swallows what comes behind it, once a bracket or quote that stood in a URL is gone
    let doctype = memchr::memmem::find(bytes, b"<!DOCTYPE").filter(|_| kind == DocumentKind::Xml);
    let has_subset = doctype.is_some_and(|at| bytes[at..].contains(&b'['));
    let is_in_scalars = before.remote.iter().any(|remote| is_in_scalar(remote.reference.kind));
    let is_sure = is_text(bytes) && !has_subset && !is_in_scalars;
    let planned = archive(bytes, before, style);
    let mut at = (0, 0);
    for (edit, landing) in planned.patch.edits().iter().zip(planned.patch.landings()) {
        assert_eq!(bytes[at.0..edit.span.start()], planned.after[at.1..landing.start()]);
        at = (edit.span.end(), landing.end());
    }
    assert_eq!(bytes[at.0..], planned.after[at.1..]);
    let _ = diff::unified("a.md", bytes, &planned.patch);

    let standing: Vec<Standing> = planned
        .links
        .iter()
        .map(|link| Standing { span: link.span, blob: link.blob, original: Some(link.original.clone()) })
        .collect();
    assert_eq!(rewrite::undo(&planned.after, &standing).apply(&planned.after), bytes);

    if is_sure {
        let after = look(&planned.after, kind, rules);
        let spans: Vec<Span> = planned.links.iter().map(|link| link.span).collect();
        let found: Vec<_> = after.kept.iter().map(|link| (link.span, link.blob)).collect();
        let new: Vec<Span> =
            found.iter().map(|(span, _)| *span).filter(|span| spans.contains(span)).collect();
        assert_eq!(new, spans, "{:?}", String::from_utf8_lossy(&planned.after));
        if !has_kept && found.len() == planned.links.len() {
            let aligned = align(&found, &planned.links);
            assert_eq!(rewrite::undo(&planned.after, &aligned).apply(&planned.after), bytes);
        }
    }
    planned.after
}
