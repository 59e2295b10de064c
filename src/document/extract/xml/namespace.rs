//! Which vocabulary a name belongs to (Namespaces in XML 1.0).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A vocabulary that has images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Namespace {
    /// RSS in any version: names without a namespace, or in one of RSS 0.9x or 1.0.
    Rss,
    Atom,
    /// Media RSS.
    Media,
    Itunes,
    GooglePlay,
    /// The "content" module of RSS 1.0, and what WordPress exports in its way.
    Content,
    WebFeeds,
    Podcast,
    /// Google's feeds of products.
    Products,
    /// Google's data feeds, Blogger's among them.
    GoogleData,
    Rdf,
    /// The image extension of sitemaps.
    SitemapImage,
    /// The video extension of sitemaps.
    SitemapVideo,
    Xhtml,
    Svg,
    XLink,
    Other,
}

/// URIs without their scheme and what they end in, in lower case: publishers are careless with those.
const URIS: [(&str, Namespace); 34] = [
    ("www.w3.org/2005/atom", Namespace::Atom),
    ("purl.org/atom/ns", Namespace::Atom),
    ("purl.org/rss/1.0", Namespace::Rss),
    ("purl.org/net/rss1.1", Namespace::Rss),
    ("my.netscape.com/rdf/simple/0.9", Namespace::Rss),
    ("channel.netscape.com/rdf/simple/0.9", Namespace::Rss),
    ("my.netscape.com/publish/formats/rss-0.91.dtd", Namespace::Rss),
    ("backend.userland.com/rss", Namespace::Rss),
    ("backend.userland.com/rss2", Namespace::Rss),
    ("backend.userland.com/rss091", Namespace::Rss),
    ("blogs.law.harvard.edu/tech/rss", Namespace::Rss),
    ("cyber.law.harvard.edu/rss", Namespace::Rss),
    ("search.yahoo.com/mrss", Namespace::Media),
    ("tools.search.yahoo.com/mrss", Namespace::Media),
    ("www.rssboard.org/media-rss", Namespace::Media),
    ("www.itunes.com/dtds/podcast-1.0.dtd", Namespace::Itunes),
    ("www.google.com/schemas/play-podcasts/1.0", Namespace::GooglePlay),
    ("www.google.com/schemas/play-podcasts/1.0/play-podcasts.xsd", Namespace::GooglePlay),
    ("purl.org/rss/1.0/modules/content", Namespace::Content),
    ("wordpress.org/export/1.0/excerpt", Namespace::Content),
    ("wordpress.org/export/1.1/excerpt", Namespace::Content),
    ("wordpress.org/export/1.2/excerpt", Namespace::Content),
    ("webfeeds.org/rss/1.0", Namespace::WebFeeds),
    ("podcastindex.org/namespace/1.0", Namespace::Podcast),
    ("github.com/podcastindex-org/podcast-namespace/blob/main/docs/1.0.md", Namespace::Podcast),
    ("base.google.com/ns/1.0", Namespace::Products),
    ("schemas.google.com/g/2005", Namespace::GoogleData),
    ("www.w3.org/1999/02/22-rdf-syntax-ns", Namespace::Rdf),
    ("www.google.com/schemas/sitemap-image/1.1", Namespace::SitemapImage),
    ("www.google.com/schemas/sitemap-video/1.1", Namespace::SitemapVideo),
    ("www.w3.org/1999/xhtml", Namespace::Xhtml),
    ("www.w3.org/2000/svg", Namespace::Svg),
    ("www.w3.org/1999/xlink", Namespace::XLink),
    ("www.w3.org/xml/1998/namespace", Namespace::Other),
];

/// What a prefix means where nobody declares it.
const PREFIXES: [(&str, Namespace); 18] = [
    ("atom", Namespace::Atom),
    ("atom10", Namespace::Atom),
    ("a10", Namespace::Atom),
    ("media", Namespace::Media),
    ("itunes", Namespace::Itunes),
    ("googleplay", Namespace::GooglePlay),
    ("content", Namespace::Content),
    ("excerpt", Namespace::Content),
    ("webfeeds", Namespace::WebFeeds),
    ("podcast", Namespace::Podcast),
    ("g", Namespace::Products),
    ("gd", Namespace::GoogleData),
    ("rdf", Namespace::Rdf),
    ("image", Namespace::SitemapImage),
    ("video", Namespace::SitemapVideo),
    ("xhtml", Namespace::Xhtml),
    ("svg", Namespace::Svg),
    ("xlink", Namespace::XLink),
];

impl Namespace {
    /// The namespace that a declaration names.
    pub(super) fn of_uri(uri: &str) -> Self {
        let uri = uri.trim().to_ascii_lowercase();
        let uri = uri.strip_prefix("https://").or(uri.strip_prefix("http://")).unwrap_or(&uri);
        let uri = uri.trim_end_matches(['/', '#']);
        URIS.iter().find(|(known, _)| *known == uri).map_or(Self::Other, |(_, namespace)| *namespace)
    }

    /// What names without a prefix mean in an element of this name if nobody declares it.
    pub(super) fn of_root(name: &[u8]) -> Self {
        match name {
            b"rss" | b"RSS" | b"RDF" | b"channel" => Self::Rss,
            b"feed" | b"entry" => Self::Atom,
            b"svg" => Self::Svg,
            b"html" => Self::Xhtml,
            _ => Self::Other,
        }
    }

    /// What names with this prefix mean if nobody declares it.
    pub(super) fn of_prefix(prefix: &[u8]) -> Self {
        let known = PREFIXES.iter().find(|(known, _)| known.as_bytes() == prefix);
        known.map_or(Self::Other, |(_, namespace)| *namespace)
    }
}

/// The declarations that hold where a tag stands.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    /// By prefix, which is empty for the default namespace; the innermost last.
    declared: HashMap<&'a [u8], Vec<Namespace>>,
    /// The prefixes of all declarations that hold, in the order of the document.
    order: Vec<&'a [u8]>,
}

impl<'a> Scope<'a> {
    pub(super) fn declare(&mut self, prefix: &'a [u8], namespace: Namespace) {
        self.declared.entry(prefix).or_default().push(namespace);
        self.order.push(prefix);
    }

    pub(super) fn get(&self, prefix: &[u8]) -> Namespace {
        let declared = self.declared.get(prefix).and_then(|all| all.last());
        declared.copied().unwrap_or_else(|| Namespace::of_prefix(prefix))
    }

    /// How many declarations hold.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Forgets all declarations but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        for prefix in self.order.drain(len..) {
            if let Entry::Occupied(mut all) = self.declared.entry(prefix) {
                all.get_mut().pop();
                if all.get().is_empty() {
                    all.remove();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_known_however_they_end() {
        for uri in [
            "http://search.yahoo.com/mrss/",
            "http://search.yahoo.com/mrss",
            "https://Search.Yahoo.com/mrss/",
        ] {
            assert_eq!(Namespace::of_uri(uri), Namespace::Media, "{uri}");
        }
        assert_eq!(Namespace::of_uri("http://www.itunes.com/DTDs/Podcast-1.0.dtd"), Namespace::Itunes);
        assert_eq!(Namespace::of_uri("http://purl.org/rss/1.0/"), Namespace::Rss);
        assert_eq!(Namespace::of_uri("http://purl.org/rss/1.0/modules/content/"), Namespace::Content);
        assert_eq!(Namespace::of_uri("http://purl.org/rss/1.0/modules/slash/"), Namespace::Other);
        assert_eq!(Namespace::of_uri(""), Namespace::Other);
        for (uri, namespace) in URIS {
            assert_eq!(Namespace::of_uri(&format!("http://{uri}#")), namespace, "{uri}");
        }
    }

    #[test]
    fn the_innermost_declaration_holds() {
        let mut scope = Scope::default();
        assert_eq!(
            (scope.get(b"media"), scope.get(b""), scope.get(b"m")),
            (Namespace::Media, Namespace::Other, Namespace::Other)
        );
        scope.declare(b"media", Namespace::Other);
        let len = scope.len();
        scope.declare(b"media", Namespace::Svg);
        scope.declare(b"", Namespace::Atom);
        assert_eq!((scope.get(b"media"), scope.get(b"")), (Namespace::Svg, Namespace::Atom));
        scope.truncate(len);
        assert_eq!((scope.get(b"media"), scope.get(b"")), (Namespace::Other, Namespace::Other));
        scope.truncate(0);
        assert_eq!(scope.get(b"media"), Namespace::Media);
    }
}
