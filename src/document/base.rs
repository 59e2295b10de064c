//! Where the relative URLs of a document lead (HTML, section 4.2.3, the base element).

use url::Url;

/// Where the relative URLs of a document lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// To a folder, named as from the document's own: `""` is that one itself, `"../"` the one above.
    Folder(String),
    /// To a folder that is named from the top of the site, wherever that is on disk.
    Site,
    /// To another site, if it is known; or not all to the same place.
    Elsewhere(Option<Url>),
}

impl Default for Base {
    fn default() -> Self {
        Self::Folder(String::new())
    }
}

impl Base {
    /// What the `href` of a `base` makes of it, in a document whose own address nobody knows.
    #[must_use]
    pub fn of(href: &str) -> Self {
        // a name that no site has (RFC 6761, section 6.4)
        let Ok(document) = Url::parse("https://document.invalid/") else { return Self::default() };
        // what is no URL, or has one of these schemes, a browser does not take for a base
        let Ok(url) = document.join(href) else { return Self::default() };
        match url.scheme() {
            "data" | "javascript" => return Self::default(),
            "http" | "https" if url.host() != document.host() => return Self::Elsewhere(Some(url)),
            "http" | "https" => {}
            _ => return Self::Elsewhere(None),
        }
        let path = href.trim_matches(|char| char <= ' ').replace(['\t', '\n', '\r'], "");
        let path = path.split(['?', '#']).next().unwrap_or_default().replace('\\', "/");
        if path.starts_with('/') {
            return Self::Site;
        }
        let (folder, file) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
        match file {
            ".." => Self::Folder(format!("{folder}../")),
            _ => Self::Folder(folder.to_owned()),
        }
    }

    /// What a relative URL is to be joined to, where that is known.
    #[must_use]
    pub fn url(&self) -> Option<&Url> {
        match self {
            Self::Elsewhere(url) => url.as_ref(),
            Self::Folder(_) | Self::Site => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_base_leads_somewhere() {
        let folder = |path: &str| Base::Folder(path.to_owned());
        for (href, expected) in [
            ("", folder("")),
            (" # ", folder("")),
            ("?x=/", folder("")),
            ("1.html", folder("")),
            ("./1.html?x#y", folder("./")),
            (".", folder("")),
            ("img/", folder("img/")),
            ("img\\", folder("img/")),
            ("im\ng/x", folder("img/")),
            ("..", folder("../")),
            ("../..", folder("../../")),
            ("../posts/", folder("../posts/")),
            ("data:text/plain,/", folder("")),
            ("JavaScript:1", folder("")),
            ("https://[", folder("")),
            ("/", Base::Site),
            (" /blog/", Base::Site),
            ("\\blog\\", Base::Site),
            ("file:///blog/", Base::Elsewhere(None)),
        ] {
            assert_eq!(Base::of(href), expected, "{href}");
        }
        for (href, url) in [
            ("http://a.example/b/", "http://a.example/b/"),
            (" HTTPS:\\\\a.example ", "https://a.example/"),
            ("//a.example/b", "https://a.example/b"),
            ("/\\a.example/b", "https://a.example/b"),
        ] {
            assert_eq!(Base::of(href).url().map(Url::as_str), Some(url), "{href}");
        }
    }
}
