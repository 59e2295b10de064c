//! Where a family lives: the `host/path` patterns of the table, and finding the few that may match a URL
//! among hundreds without trying each.

use std::collections::HashMap;

use crate::origin::proxy::glob;
use crate::origin::proxy::parts::Parts;

/// One `host/path` pattern and the rule it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Index into the table's rules.
    pub(super) rule: usize,
    host: Host,
    path: Vec<Piece>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Class {
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
    /// `<size>`: `300x200`, `x200` or `300x`, perhaps with more options after a comma.
    Size,
    /// `<option>`: `name:value`, as imgproxy writes its options.
    Option,
}

const CLASSES: [(&str, Class); 7] = [
    ("<time>", Class::Time),
    ("<time14>", Class::FullTime),
    ("<mac>", Class::Mac),
    ("<sig27>", Class::Sig27),
    ("<sig=>", Class::SigPadded),
    ("<size>", Class::Size),
    ("<option>", Class::Option),
];

impl Place {
    /// Reads a pattern such as `images.weserv.nl/` or `*/**/timthumb.php`.
    pub(super) fn parse(text: &str, rule: usize) -> Result<Self, String> {
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
        if place.host_key().is_none() && place.anchor().is_none() {
            return Err(format!("`{text}` needs a host, or a path segment that says what it is"));
        }
        Ok(place)
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

    /// The literal end of the host, by which it is looked up.
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

    fn anchor(&self) -> Option<&Piece> {
        let weight = |piece: &&Piece| match piece {
            Piece::Literal(text) => text.len() + 2,
            Piece::Class(_) => 1,
            Piece::Pattern(_) | Piece::Any => 0,
        };
        self.path.iter().max_by_key(weight).filter(|piece| weight(piece) > 0)
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
    fn matches(self, segment: &str) -> bool {
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
            Self::Size => {
                let size = segment.split(',').next().unwrap_or(segment);
                let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
                size.len() > 1
                    && size.split_once('x').is_some_and(|(width, height)| number(width) && number(height))
            }
            Self::Option => segment.split_once(':').is_some_and(|(name, value)| {
                !name.is_empty()
                    && !value.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            }),
        }
    }
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

/// Places by what is rare in them: the end of the host, or one segment of the path.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    places: Vec<Place>,
    by_host: HashMap<Box<str>, Vec<usize>>,
    by_segment: HashMap<Box<str>, Vec<usize>>,
    by_class: Vec<(Class, Vec<usize>)>,
}

impl Index {
    pub(super) fn new(places: Vec<Place>) -> Self {
        let mut index = Self::default();
        for (id, place) in places.iter().enumerate() {
            if let Some(host) = place.host_key() {
                index.by_host.entry(host.into()).or_default().push(id);
                continue;
            }
            match place.anchor() {
                Some(Piece::Literal(text)) => index.by_segment.entry(text.clone()).or_default().push(id),
                Some(Piece::Class(class)) => {
                    match index.by_class.iter_mut().find(|(known, _)| known == class) {
                        Some((_, ids)) => ids.push(id),
                        None => index.by_class.push((*class, vec![id])),
                    }
                }
                Some(Piece::Pattern(_) | Piece::Any) | None => {}
            }
        }
        index.places = places;
        index
    }

    /// Places that may know the host of `parts`, the longest name first.
    pub(super) fn of_host<'a>(&'a self, parts: &Parts<'_>) -> impl Iterator<Item = &'a Place> {
        let mut next = (!parts.host.is_empty()).then_some(&*parts.host);
        std::iter::from_fn(move || {
            let key = next?;
            next = key.split_once('.').map(|(_, parent)| parent);
            Some(self.by_host.get(key).map_or(&[][..], Vec::as_slice))
        })
        .flatten()
        .map(|id| &self.places[*id])
    }

    /// Places of any host that may know the path of `parts`, in the table's order.
    pub(super) fn of_path<'a>(&'a self, parts: &Parts<'_>) -> impl Iterator<Item = &'a Place> {
        let mut ids = Vec::new();
        for segment in parts.segments() {
            if let Some(found) = self.by_segment.get(segment) {
                ids.extend_from_slice(found);
            }
            for (class, found) in &self.by_class {
                if class.matches(segment) {
                    ids.extend_from_slice(found);
                }
            }
        }
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().map(|id| &self.places[id])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, url: &str, covers: bool, tail: Option<&str>) {
        let index = Index::new(vec![Place::parse(pattern, 0).unwrap()]);
        let parts = Parts::of(url);
        let places: Vec<_> = index.of_host(&parts).chain(index.of_path(&parts)).collect();
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
        check("*/**/<size>/", "https://x/a/100x,r90/y", false, Some("y"));
    }

    #[test]
    fn a_place_must_say_where() {
        for pattern in ["a.b", "*/", "*/**", "*/*/x*", "a.b/<nothing>"] {
            assert!(Place::parse(pattern, 0).is_err(), "{pattern}");
        }
    }
}
