//! Where a family lives: the `host/path` patterns of the table.

use crate::origin::proxy::glob;
use crate::origin::proxy::parts::Parts;

/// One `host/path` pattern and the rule it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Index into the table's rules; `None` where no wrapper lives.
    pub(super) rule: Option<usize>,
    host: Host,
    path: Vec<Piece>,
}

/// By what a place is looked up.
pub(super) enum Key<'a> {
    /// The literal end of its host.
    Host(&'a str),
    /// A path segment, if the host can be any.
    Segment(&'a str),
    Class(Class),
}

#[derive(Clone, Debug)]
enum Host {
    Any,
    Exact(Box<str>),
    Pattern(Box<str>),
}

/// One segment of a path pattern.
#[derive(Clone, Debug)]
enum Piece {
    Literal(Box<str>),
    Pattern(Box<str>),
    Class(Class),
    /// `**`: any number of segments, as few as will do.
    Any,
}

/// Segments that are known by their form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `<time>`: 4 to 14 digits, perhaps with a Wayback modifier such as `im_`.
    Time,
    /// `<time14>`: the same with all 14 digits.
    FullTime,
    /// `<mac>`: 40 or 64 hex digits.
    Mac,
    /// `<sig27>`: a SHA-1 in base64url without padding.
    Sig27,
    /// `<sig=>`: a SHA-1 or SHA-256 in base64url with its padding.
    SigPadded,
    /// `<size>`: `300x200`, `x200` or `300x`.
    Size,
    /// `<size,>`: the same and more options after a comma.
    SizeAndMore,
    /// `<option>`: `name:value`, as imgproxy writes its options.
    Option,
}

const CLASSES: [(&str, Class); 8] = [
    ("<time>", Class::Time),
    ("<time14>", Class::FullTime),
    ("<mac>", Class::Mac),
    ("<sig27>", Class::Sig27),
    ("<sig=>", Class::SigPadded),
    ("<size>", Class::Size),
    ("<size,>", Class::SizeAndMore),
    ("<option>", Class::Option),
];

impl Place {
    /// Reads a pattern such as `images.weserv.nl/` or `*/**/timthumb.php`.
    pub(super) fn parse(text: &str, rule: Option<usize>) -> Result<Self, String> {
        let Some((host, path)) = text.split_once('/') else {
            return Err(format!("`{text}` has no `/` after the host"));
        };
        let host = match host {
            "*" => Host::Any,
            _ if glob::is_pattern(host) => Host::Pattern(host.into()),
            _ => Host::Exact(host.into()),
        };
        let path = path.trim_end_matches('/');
        let path = match path {
            "" => Vec::new(),
            _ => path.split('/').map(Piece::parse).collect::<Result<_, _>>()?,
        };
        let place = Self { rule, host, path };
        match place.key() {
            Some(_) => Ok(place),
            None => Err(format!("`{text}` needs a host, or a path segment that says what it is")),
        }
    }

    /// Whether this place and no more than this place is meant: a trailing slash is no difference.
    pub(super) fn covers(&self, parts: &Parts<'_>) -> bool {
        self.host.matches(&parts.host) && walk(&self.path, parts.tail(), 0, true).is_some()
    }

    /// Whether this place names the host, and names it truly.
    pub(super) fn is_at_host(&self, parts: &Parts<'_>) -> bool {
        !matches!(self.host, Host::Any) && self.host.matches(&parts.host)
    }

    /// What stands in the path after this place, if the path begins with it.
    pub(super) fn tail<'a>(&self, parts: &Parts<'a>) -> Option<&'a str> {
        if !self.host.matches(&parts.host) {
            return None;
        }
        walk(&self.path, parts.tail(), 0, false).map(|end| &parts.tail()[end..])
    }

    pub(super) fn key(&self) -> Option<Key<'_>> {
        self.host_key().map(Key::Host).or_else(|| self.anchor())
    }

    fn host_key(&self) -> Option<&str> {
        match &self.host {
            Host::Any => None,
            Host::Exact(host) => Some(host),
            Host::Pattern(pattern) => {
                let last = pattern.rfind(['*', '#']).map_or(0, |wild| wild + 1);
                pattern[last..].split_once('.').map(|(_, key)| key)
            }
        }
    }

    /// The longest literal segment, or else a class.
    fn anchor(&self) -> Option<Key<'_>> {
        let literals = self.path.iter().filter_map(|piece| match piece {
            Piece::Literal(text) => Some(&**text),
            Piece::Class(_) | Piece::Pattern(_) | Piece::Any => None,
        });
        let mut classes = self.path.iter().filter_map(|piece| match piece {
            Piece::Class(class) => Some(*class),
            Piece::Literal(_) | Piece::Pattern(_) | Piece::Any => None,
        });
        let literal = literals.max_by_key(|text| text.len()).map(Key::Segment);
        literal.or_else(|| classes.next().map(Key::Class))
    }
}

impl Host {
    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => **exact == *host,
            Self::Pattern(pattern) => glob::matches(pattern, host),
        }
    }
}

impl Piece {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "**" {
            return Ok(Self::Any);
        }
        if text.starts_with('<') {
            let class = CLASSES.iter().find(|(name, _)| *name == text);
            return class
                .map(|(_, class)| Self::Class(*class))
                .ok_or_else(|| format!("`{text}` is no class"));
        }
        Ok(if glob::is_pattern(text) { Self::Pattern(text.into()) } else { Self::Literal(text.into()) })
    }

    fn matches(&self, segment: &str) -> bool {
        match self {
            Self::Literal(text) => **text == *segment,
            Self::Pattern(pattern) => glob::matches(pattern, segment),
            Self::Class(class) => class.matches(segment),
            Self::Any => true,
        }
    }
}

impl Class {
    /// Whether `segment` may be of any class at all: a quick look that most segments do not pass.
    pub(super) fn may_match(segment: &[u8]) -> bool {
        let is_number_or_size = || {
            segment.first().is_some_and(|first| *first == b'x' || first.is_ascii_digit())
                && ((4..=17).contains(&segment.len()) || segment.contains(&b'x'))
        };
        matches!(segment.len(), 27 | 28 | 40 | 44 | 64) || is_number_or_size() || segment.contains(&b':')
    }

    pub(super) fn matches(self, segment: &str) -> bool {
        let base64 =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        match self {
            Self::Time => timestamp(segment).is_some_and(|digits| (4..=14).contains(&digits)),
            Self::FullTime => timestamp(segment) == Some(14),
            Self::Mac => {
                matches!(segment.len(), 40 | 64) && segment.bytes().all(|byte| byte.is_ascii_hexdigit())
            }
            Self::Sig27 => segment.len() == 27 && base64(segment),
            Self::SigPadded => {
                matches!(segment.len(), 28 | 44) && segment.strip_suffix('=').is_some_and(base64)
            }
            Self::Size => is_size(segment),
            Self::SizeAndMore => segment.split_once(',').is_some_and(|(size, _)| is_size(size)),
            Self::Option => segment.split_once(':').is_some_and(|(name, value)| {
                !name.is_empty()
                    && !value.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            }),
        }
    }
}

fn is_size(segment: &str) -> bool {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    segment.len() > 1
        && segment.split_once('x').is_some_and(|(width, height)| number(width) && number(height))
}

/// How many digits a timestamp has, if it is one: digits, then nothing or two letters and `_`.
fn timestamp(segment: &str) -> Option<usize> {
    let digits = segment.bytes().take_while(u8::is_ascii_digit).count();
    match segment.as_bytes().get(digits..) {
        Some([] | [b'a'..=b'z', b'a'..=b'z', b'_']) => Some(digits),
        _ => None,
    }
}

/// Matches `pieces` from byte `at` of `path`, and says where the rest begins. With `whole`, at its end only.
fn walk(pieces: &[Piece], path: &str, at: usize, whole: bool) -> Option<usize> {
    let Some((piece, rest)) = pieces.split_first() else {
        return (!whole || at == path.len()).then_some(at);
    };
    if matches!(piece, Piece::Any) {
        if whole && rest.is_empty() {
            return Some(path.len());
        }
        let mut from = at;
        loop {
            if let Some(end) = walk(rest, path, from, whole) {
                return Some(end);
            }
            if from == path.len() {
                return None;
            }
            from = after_segment(path, from);
        }
    }
    if at == path.len() {
        return None;
    }
    let end = after_segment(path, at);
    let segment = path[at..end].strip_suffix('/').unwrap_or(&path[at..end]);
    if piece.matches(segment) { walk(rest, path, end, whole) } else { None }
}

fn after_segment(path: &str, at: usize) -> usize {
    memchr::memchr(b'/', &path.as_bytes()[at..]).map_or(path.len(), |slash| at + slash + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::proxy::index::Index;

    fn check(pattern: &str, url: &str, covers: bool, tail: Option<&str>) {
        let index = Index::new(vec![Place::parse(pattern, Some(0)).unwrap()]);
        let parts = Parts::of(url);
        let places = index.candidates(&parts);
        assert_eq!(places.iter().any(|place| place.covers(&parts)), covers, "{pattern} {url}");
        assert_eq!(places.iter().find_map(|place| place.tail(&parts)), tail, "{pattern} {url}");
    }

    #[test]
    fn a_place_is_a_host_and_a_path() {
        check("a.b/", "https://a.b", true, Some(""));
        check("a.b/", "https://a.b/?x", true, Some(""));
        check("a.b/c", "https://A.b/c/d", false, Some("d"));
        check("a.b/c", "https://x.a.b/c/", false, None);
        check("*.a.b/c/**", "https://x.a.b/c/d/e", true, Some("d/e"));
        check("i#.a.b/", "https://i12.a.b/c", false, Some("c"));
        check("www.google.*/imgres", "https://www.google.co.uk/imgres?x", true, Some(""));
        check("*/**/_next/image", "/base/_next/image?x", true, Some(""));
        check("*/**/cdn-cgi/image/*=*/", "https://x/y/cdn-cgi/image/w=1/z/cdn", false, Some("z/cdn"));
        check("*/web/<time>/", "/web/20160819120028im_/http://x", false, Some("http://x"));
        check("*/*/<time14>/", "https://x/all/20160819120028mp_/y", false, Some("y"));
        check("*/*/<time14>/", "https://x/all/2016/y", false, None);
        check("*/<sig=>/", "https://x/abcdefghijklmnopqrstuvwxy_-=/y", false, Some("y"));
        check("*/<mac>", "https://x/88d1d5833753eb7ceec96e27e2580d15d306c84a?url=", true, Some(""));
        check("*/**/<size,>/", "https://x/a/100x,r90/y", false, Some("y"));
    }

    #[test]
    fn the_quick_look_passes_what_a_class_matches() {
        let (sig, mac) = ("abcdefghijklmnopqrstuvwxy_-", "88d1d5833753eb7ceec96e27e2580d15d306c84a");
        let padded = [sig, "="].concat();
        let segments =
            ["2016", "20160819120028mp_", "1x", "x1", "300x200", "1x,", "x200,r90", "a:b", sig, mac, &padded];
        for segment in segments {
            assert!(CLASSES.iter().any(|(_, class)| class.matches(segment)), "{segment}");
            assert!(Class::may_match(segment.as_bytes()), "{segment}");
        }
    }

    #[test]
    fn a_place_must_say_where() {
        for pattern in ["a.b", "*/", "*/**", "*/*/x*", "a.b/<nothing>"] {
            assert!(Place::parse(pattern, Some(0)).is_err(), "{pattern}");
        }
    }
}
