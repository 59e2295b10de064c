//! Where feeds and sitemaps name images: RSS, Atom, Media RSS, podcasts, the image extension of sitemaps.

use super::namespace::Namespace;
use crate::document::extract::candidate::names_image;

/// An element's name without its prefix, and what that stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub(super) namespace: Namespace,
    pub(super) local: &'a [u8],
}

impl Name<'_> {
    /// Whether RSS has an element of this name that HTML has not, or means something else by it.
    pub(super) fn is_own_of_rss(self) -> bool {
        matches!(
            self.local,
            b"channel" | b"description" | b"enclosure" | b"fullitem" | b"image" | b"item" | b"url"
        )
    }

    pub(super) fn is(self, namespace: Namespace, local: &str) -> bool {
        self.namespace == namespace && self.local == local.as_bytes()
    }
}

/// What the attributes of an element say; `None` where it has no such attribute.
pub(super) trait Attributes {
    /// The decoded value of an attribute without a prefix.
    fn get(&self, name: &str) -> Option<String>;
}

/// What the text of an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The URL of an image.
    Url,
    /// HTML.
    Html,
    /// A style sheet.
    Css,
}

/// An attribute that names an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// [`Namespace::Other`] for an attribute without a prefix.
    pub(super) namespace: Namespace,
    pub(super) local: &'static str,
    pub(super) is_srcset: bool,
}

impl Named {
    const fn plain(local: &'static str) -> Self {
        Self { namespace: Namespace::Other, local, is_srcset: false }
    }

    const fn rdf(local: &'static str) -> Self {
        Self { namespace: Namespace::Rdf, local, is_srcset: false }
    }
}

const URL: &[Named] = &[Named::plain("url")];
const HREF: &[Named] = &[Named::plain("href")];
const HREF_OR_URL: &[Named] = &[Named::plain("href"), Named::plain("url")];
const SRC: &[Named] = &[Named::plain("src")];
const SRCSET: &[Named] = &[Named { is_srcset: true, ..Named::plain("srcset") }];
const IMG: &[Named] = &[Named::plain("img")];
const IMAGE: &[Named] = &[Named::plain("image")];
/// RSS 1.0, section 5.4: both are the image's own URL.
const RDF: &[Named] = &[Named::rdf("about"), Named::rdf("resource")];

/// The attributes of an element that name images.
pub(super) fn attributes(name: Name<'_>, of: &impl Attributes) -> &'static [Named] {
    let says_image =
        |key: &str| is_image(&of.get("type").unwrap_or_default(), &of.get(key).unwrap_or_default());
    match (name.namespace, name.local) {
        (Namespace::Rss, b"enclosure") if says_image("url") => URL,
        (Namespace::Rss, b"image") => RDF,
        (Namespace::Media, b"content") => match of.get("medium").as_deref().map(str::trim) {
            Some("image") => URL,
            None | Some("") if says_image("url") => URL,
            _ => &[],
        },
        (Namespace::Media, b"thumbnail") => URL,
        (Namespace::Itunes, b"image") => HREF_OR_URL,
        (Namespace::Itunes, b"link") if of.get("rel").is_some_and(|rel| rel.trim() == "image") => HREF,
        (Namespace::GooglePlay | Namespace::Podcast, b"image") => HREF,
        (Namespace::Podcast, b"images") => SRCSET,
        (Namespace::Podcast, b"person") => IMG,
        (Namespace::Atom, b"link") if is_image_link(of) => HREF,
        // RFC 4287, section 4.1.3.2
        (Namespace::Atom, b"content") if has_image_type(&of.get("type").unwrap_or_default()) => SRC,
        (Namespace::GoogleData, b"image") => SRC,
        (Namespace::WebFeeds, b"cover") => IMAGE,
        _ => &[],
    }
}

/// What the text of an element is for, if it is for anything. `parent` is the element around it.
pub(super) fn content(name: Name<'_>, parent: Option<Name<'_>>, of: &impl Attributes) -> Option<Content> {
    let is_in = |namespace, local| parent.is_some_and(|parent| parent.is(namespace, local));
    let says_html = || {
        let kind = of.get("type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        ["html", "text/html"].into_iter().any(|html| kind.eq_ignore_ascii_case(html))
    };
    match (name.namespace, name.local) {
        (Namespace::Rss, b"url") => is_in(Namespace::Rss, "image").then_some(Content::Url),
        (Namespace::Atom, b"icon" | b"logo") | (Namespace::WebFeeds, b"icon" | b"logo") => Some(Content::Url),
        (Namespace::SitemapImage, b"loc") => is_in(Namespace::SitemapImage, "image").then_some(Content::Url),
        (Namespace::SitemapVideo, b"thumbnail_loc") => Some(Content::Url),
        (Namespace::Products, b"image_link" | b"additional_image_link") => Some(Content::Url),
        (Namespace::Rss, b"description" | b"fullitem" | b"body") => Some(Content::Html),
        (Namespace::Content, b"encoded") => Some(Content::Html),
        (Namespace::Itunes, b"summary") | (Namespace::GooglePlay, b"description") => Some(Content::Html),
        (
            Namespace::Atom,
            b"content" | b"summary" | b"title" | b"subtitle" | b"rights" | b"tagline" | b"info"
            | b"copyright",
        )
        | (Namespace::Media, b"description" | b"title" | b"text") => says_html().then_some(Content::Html),
        _ => None,
    }
}

/// Icons, covers, and what is enclosed (RFC 4287, section 4.2.7.2; OPDS 1.2, section 5.2).
fn is_image_link(of: &impl Attributes) -> bool {
    let rel = of.get("rel").unwrap_or_default().trim().to_ascii_lowercase();
    let (kind, href) = (of.get("type").unwrap_or_default(), of.get("href").unwrap_or_default());
    let registered = "http://www.iana.org/assignments/relation/";
    match rel.strip_prefix(registered).unwrap_or(&rel) {
        "icon" | "shortcut icon" | "apple-touch-icon" | "image_src" => {
            kind.trim().is_empty() || has_image_type(&kind)
        }
        "enclosure"
        | "preview"
        | "thumbnail"
        | "image"
        | "http://opds-spec.org/image"
        | "http://opds-spec.org/image/thumbnail"
        | "http://opds-spec.org/cover"
        | "http://opds-spec.org/thumbnail" => is_image(&kind, &href),
        _ => false,
    }
}

/// Whether `kind` says that `url` is an image; if it says nothing, the file name's extension does.
fn is_image(kind: &str, url: &str) -> bool {
    if kind.trim().eq_ignore_ascii_case("image") {
        return true;
    }
    let says_nothing = !kind.contains('/')
        || ["application/octet-stream", "binary/octet-stream", "unknown/unknown"]
            .into_iter()
            .any(|unknown| kind.trim().eq_ignore_ascii_case(unknown));
    if !says_nothing {
        return has_image_type(kind);
    }
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    // the path of a wrapper often has no extension: what it wraps stands in the query
    names_image(if file.contains('.') { file } else { url })
}

fn has_image_type(kind: &str) -> bool {
    kind.trim().get(..6).is_some_and(|start| start.eq_ignore_ascii_case("image/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_says_more_than_a_name() {
        let check = |kind: &str, url: &str, expected: bool| {
            assert_eq!(is_image(kind, url), expected, "{kind} {url}");
        };
        check("image/jpeg", "http://h/a", true);
        check(" IMAGE/png", "http://h/a.mp3", true);
        check("audio/mpeg", "http://h/a.jpg", false);
        check("", "http://h/a.jpg?x", true);
        check("", "http://h/a.mp3?cover=b.jpg", false);
        check("", "http://proxy.example/?http://h/a.jpg", true);
        check("", "http://h.jpg/a", true);
        check("application/octet-stream", "http://h/a.WEBP", true);
        check("image", "http://h/a", true);
        check("jpg", "http://h/a", false);
        check("", "http://h/a", false);
        check("", "", false);
        check("图", "图", false);
    }
}
