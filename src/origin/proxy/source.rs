//! The text that a wrapper carries → the absolute URL it stands for, or nothing: never a guess.

use std::borrow::Cow;

use serde::Deserialize;

use crate::origin::proxy::decode;
use crate::origin::proxy::glob;
use crate::origin::proxy::parts::{Parts, Scheme, absolute};

/// Which scheme a source gets that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Missing {
    Http,
    Https,
    /// The one that the wrapper itself is asked by.
    Wrapper,
}

/// Which relative sources a wrapper takes. All are resolved against the root of its site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Relative {
    /// Those that begin with `/`.
    Rooted,
    /// Those that have a dot somewhere, too.
    Any,
}

/// What a family makes of sources that are no absolute URL.
#[derive(Clone, Debug, Default)]
pub(super) struct Leniency {
    /// `host/path`.
    pub(super) bare: Option<Missing>,
    /// `//host/path`; without it, the wrapper's own scheme.
    pub(super) slashes: Option<Missing>,
    pub(super) relative: Option<Relative>,
}

impl Missing {
    fn scheme(self, wrapper: &Parts<'_>) -> Scheme {
        match self {
            Self::Http => Scheme::Http,
            Self::Https => Scheme::Https,
            Self::Wrapper => wrapper.scheme,
        }
    }
}

/// Makes `text` absolute, as the server behind `wrapper` would. `None` for anything but http(s), for a
/// relative source of a wrapper whose own host is unknown, and for text that only looks like a URL.
pub(super) fn resolve(text: &str, wrapper: &Parts<'_>, leniency: &Leniency) -> Option<String> {
    if let Some((scheme, start)) = collapsed(text) {
        return joined(scheme.prefix(), &text[start..]);
    }
    if let Some(rest) = text.strip_prefix("//") {
        let scheme = leniency.slashes.unwrap_or(Missing::Wrapper).scheme(wrapper);
        return joined(scheme.prefix(), rest.trim_start_matches('/'));
    }
    if let Some(missing) = leniency.bare
        && is_bare(text)
    {
        let scheme = if has_https_port(text) { Scheme::Https } else { missing.scheme(wrapper) };
        return Some([scheme.prefix(), text].concat());
    }
    let relative = leniency.relative?;
    let rooted = text.starts_with('/');
    if wrapper.authority.is_empty() || (!rooted && (relative == Relative::Rooted || !is_file(text))) {
        return None;
    }
    let slash = if rooted { "" } else { "/" };
    Some([wrapper.scheme.prefix(), wrapper.authority, slash, text].concat())
}

/// How far an absolute URL in a path is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Raw,
    /// `https%3A//`: one decode, yet the query after it may be its own.
    Half,
    /// `https%3A%2F%2F`: all of it is inside the escapes.
    Encoded,
}

/// The first absolute URL that begins at a segment boundary of `path`.
pub(super) fn find(path: &str) -> Option<(usize, Form)> {
    std::iter::once(0)
        .chain(memchr::memchr_iter(b'/', path.as_bytes()).map(|slash| slash + 1))
        .find_map(|start| form(&path[start..]).map(|form| (start, form)))
}

/// Whether `text` begins like an absolute http(s) URL, and how that is written.
pub(super) fn form(text: &str) -> Option<Form> {
    let starts =
        |text: &[u8], with: &[u8]| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    let text = text.as_bytes();
    if !starts(text, b"http") {
        return None;
    }
    let rest = if matches!(text.get(4), Some(b's' | b'S')) { &text[5..] } else { &text[4..] };
    [(&b":/"[..], Form::Raw), (b"%3A/", Form::Half), (b":%2F", Form::Encoded), (b"%3A%2F", Form::Encoded)]
        .into_iter()
        .find(|(mark, _)| starts(rest, mark))
        .map(|(_, form)| form)
}

/// The scheme of an absolute http(s) URL and where its host begins, with any number of slashes between
/// (servers and copies collapse them: PROXIES section 11).
fn collapsed(text: &str) -> Option<(Scheme, usize)> {
    if let Some((scheme, start)) = absolute(text)
        && !text[start..].starts_with('/')
    {
        return Some((scheme, start));
    }
    if form(text) != Some(Form::Raw) {
        return None;
    }
    let (scheme, rest) = text.split_once(':')?;
    let scheme = if scheme.len() == 5 { Scheme::Https } else { Scheme::Http };
    Some((scheme, text.len() - rest.trim_start_matches('/').len()))
}

fn joined(scheme: &str, rest: &str) -> Option<String> {
    rest.starts_with(|first: char| first.is_alphanumeric() || first == '[').then(|| [scheme, rest].concat())
}

/// Whether `text` begins with a host that can only be one: labels and dots, and no file's name.
pub(super) fn is_bare(text: &str) -> bool {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let host = &text[..end];
    let host = match host.split_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) => return false,
        None => host,
    };
    // Escapes may be those of a name that is not ASCII; the parser knows.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_%".contains(&byte) || !byte.is_ascii();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with(['-', '_'])
            && label.bytes().all(allowed)
            && !label.match_indices('%').any(|(at, _)| begins_with_sign(&label[at..]))
    };
    let Some((names, last)) = host.rsplit_once('.') else { return false };
    if !names.split('.').all(label) || !label(last) {
        return false;
    }
    let address = host.split('.').count() == 4 && host.split('.').all(|part| part.parse::<u8>().is_ok());
    let name =
        last.starts_with("xn--") || (last.chars().count() > 1 && last.chars().all(char::is_alphabetic));
    address || (name && !FILES.iter().any(|file| file.eq_ignore_ascii_case(last)))
}

/// The port speaks for the scheme that is missing (cors-anywhere, parseURL).
fn has_https_port(text: &str) -> bool {
    text.split(['/', '?', '#']).next().is_some_and(|authority| authority.ends_with(":443"))
}

/// Extensions that a bare word may end in without being a host.
const FILES: [&str; 26] = [
    "apng", "asp", "aspx", "avif", "bmp", "css", "gif", "heic", "heif", "htm", "html", "ico", "jfif", "jpe",
    "jpeg", "jpg", "js", "json", "jxl", "php", "png", "svg", "tif", "tiff", "txt", "webp",
];

/// A relative path that was not meant to be a word such as `undefined`, a scheme or an ellipsis.
fn is_file(text: &str) -> bool {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let path = &text[..end];
    let scheme = path.find(':').is_some_and(|colon| !path[..colon].contains('/'));
    let name = path.rsplit('/').next().unwrap_or(path);
    // As it is written and as it is asked for, it is the same name.
    let is_name = name.starts_with(|first: char| {
        first.is_alphanumeric() || matches!(first, '_' | '%') || !first.is_ascii()
    });
    let is_ellipsis = name.starts_with('…') || begins_with("%E2%80%A6", name);
    !scheme && is_name && !is_ellipsis && !begins_with_sign(name) && name.contains('.')
}

/// Whether a sign stands there escaped that no host has and no name begins with, and that every URL has to escape
/// (WHATWG URL, section 1.3, the path percent-encode set).
fn begins_with_sign(text: &str) -> bool {
    ["%22", "%3C", "%3E", "%60", "%7B", "%7D"].iter().any(|sign| begins_with(sign, text))
}

fn begins_with(escapes: &str, text: &str) -> bool {
    text.get(..escapes.len()).is_some_and(|start| start.eq_ignore_ascii_case(escapes))
}

/// `text` without the first of `endings` that it has.
pub(super) fn without_endings<'a>(text: &'a str, endings: &[String]) -> &'a str {
    endings.iter().find_map(|ending| glob::without_ending(ending, text)).unwrap_or(text)
}

/// `text` decoded as its [`Form`] asks, or always.
pub(super) fn decoded(text: &str, form: Form, always: bool) -> Cow<'_, str> {
    if always || form != Form::Raw { decode::percent(text) } else { Cow::Borrowed(text) }
}

/// `host/option/path` without the segment after the host, if `option` covers it.
pub(super) fn without_option<'a>(text: &'a str, option: &str) -> Cow<'a, str> {
    let mut segments = text.splitn(3, '/');
    match (segments.next(), segments.next(), segments.next()) {
        (Some(host), Some(segment), Some(path)) if glob::matches(option, segment) => {
            Cow::Owned([host, "/", path].concat())
        }
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let wrapper = Parts::of("https://w.example:8/x");
        let leniency = Leniency { bare: Some(Missing::Http), slashes: None, relative: Some(Relative::Any) };
        assert_eq!(resolve(text, &wrapper, &leniency).as_deref(), expected, "{text}");
    }

    #[test]
    fn sources_become_absolute() {
        check("https://a/b", Some("https://a/b"));
        check("HTTPS:/a/b?", Some("https://a/b?"));
        check("http:///a/b", Some("http://a/b"));
        check("//a/b", Some("https://a/b"));
        check("a.io/c", Some("http://a.io/c"));
        check("a.io:80/c", Some("http://a.io:80/c"));
        check("a.io:443/c", Some("https://a.io:443/c"));
        check("10.0.0.1", Some("http://10.0.0.1"));
        check("/c d.png", Some("https://w.example:8/c d.png"));
        check("c/d.png", Some("https://w.example:8/c/d.png"));
        check("a.png", Some("https://w.example:8/a.png"));
        check("“a”.png", Some("https://w.example:8/“a”.png"));
        check("%E2%80%9Ca.png", Some("https://w.example:8/%E2%80%9Ca.png"));
    }

    #[test]
    fn nothing_is_guessed() {
        for text in [
            "",
            "...",
            "….png",
            "%e2%80%a6.png",
            "\"a\".png",
            "%22a%22.png",
            "<a>.png",
            "%3Ca%3E.png",
            "\"a.io/b",
            "%22a.io",
            "undefined",
            "null",
            "https://",
            "https:/",
            "htt://a.b/c",
            "http//a",
            "a b",
        ] {
            check(text, None);
        }
        for text in
            ["javascript:alert(1)", "data:image/png", "file:///etc/passwd", "ftlogo-v1:a.b", "http://?x"]
        {
            check(text, None);
        }
    }

    #[test]
    fn urls_begin_at_segments() {
        for (path, expected) in [
            ("a/https://b", Some((2, Form::Raw))),
            ("https%3a%2F%2Fb", Some((0, Form::Encoded))),
            ("a/https%3A//b", Some((2, Form::Half))),
            ("ahttps://b", None),
            ("https-everywhere/http/b", None),
        ] {
            assert_eq!(find(path), expected, "{path}");
        }
    }
}
