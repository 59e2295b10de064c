//! What the catalog finds an image by.

use crate::digest::Digest;
use crate::origin::OriginUrl;

/// The first 16 bytes of the SHA-256 of an origin URL: what the catalog finds it by. http and https are one
/// where neither names a port: one server has one image at one path, however it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginKey(pub(super) [u8; 16]);

impl OriginKey {
    /// The key of `origin`.
    #[must_use]
    pub fn of(origin: &OriginUrl) -> Self {
        Self::of_text(origin.as_str())
    }

    /// The key of an origin as the catalog has it.
    #[must_use]
    pub fn of_url(origin: &str) -> Self {
        Self::of_text(origin)
    }

    /// It as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(super) fn of_text(url: &str) -> Self {
        let digest = Digest::of(without_scheme(url).as_bytes());
        Self(digest.as_bytes()[..16].try_into().expect("a digest has 32 bytes"))
    }
}

/// `//host/path` of a URL on its scheme's usual port; any other as it is.
fn without_scheme(url: &str) -> &str {
    let Some(rest) = url.strip_prefix("http:").or(url.strip_prefix("https:")) else { return url };
    let Some(behind) = rest.strip_prefix("//") else { return url };
    let authority = behind.split(['/', '?', '#']).next().unwrap_or(behind);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let port = host.rsplit(']').next().unwrap_or(host);
    if port.contains(':') { url } else { rest }
}
