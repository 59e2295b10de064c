//! Which image a kept link named before it was a kept link.
//!
//! A record holds the bytes that stood in the document and not the grammar they stood in. They are read as each
//! grammar that URLs are commonly written in, and what the image is known to be from tells which is right.

use std::borrow::Cow;

use anyhow::Result;
use url::Url;

use crate::catalog::OriginKey;
use crate::digest::Digest;
use crate::document::DocumentKind;
use crate::document::encoding::Encoding;
use crate::document::extract::{self, Rules};
use crate::ops::Archive;
use crate::origin::OriginUrl;
use crate::origin::proxy::{Families, Layer};

/// One spelling of an image.
#[derive(Debug)]
pub(super) struct Alias {
    pub(super) origin: OriginUrl,
    /// The wrappers that can be asked, outermost first.
    pub(super) wrappers: Vec<Url>,
}

/// What `original` named, which is one of `origins`, if there are any.
pub(super) fn named(families: &Families, original: &[u8], origins: &[OriginKey]) -> Option<Alias> {
    let is_known = |alias: &Alias| origins.is_empty() || origins.contains(&OriginKey::of(&alias.origin));
    let unwrapped = |text: &str| {
        let unwrapped = families.unwrap(text).ok()?;
        let wrappers = unwrapped.layers.iter().filter_map(Layer::url).collect();
        Some(Alias { origin: unwrapped.origin, wrappers }).filter(is_known)
    };
    let encoding = Encoding::of(original);
    let original = match encoding {
        Encoding::Bytes => Cow::Borrowed(original),
        Encoding::Utf16Le | Encoding::Utf16Be => {
            Cow::Owned(encoding.read(original).into_owned().into_bytes())
        }
    };
    let attribute = in_attribute(&original);
    let json = in_json(&original);
    let [twice, in_both] = [&attribute, &json].map(|text| in_attribute(text.as_ref()?.as_bytes()));
    let plain = std::str::from_utf8(&original).ok().map(str::to_owned);
    [attribute, twice, json, in_both, plain].into_iter().flatten().find_map(|text| unwrapped(&text))
}

/// Which origins a link to the blob of `digest` may stand for: the one that its `original` named, or, where that
/// cannot be told, each that gave the blob.
pub(super) fn origins(
    families: &Families,
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
    let named = original.and_then(|original| named(families, original, &origins));
    Ok(named.map_or(origins, |alias| vec![OriginKey::of(&alias.origin)]))
}

/// Character references and all (HTML, section 13.2.5.72); Markdown and escaped feeds have them, too.
fn in_attribute(original: &[u8]) -> Option<String> {
    let document = [b"<img src=\"", original, b"\">"].concat();
    let found = extract::find(&document, DocumentKind::Html, &Rules::default());
    found.references.into_iter().next().map(|reference| reference.url)
}

/// A JSON string (RFC 8259, section 7); the double quotes of YAML and TOML mean the same in a URL.
fn in_json(original: &[u8]) -> Option<String> {
    serde_json::from_slice(&[b"\"", original, b"\""].concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_original_is_read_in_the_grammar_that_makes_sense_of_it() {
        let families = Families::builtin();
        let key = |url: &str| OriginKey::of(&OriginUrl::parse(url).unwrap());
        let image = "http://a.example/i.png?a=1&b=2";
        for (original, wrappers) in [
            (image, 0),
            ("http://a.example/i.png?a=1&amp;b=2", 0),
            ("https:\\/\\/a.example\\/i.png?a=1\\u0026b=2", 0),
            ("http://a.example/i.png?a=1&amp;amp;b=2", 0),
            ("http:\\/\\/a.example/i.png?a=1&#38;b=2", 0),
            ("https://cors.zfour.workers.dev/?http://a.example/i.png?a=1&amp;b=2", 1),
            ("https://cors.zfour.workers.dev/?http:\\/\\/a.example/i.png?a=1&b=2", 1),
        ] {
            let alias = named(&families, original.as_bytes(), &[key(image)]);
            let alias = alias.unwrap_or_else(|| panic!("{original}"));
            assert_eq!((key(image), wrappers), (OriginKey::of(&alias.origin), alias.wrappers.len()));
            for encoding in [Encoding::Utf16Le, Encoding::Utf16Be] {
                let original = encoding.write(original.to_owned());
                let alias = named(&families, &original, &[key(image)]).expect("the same in UTF-16");
                assert_eq!((key(image), wrappers), (OriginKey::of(&alias.origin), alias.wrappers.len()));
            }
        }
        // what stood there is another image, or none at all
        for original in ["http://a.example/j.png", "../i.png", "\"", "", "data:image/png,"] {
            assert!(named(&families, original.as_bytes(), &[key(image)]).is_none(), "{original}");
        }
        assert!(named(&families, b"\xff\xfe\"><img src=http://a.example/i.png>", &[key(image)]).is_none());
    }
}
