//! URLs that the parser would change nothing about, told without parsing.
//!
//! Most origins are written as the WHATWG serialises them, and a look at each byte is ten times faster than
//! a parse. The answer is no wherever the rules are not plain: then the parser decides.

/// Where a byte may stand and stays what it is. A dot and a percent sign stay only in some company.
const HOST: u8 = 1;
const PATH: u8 = 2;
const QUERY: u8 = 4;

/// By byte. Out are what the parser escapes (WHATWG URL, section 1.3), drops or takes for an end, and a few
/// signs that its versions differ about.
const STAYS: [u8; 256] = {
    let mut stays = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let char = byte as u8;
        if char.is_ascii_lowercase() || char.is_ascii_digit() || char == b'-' || char == b'.' {
            stays[byte] |= HOST;
        }
        if char.is_ascii_alphanumeric() || is_one_of(char, b"-._~!$&()*+,;=:@/%") {
            stays[byte] |= PATH | QUERY;
        }
        byte += 1;
    }
    stays[b'\'' as usize] |= PATH;
    stays[b'?' as usize] |= QUERY;
    stays
};

const fn is_one_of(char: u8, list: &[u8]) -> bool {
    let mut at = 0;
    while at < list.len() {
        if list[at] == char {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether `text` is an absolute http(s) URL that `Url::parse` takes, and serialises to `text` itself.
pub(super) fn is_canonical(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let slash = run(rest.as_bytes(), HOST);
    let (host, path) = rest.split_at(slash);
    if !path.starts_with('/') || !is_plain_name(host) {
        return false;
    }
    let path = path.as_bytes();
    let end = run(path, PATH);
    let query = match path.get(end) {
        None => &[],
        Some(b'?') => &path[end + 1..],
        Some(_) => return false,
    };
    !holds_dot_segment(&path[..end]) && run(query, QUERY) == query.len()
}

/// How many bytes from the first on may stand in `part`.
fn run(bytes: &[u8], part: u8) -> usize {
    bytes.iter().position(|byte| STAYS[usize::from(*byte)] & part == 0).unwrap_or(bytes.len())
}

/// A name that is no number, has no empty label and no encoded one.
fn is_plain_name(host: &str) -> bool {
    let mut last = &b""[..];
    for label in host.as_bytes().split(|byte| *byte == b'.') {
        if label.is_empty() || label.starts_with(b"xn--") {
            return false;
        }
        last = label;
    }
    last.first().is_some_and(u8::is_ascii_lowercase)
}

/// Whether a segment of `path` may be `.` or `..`, perhaps escaped: whether a dot comes first in one.
fn holds_dot_segment(path: &[u8]) -> bool {
    memchr::memchr2_iter(b'.', b'%', path).any(|at| match path[at] {
        b'.' => path[at - 1] == b'/',
        _ => matches!(path.get(at + 1..at + 3), Some([b'2', b'e' | b'E'])),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    #[test]
    fn what_people_write_is_canonical() {
        for (text, expected) in [
            ("https://a.io/", true),
            ("http://img12.example/qupost/img/2022/04/13/e9529ae9.jpeg", true),
            ("https://a-b.c1.io/d%20e/~f/g.h/!$&'()*+,;=:@?x=/?&y=%2F", true),
            ("https://localhost/a", true),
            ("https://a.io", false),
            ("https://a.io?x", false),
            ("https://A.io/", false),
            ("https://a.io:8080/", false),
            ("https://1.2.3.4/", false),
            ("https://0x7f/", false),
            ("https://xn--a.io/", false),
            ("https://a.io/./b", false),
            ("https://a.io/%2e%2E/b", false),
            ("https://a.io/b?it's", false),
            ("https://a.io/b#c", false),
            ("https://a.io/b c", false),
            ("https://a.io/图", false),
            ("//a.io/", false),
        ] {
            assert_eq!(is_canonical(text), expected, "{text}");
        }
    }

    fn check(text: &str) -> Result<(), TestCaseError> {
        let parsed = Url::parse(text);
        if is_canonical(text) {
            prop_assert_eq!(parsed.as_ref().map(Url::as_str), Ok(text));
        }
        if let Ok(url) = parsed.as_ref()
            && matches!(url.scheme(), "http" | "https")
        {
            prop_assert_eq!(Url::parse(url.as_str()), Ok(url.clone()), "{}", text);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn canonical_text_is_parsed_to_itself(
            host in "[a-z0-9.-]{1,12}|(xn--)?[a-zA-Z0-9._-]{0,8}|[ -~]{0,6}",
            rest in "[/.%2eE?]{0,8}|([/?#.%][a-zA-Z0-9%.é'|^\\[\\]{}~`\"<>\\\\ \t-]{0,4}){0,4}|(/[ -~]{0,8}){0,3}",
        ) {
            check(&format!("https://{host}/{rest}"))?;
            check(&format!("http://{host}{rest}"))?;
            check(&format!("https://a.io/{rest}"))?;
        }
    }
}
