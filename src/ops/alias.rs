//! Which image a kept link named before it was a kept link.
//!
//! A record holds the bytes that stood in the document and not the grammar they stood in. They are read as each
//! grammar that URLs are commonly written in, and what the image is known to be from tells which is right.

use anyhow::Result;
use url::Url;

use crate::catalog::OriginKey;
use crate::digest::Digest;
use crate::document::DocumentKind;
use crate::document::extract;
use crate::ops::{Archive, Reader};
use crate::origin::OriginUrl;
use crate::origin::proxy::Layer;

/// One spelling of an image.
#[derive(Debug)]
pub(super) struct Alias {
    pub(super) origin: OriginUrl,
    /// The wrappers that can be asked, outermost first.
    pub(super) wrappers: Vec<Url>,
}

/// What `original` named, which is one of `origins`, if there are any.
pub(super) fn named(reader: &Reader, original: &[u8], origins: &[OriginKey]) -> Option<Alias> {
    let is_known = |alias: &Alias| origins.is_empty() || origins.contains(&OriginKey::of(&alias.origin));
    in_attribute(reader, original)
        .filter(is_known)
        .or_else(|| as_text(reader, &in_json(original)?).filter(is_known))
        .or_else(|| as_text(reader, std::str::from_utf8(original).ok()?).filter(is_known))
}

/// Which origins a link to the blob of `digest` may stand for: the one that its `original` named, or, where that
/// cannot be told, each that gave the blob.
pub(super) fn origins(
    reader: &Reader,
    archive: &Archive,
    digest: Digest,
    original: Option<&[u8]>,
) -> Result<Vec<OriginKey>> {
    let given = archive.catalog.origins_of(digest)?;
    let origins = given.iter().filter_map(|url| OriginUrl::parse(url).ok());
    let origins: Vec<OriginKey> = origins.map(|origin| OriginKey::of(&origin)).collect();
    if origins.len() < 2 {
        return Ok(origins);
    }
    let named = original.and_then(|original| named(reader, original, &origins));
    Ok(named.map_or(origins, |alias| vec![OriginKey::of(&alias.origin)]))
}

/// Character references and all (HTML, section 13.2.5.72); Markdown and escaped feeds have them, too.
fn in_attribute(reader: &Reader, original: &[u8]) -> Option<Alias> {
    let document = [b"<img src=\"", original, b"\">"].concat();
    let found = extract::find(&document, DocumentKind::Html, &reader.rules);
    let remote = reader.resolver.resolve(found, &|_, _| false).remote.into_iter().next()?;
    let wrappers = remote.wrappers.iter().filter_map(Layer::url).collect();
    Some(Alias { origin: remote.origin, wrappers })
}

/// A JSON string (RFC 8259, section 7); the double quotes of YAML and TOML mean the same in a URL.
fn in_json(original: &[u8]) -> Option<String> {
    serde_json::from_slice(&[b"\"", original, b"\""].concat()).ok()
}

fn as_text(reader: &Reader, text: &str) -> Option<Alias> {
    let unwrapped = reader.resolver.families.unwrap(text).ok()?;
    let wrappers = unwrapped.layers.iter().filter_map(Layer::url).collect();
    Some(Alias { origin: unwrapped.origin, wrappers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crawl;
    use crate::document::extract::Rules;
    use crate::origin::proxy::Families;
    use crate::resolve::{Resolver, Scope};
    use crate::rewrite::link::LinkStyle;

    fn reader() -> Reader {
        Reader {
            crawl: crawl::Options::default(),
            rules: Rules::default(),
            resolver: Resolver {
                families: Families::builtin(),
                scope: Scope::All,
                exclude_hosts: Vec::new(),
            },
            link: LinkStyle::Relative,
        }
    }

    #[test]
    fn an_original_is_read_in_the_grammar_that_makes_sense_of_it() {
        let reader = reader();
        let key = |url: &str| OriginKey::of(&OriginUrl::parse(url).unwrap());
        let image = "http://a.example/i.png?a=1&b=2";
        for (original, wrappers) in [
            (image, 0),
            ("http://a.example/i.png?a=1&amp;b=2", 0),
            ("https:\\/\\/a.example\\/i.png?a=1\\u0026b=2", 0),
            ("https://cors.zfour.workers.dev/?http://a.example/i.png?a=1&amp;b=2", 1),
            ("https://cors.zfour.workers.dev/?http:\\/\\/a.example/i.png?a=1&b=2", 1),
        ] {
            let alias = named(&reader, original.as_bytes(), &[key(image)]);
            let alias = alias.unwrap_or_else(|| panic!("{original}"));
            assert_eq!((key(image), wrappers), (OriginKey::of(&alias.origin), alias.wrappers.len()));
        }
        // what stood there is another image, or none at all
        for original in ["http://a.example/j.png", "../i.png", "\"", "", "data:image/png,"] {
            assert!(named(&reader, original.as_bytes(), &[key(image)]).is_none(), "{original}");
        }
        assert!(named(&reader, b"\xff\xfe\"><img src=http://a.example/i.png>", &[key(image)]).is_none());
    }
}
