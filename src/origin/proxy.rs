//! Taking the proxy off a URL: `wrapper → origin`, repeated until nothing is left to unwrap.
//!
//! A *family* is a kind of wrapper: a CORS worker, a resizer, an archive. What the families are is data
//! (`config/proxies.toml`); this module reads that data and applies it. The rules of what an origin is,
//! and when to leave a URL alone, are PROXIES.md's: decode once a layer, change nothing else, never guess.

use std::borrow::Cow;
use std::sync::Arc;

use url::Url;

use crate::digest::Digest;
use crate::origin::proxy::generic::Generic;
use crate::origin::proxy::index::Index;
use crate::origin::proxy::parts::{Parts, absolute};
use crate::origin::proxy::place::Place;
use crate::origin::proxy::rule::Rule;
use crate::origin::proxy::table::Table;
use crate::origin::{Error, OriginUrl, is_protocol_relative, shorten};

mod decode;
mod discord;
mod generic;
mod glob;
mod imgproxy;
mod index;
mod json;
mod parts;
mod place;
mod rule;
mod source;
mod table;
mod thumbor;
mod translate;
mod urldefense;

#[cfg(test)]
mod cases;

/// The table that imgkeep comes with.
const BUILTIN: &str = include_str!("../../config/proxies.toml");

/// Real chains reach five layers of one host; what is deeper than this is not meant to be read.
const MOST_LAYERS: usize = 12;

/// The compiled table of families. Building one reads the whole table, so build it once.
#[derive(Clone, Debug)]
pub struct Families {
    fingerprint: Digest,
    names: Vec<Arc<str>>,
    /// In the table's order; `name_of` has the index of each one's name.
    rules: Vec<Rule>,
    name_of: Vec<usize>,
    places: Index,
    generic: Generic,
    generic_names: [Arc<str>; 4],
}

/// A URL without its wrappers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwrapped {
    /// The address of the image itself; the given URL if it was no wrapper.
    pub origin: OriginUrl,
    /// Outermost first; empty if the URL was no wrapper.
    pub layers: Vec<Layer>,
}

/// One wrapper that was taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The family's name in the table.
    pub family: Arc<str>,
    text: String,
}

/// What one layer held.
struct Inner {
    family: Arc<str>,
    text: String,
    origin: OriginUrl,
}

impl Families {
    /// The families that imgkeep comes with.
    #[must_use]
    pub fn builtin() -> Self {
        Self::with("").expect("the embedded table is checked by a test")
    }

    /// The built-in families and the user's own, which come first. See the top of `config/proxies.toml`
    /// for what `user_toml` may say.
    ///
    /// # Errors
    /// `Table` if it is no such TOML, `Family` if an entry makes no sense.
    pub fn with(user_toml: &str) -> Result<Self, Error> {
        let builtin = Table::parse(BUILTIN)?;
        let table = builtin.with(Table::parse(user_toml)?)?;
        let places = Index::new(table.places()?);
        let generic = Generic::new(table.generic)
            .map_err(|problem| Error::Family { family: "generic".to_owned(), problem })?;
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut name_of = Vec::with_capacity(table.family.len());
        for rule in &table.family {
            let known = names.iter().position(|name| **name == rule.name);
            name_of.push(known.unwrap_or_else(|| {
                names.push(rule.name.as_str().into());
                names.len() - 1
            }));
        }
        let generic_names = generic::NAMES.map(Arc::from);
        let fingerprint = Digest::of([BUILTIN, user_toml].join("\0").as_bytes());
        Ok(Self { fingerprint, names, rules: table.family, name_of, places, generic, generic_names })
    }

    /// Tells this table from another: a document looked at with one need not be looked at with it again.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// The names of all families in the order in which they are tried, each once; the generic rules last.
    pub fn family_names(&self) -> impl Iterator<Item = &str> {
        let generic =
            self.generic_names.iter().enumerate().filter(|(index, _)| self.generic.is_enabled(*index));
        self.names.iter().chain(generic.map(|(_, name)| name)).map(|name| &**name)
    }

    /// Takes all wrappers off `text`, a URL as decoded from a document. It may be without scheme
    /// (`//host/…`, taken for https) or, if it is a wrapper of an absolute URL, without host
    /// (`/_next/image?url=https%3A…`).
    ///
    /// # Errors
    /// `Relative` if nothing says to what, `Scheme` for anything but http(s), `Url` for what is no URL.
    pub fn unwrap(&self, text: &str) -> Result<Unwrapped, Error> {
        self.unwrap_with_base(text, None)
    }

    /// The same, with `base` to resolve a relative URL against: the document's own address.
    ///
    /// # Errors
    /// As for [`Self::unwrap`].
    pub fn unwrap_with_base(&self, text: &str, base: Option<&Url>) -> Result<Unwrapped, Error> {
        let given = complete(text, base.filter(|base| matches!(base.scheme(), "http" | "https")))?;
        let mut layers: Vec<Layer> = Vec::new();
        let mut outer = decode::entities(&given);
        let mut origin = None;
        while layers.len() < MOST_LAYERS
            && let Some(Inner { family, text: inner, origin: found }) = self.layer(&outer)
            && inner != *outer
            && layers.iter().all(|layer| layer.text != inner)
        {
            let text = std::mem::replace(&mut outer, Cow::Owned(inner)).into_owned();
            layers.push(Layer { family, text });
            origin = Some(found);
        }
        let origin = match origin {
            Some(origin) => origin,
            None if absolute(&given).is_some() => OriginUrl::parse(&given)?,
            None => return Err(Error::Relative { text: shorten(text) }),
        };
        Ok(Unwrapped { origin, layers })
    }

    /// What the outermost layer of `text` holds, if it is a wrapper as it is written, or as it is asked for: without
    /// dot segments and with escapes for what is not ASCII (WHATWG URL, section 4.4).
    fn layer(&self, text: &str) -> Option<Inner> {
        self.layer_as_written(text).or_else(|| {
            let asked = OriginUrl::parse(text).ok().filter(|asked| asked.as_str() != text)?;
            self.layer_as_written(asked.as_str())
        })
    }

    fn layer_as_written(&self, text: &str) -> Option<Inner> {
        let parts = Parts::of(text);
        let places = self.places.candidates(&parts);
        let denied =
            |place: &&Place| place.rule.is_none() && place.is_at_host(&parts) && place.covers(&parts);
        if places.iter().any(denied) {
            return None;
        }
        let inner = self.known(&parts, &places, true).or_else(|| self.unknown(&parts, &places))?;
        (inner.text != text).then_some(inner)
    }

    /// The inner URL by a family of the table. With `images`, also by families that look at the inner URL.
    fn known(&self, parts: &Parts<'_>, places: &[&Place], images: bool) -> Option<Inner> {
        places.iter().find_map(|place| {
            let index = place.rule?;
            let rule = &self.rules[index];
            if rule.image && !images {
                return None;
            }
            let tail = if rule.is_beside_path() {
                place.covers(parts).then_some("")
            } else {
                place.tail(parts).filter(|tail| !tail.is_empty())
            };
            let inner = Inner::new(&self.names[self.name_of[index]], rule.source(parts, tail?)?)?;
            (rule.allows(&inner.origin) && (!rule.image || self.is_image(&inner.text))).then_some(inner)
        })
    }

    /// The inner URL by the generic rules. A host of the table is left alone: its grammar is known.
    fn unknown(&self, parts: &Parts<'_>, places: &[&Place]) -> Option<Inner> {
        let (name, text) = self.generic.source(parts, |text| self.is_wrapper(text))?;
        let own = parts.without_inner_path();
        let closed = |place: &&Place| match place.rule {
            Some(index) => place.is_at_host(parts) && !self.rules[index].open,
            None => place.covers(&own),
        };
        if places.iter().any(closed) {
            return None;
        }
        Inner::new(&self.generic_names[name], text)
    }

    fn is_image(&self, text: &str) -> bool {
        self.generic.is_image(text) || self.is_wrapper(text)
    }

    fn is_wrapper(&self, text: &str) -> bool {
        let parts = Parts::of(text);
        self.known(&parts, &self.places.candidates(&parts), false).is_some()
    }
}

impl Layer {
    /// The wrapper as it is written; made absolute if it has a host or there was a base.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The wrapper as it is asked for; `None` if it was written without host and no base was given.
    /// Parsed here and now, as few layers are ever asked.
    #[must_use]
    pub fn url(&self) -> Option<Url> {
        Url::parse(&self.text).ok()
    }
}

impl Inner {
    /// A source that is no URL of a host was no source.
    fn new(family: &Arc<str>, text: String) -> Option<Self> {
        let origin = OriginUrl::parse(&text).ok().filter(|origin| is_name(origin.host()))?;
        // A backslash can end the host (WHATWG URL, section 4.4): what is read on must agree about it.
        let text = if text.contains('\\') { origin.as_str().to_owned() } else { text };
        Some(Self { family: Arc::clone(family), text, origin })
    }
}

fn is_name(host: &str) -> bool {
    host.contains(char::is_alphanumeric)
}

/// `text` as an absolute URL, or as a path if there is no base. White space around it and line breaks in
/// it are no part of a URL (WHATWG URL, section 4.4).
fn complete<'a>(text: &'a str, base: Option<&Url>) -> Result<Cow<'a, str>, Error> {
    let mut text = Cow::Borrowed(text.trim_matches(|char: char| char <= ' '));
    if memchr::memchr3(b'\t', b'\n', b'\r', text.as_bytes()).is_some() {
        text = Cow::Owned(text.replace(['\t', '\n', '\r'], ""));
    }
    if is_protocol_relative(&text) {
        let scheme = base.map_or("https", Url::scheme);
        text = Cow::Owned([scheme, ":", &text].concat());
    }
    if let Some((_, start)) = absolute(&text) {
        let backslash = memchr::memchr(b'\\', text.as_bytes());
        let in_path = backslash.is_some_and(|index| !text[..index].contains(['?', '#']));
        let odd = in_path || text[start..].starts_with('/');
        return if odd { parse(&text).map(|url| Cow::Owned(url.into())) } else { Ok(text) };
    }
    match (scheme(&text), base) {
        (Some(scheme), _) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {
            parse(&text).map(|url| Cow::Owned(url.into()))
        }
        (Some(scheme), _) => Err(Error::Scheme { scheme: scheme.to_ascii_lowercase() }),
        (None, Some(base)) => {
            let joined = base.join(&text).map_err(|source| Error::Url { text: shorten(&text), source })?;
            Ok(Cow::Owned(joined.into()))
        }
        (None, None) => Ok(text),
    }
}

/// The scheme that `text` begins with (RFC 3986, section 3.1).
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let valid = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    valid.then_some(scheme)
}

fn parse(text: &str) -> Result<Url, Error> {
    Url::parse(text).map_err(|source| Error::Url { text: shorten(text), source })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin(families: &Families, text: &str) -> String {
        families.unwrap(text).unwrap().origin.to_string()
    }

    #[test]
    fn relative_urls_need_a_base_unless_they_hold_an_absolute_one() {
        let families = Families::builtin();
        let base = Url::parse("https://site.io/posts/1.html").unwrap();
        let with_base = |text: &str| families.unwrap_with_base(text, Some(&base)).unwrap();
        let wrapped = "/_next/image?url=%2Fa.png&w=3";
        assert!(matches!(families.unwrap(wrapped), Err(Error::Relative { .. })));
        assert_eq!(with_base(wrapped).origin.as_str(), "https://site.io/a.png");
        assert_eq!(
            with_base(wrapped).layers[0].url().unwrap().as_str(),
            "https://site.io/_next/image?url=%2Fa.png&w=3"
        );
        assert_eq!(with_base("../a.png").origin.as_str(), "https://site.io/a.png");
        assert_eq!(with_base("//wsrv.nl/?url=a.io/b").origin.as_str(), "http://a.io/b");
        for text in ["\\\\a.io\\b.png", "/\\a.io/b.png", "\\/a.io/b.png", "\\\n\\a.io/b.png"] {
            assert_eq!(origin(&families, text), "https://a.io/b.png");
            assert_eq!(with_base(text).origin.as_str(), "https://a.io/b.png");
        }
        for text in ["\\a.io\\b.png", "\\", "a\\\\a.io/b.png"] {
            assert!(matches!(families.unwrap(text), Err(Error::Relative { .. })), "{text}");
        }
        assert_eq!(origin(&families, "\\\\wsrv.nl\\?url=a.io/b.png"), "http://a.io/b.png");
        let hostless = families.unwrap("/proxy/image?url=https%3A%2F%2Fa.io%2Fb.png").unwrap();
        assert_eq!(hostless.layers[0].url(), None);
        assert!(matches!(families.unwrap("a.png"), Err(Error::Relative { .. })));
        assert!(
            matches!(families.unwrap("DATA:image/png,"), Err(Error::Scheme { scheme }) if scheme == "data")
        );
        assert!(matches!(families.unwrap("https://a b/"), Err(Error::Url { .. })));
        assert_eq!(origin(&families, " https:\\\\a.io\\b\nc.png "), "https://a.io/bc.png");
    }

    #[test]
    fn a_wrapper_is_one_as_it_is_asked_for() {
        let families = Families::builtin();
        for (text, expected) in [
            ("https://a.io/cdn-cgi/image/w=1/“b”.png", "https://a.io/%E2%80%9Cb%E2%80%9D.png"),
            ("https://a.io/x/../cdn-cgi/image/w=1/b.png", "https://a.io/b.png"),
            ("https://res.cloudinary.com/x/image/fetch/.///a.io/b.png", "https://a.io/b.png"),
        ] {
            let unwrapped = families.unwrap(text).unwrap();
            assert_eq!((unwrapped.origin.as_str(), unwrapped.layers.len()), (expected, 1), "{text}");
            assert_eq!(unwrapped.layers[0].as_str(), text);
        }
    }

    #[test]
    fn layers_are_the_urls_asked_for_outermost_first() {
        let unwrapped =
            Families::builtin().unwrap("//wsrv.nl/?url=i0.wp.com/a.io/b.png%3Fssl=1&amp;w=3").unwrap();
        let layers: Vec<_> = unwrapped.layers.iter().map(|layer| (&*layer.family, layer.as_str())).collect();
        let wrapper = "https://wsrv.nl/?url=i0.wp.com/a.io/b.png%3Fssl=1&w=3";
        assert_eq!(layers, [("weserv", wrapper), ("wp-photon", "http://i0.wp.com/a.io/b.png?ssl=1")]);
        assert_eq!(unwrapped.origin.as_str(), "https://a.io/b.png");
    }

    #[test]
    fn twelve_layers_are_taken_off_and_no_more() {
        let families = Families::builtin();
        for depth in [11, 12, 13] {
            let wrapped = "https://thingproxy.freeboard.io/fetch/".repeat(depth) + "https://a.io/b";
            let unwrapped = families.unwrap(&wrapped).unwrap();
            assert_eq!(unwrapped.layers.len(), depth.min(MOST_LAYERS));
            assert_eq!(unwrapped.origin.as_str() == "https://a.io/b", depth <= MOST_LAYERS);
        }
    }

    #[test]
    fn a_circle_ends() {
        let table = |from: &str, to: &str| {
            format!(
                "[[family]]\nname = \"{from}\"\nat = [\"{from}/\"]\ntake = \"base\"\nbase = \"https:\
                 //{to}/\"\n"
            )
        };
        let families = Families::with(&(table("a.io", "b.io") + &table("b.io", "a.io"))).unwrap();
        let unwrapped = families.unwrap("https://a.io/x").unwrap();
        assert_eq!((unwrapped.layers.len(), unwrapped.origin.as_str()), (1, "https://b.io/x"));
    }

    /// Text made of what wrappers are made of, so that it reaches the parsers.
    fn fragments() -> impl Strategy<Value = String> {
        let fragment = prop::sample::select(vec![
            "https://",
            "http:/",
            "//",
            "/",
            "?",
            "&",
            "=",
            "#",
            "%",
            "%2F",
            "%3A",
            "%25",
            "*",
            "__",
            ";",
            "!",
            "@",
            ":",
            "wsrv.nl/?url=",
            "i0.wp.com/",
            "cors.zfour.workers.dev/?",
            "a.io",
            "b.png",
            "é",
            "\\",
            "filters:x(",
            ")",
            "unsafe/",
            "300x200/",
            "plain/",
            "aHR0cDovL2EuaW8vYg",
            "/_next/image?url=",
            "/cdn-cgi/image/w=1/",
            "ssl=1",
            "urldefense.com/v3/__",
            "web.archive.org/web/2016im_/",
            "images-ext-1.discordapp.net/external/",
            "x-y.translate.goog/",
            "gimg2.baidu.com/image_search/src=",
            "assets.rebelmouse.io/ey",
            "rs:fit:1/",
            "[",
            "]",
            "camo.githubusercontent.com/52feade06f2fecbf006889a904d221e6a730c194/",
            "6874",
            "\t",
            " ",
            "xn--",
            "**A",
        ]);
        prop::collection::vec(fragment, 0..12).prop_map(|fragments| fragments.concat())
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in prop_oneof![".*", fragments()]) {
            thread_local!(static FAMILIES: Families = Families::builtin());
            FAMILIES.with(|families| {
                let Ok(unwrapped) = families.unwrap(&text) else { return Ok(()) };
                prop_assert!(unwrapped.layers.len() <= MOST_LAYERS);
                if unwrapped.layers.len() < MOST_LAYERS {
                    let again = families.unwrap(unwrapped.origin.as_str()).unwrap();
                    prop_assert_eq!(again.layers, vec![]);
                }
                Ok(())
            })?;
        }
    }
}
