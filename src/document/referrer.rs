//! What a browser would send as `Referer` (Referrer Policy, W3C).

use url::Url;

/// A referrer policy (section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Nothing, ever.
    NoReferrer,
    /// The whole URL, but nothing from https to http.
    NoReferrerWhenDowngrade,
    /// The whole URL to the page's own server, nothing to others.
    SameOrigin,
    /// The site's root.
    Origin,
    /// The site's root, but nothing from https to http.
    StrictOrigin,
    /// The whole URL to the page's own server, the site's root to others.
    OriginWhenCrossOrigin,
    /// The same, but nothing from https to http: what holds where nobody asks for anything.
    StrictOriginWhenCrossOrigin,
    /// The whole URL.
    UnsafeUrl,
}

impl Policy {
    /// The policy of this name, in any case; of several separated by commas the last that is known
    /// (section 4.1). `None` if there is none.
    #[must_use]
    pub fn named(names: &str) -> Option<Self> {
        names.split(',').rev().find_map(|name| {
            Some(match name.trim().to_ascii_lowercase().as_str() {
                "no-referrer" | "never" => Self::NoReferrer,
                "no-referrer-when-downgrade" | "default" => Self::NoReferrerWhenDowngrade,
                "same-origin" => Self::SameOrigin,
                "origin" => Self::Origin,
                "strict-origin" => Self::StrictOrigin,
                "origin-when-cross-origin" | "origin-when-crossorigin" => Self::OriginWhenCrossOrigin,
                "strict-origin-when-cross-origin" => Self::StrictOriginWhenCrossOrigin,
                "unsafe-url" | "always" => Self::UnsafeUrl,
                _ => return None,
            })
        })
    }

    /// What the page at `page` tells the server of `url` (section 8.3).
    #[must_use]
    pub fn referer(self, page: &Url, url: &Url) -> Option<Url> {
        let root = || page.join("/").ok();
        let downgrade = page.scheme() == "https" && url.scheme() != "https";
        let same = page.origin() == url.origin();
        match self {
            Self::NoReferrer => None,
            Self::UnsafeUrl => Some(page.clone()),
            Self::Origin => root(),
            Self::SameOrigin => same.then(|| page.clone()),
            Self::OriginWhenCrossOrigin if same => Some(page.clone()),
            Self::OriginWhenCrossOrigin => root(),
            Self::NoReferrerWhenDowngrade => (!downgrade).then(|| page.clone()),
            Self::StrictOrigin | Self::StrictOriginWhenCrossOrigin if downgrade => None,
            Self::StrictOriginWhenCrossOrigin if same => Some(page.clone()),
            Self::StrictOrigin | Self::StrictOriginWhenCrossOrigin => root(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (names, expected) in [
            ("no-referrer", Some(Policy::NoReferrer)),
            (" Unsafe-URL ", Some(Policy::UnsafeUrl)),
            ("no-referrer, strict-origin", Some(Policy::StrictOrigin)),
            ("origin, some-later-policy", Some(Policy::Origin)),
            ("", None),
            ("none", None),
        ] {
            assert_eq!(Policy::named(names), expected, "{names}");
        }
    }

    #[test]
    fn what_is_told() {
        let check = |policy: Policy, page: &str, url: &str, expected: &str| {
            let told = policy.referer(&page.parse().unwrap(), &url.parse().unwrap());
            assert_eq!(
                told.map_or_else(String::new, |url| url.to_string()),
                expected,
                "{policy:?} {page} {url}"
            );
        };
        let (page, plain) = ("https://a.test/b?c", "http://a.test/b?c");
        let (same, other, insecure) = ("https://a.test/i", "https://o.test/i", "http://o.test/i");
        check(Policy::StrictOriginWhenCrossOrigin, page, same, page);
        check(Policy::StrictOriginWhenCrossOrigin, page, other, "https://a.test/");
        check(Policy::StrictOriginWhenCrossOrigin, page, insecure, "");
        check(Policy::StrictOriginWhenCrossOrigin, plain, insecure, "http://a.test/");
        check(Policy::OriginWhenCrossOrigin, page, insecure, "https://a.test/");
        check(Policy::NoReferrerWhenDowngrade, page, other, page);
        check(Policy::NoReferrerWhenDowngrade, page, insecure, "");
        check(Policy::SameOrigin, page, same, page);
        check(Policy::SameOrigin, page, other, "");
        check(Policy::UnsafeUrl, page, insecure, page);
    }
}
