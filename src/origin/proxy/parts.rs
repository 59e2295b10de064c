//! A URL's text, cut where RFC 3986 cuts it, and nothing changed: what a wrapper carries must not be
//! escaped a second time by parsing the wrapper.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memchr3, memrchr};

/// The two schemes that images are fetched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }
}

/// The pieces of one URL. A URL without host (a wrapper written root-relative) has an empty `authority`.
#[derive(Clone, Debug)]
pub(super) struct Parts<'a> {
    pub(super) scheme: Scheme,
    pub(super) authority: &'a str,
    /// Lower case, without user, port or trailing dot.
    pub(super) host: Cow<'a, str>,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) fragment: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// Cuts `text`: absolute http(s), or a path (with query and fragment) and no host.
    pub(super) fn of(text: &'a str) -> Self {
        let (scheme, rest) = match absolute(text) {
            Some((scheme, start)) => (scheme, &text[start..]),
            None => return Self::cut(Scheme::Https, "", text),
        };
        let end = memchr3(b'/', b'?', b'#', rest.as_bytes()).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        Self::cut(scheme, authority, rest)
    }

    fn cut(scheme: Scheme, authority: &'a str, rest: &'a str) -> Self {
        let (rest, fragment) = split(rest, b'#');
        let (path, query) = split(rest, b'?');
        Self { scheme, authority, host: host_of(authority), path, query, fragment }
    }

    /// The path without its first slash, which is where patterns and sources begin.
    pub(super) fn tail(&self) -> &'a str {
        self.path.strip_prefix('/').unwrap_or(self.path)
    }

    /// The pairs of the query in order, undecoded.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.query.into_iter().flat_map(pairs)
    }

    /// The undecoded value of the first parameter called `name`.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// The pairs of a form-like list. A name may still wear the `amp;` of an undecoded `&amp;`.
pub(super) fn pairs(list: &str) -> impl Iterator<Item = (&str, &str)> {
    list.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.strip_prefix("amp;").unwrap_or(name), value)
    })
}

/// The scheme and the offset after `://` of an absolute http(s) URL, whatever the case.
pub(super) fn absolute(text: &str) -> Option<(Scheme, usize)> {
    let starts = |prefix: &str| {
        text.as_bytes().get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    [Scheme::Https, Scheme::Http]
        .into_iter()
        .find(|scheme| starts(scheme.prefix()))
        .map(|scheme| (scheme, scheme.prefix().len()))
}

fn split(text: &str, at: u8) -> (&str, Option<&str>) {
    match memchr(at, text.as_bytes()) {
        Some(index) => (&text[..index], Some(&text[index + 1..])),
        None => (text, None),
    }
}

fn host_of(authority: &str) -> Cow<'_, str> {
    let host = &authority[memrchr(b'@', authority.as_bytes()).map_or(0, |at| at + 1)..];
    let port = match host.strip_prefix('[') {
        Some(_) => memchr(b']', host.as_bytes()).map(|bracket| bracket + 1),
        None => memchr2(b':', b'\\', host.as_bytes()),
    };
    let host = &host[..port.unwrap_or(host.len())];
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: (&str, &str, Option<&str>, Option<&str>)) {
        let parts = Parts::of(text);
        assert_eq!((&*parts.host, parts.path, parts.query, parts.fragment), expected, "{text}");
    }

    #[test]
    fn a_url_is_cut_and_not_changed() {
        check("https://a.b/c%20d?e'f#g", ("a.b", "/c%20d", Some("e'f"), Some("g")));
        check("HTTP://u:p@A.B.:80?x", ("a.b", "", Some("x"), None));
        check("https://[::1]:8/x?", ("[::1]", "/x", Some(""), None));
        check("/_next/image?url=x", ("", "/_next/image", Some("url=x"), None));
        check("a.php?url=x#", ("", "a.php", Some("url=x"), Some("")));
    }
}
