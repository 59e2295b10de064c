//! What is written into a document to point at a kept image.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::blob::BlobName;
use crate::document::base::Base;
use crate::media::MediaType;

/// What a path segment may hold as it is, and needs no escape in any grammar: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How kept links are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkStyle {
    /// A path from the document's folder to the store's.
    Relative,
    /// A prefix put before `<ab>/<digest>.<ext>`; it ends in `/`.
    Prefix(String),
}

/// A prefix that cannot be the start of a URL.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is no link style: `relative`, or a prefix such as `/images/` or `http://host/images/`")]
pub struct ParseError {
    text: String,
}

impl FromStr for LinkStyle {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "relative" {
            return Ok(Self::Relative);
        }
        // A word without a slash is a slip of the pen (`relativ`) rather than a folder.
        if !text.contains('/') || text.chars().any(|char| char.is_whitespace() || char.is_control()) {
            return Err(ParseError { text: text.to_owned() });
        }
        let slash = if text.ends_with('/') { "" } else { "/" };
        Ok(Self::Prefix(format!("{text}{slash}")))
    }
}

impl LinkStyle {
    /// Whence the links of a document in `folder` lead to the store: the folder itself, or the one that its
    /// base makes of it. `None` when links of this style would lead elsewhere.
    #[must_use]
    pub fn folder<'a>(&self, folder: &'a Path, base: &Base) -> Option<Cow<'a, Path>> {
        let holds = match (self, base) {
            (_, Base::Folder(path)) => return seen_from(folder, path),
            (Self::Relative, Base::Site | Base::Elsewhere(_)) => false,
            (Self::Prefix(prefix), Base::Site) => prefix.starts_with('/') || prefix.contains("://"),
            (Self::Prefix(prefix), Base::Elsewhere(_)) => prefix.starts_with("//") || prefix.contains("://"),
        };
        holds.then_some(Cow::Borrowed(folder))
    }

    /// The URL that a document whose links lead from `folder` uses for `blob` in `images`, both folders absolute,
    /// in place of the URL `stood`. The fragment of an SVG stays: it names the part of it that is shown.
    #[must_use]
    pub fn link(&self, folder: &Path, images: &Path, blob: BlobName, stood: &str) -> String {
        let link = self.link_to(folder, images, &blob.to_string());
        match stood.find('#').filter(|_| blob.media_type == MediaType::Svg) {
            Some(fragment) => link + &stood[fragment..],
            None => link,
        }
    }

    /// The same for anything that lies in `images` under the name `name`.
    #[must_use]
    pub fn link_to(&self, folder: &Path, images: &Path, name: &str) -> String {
        match self {
            Self::Prefix(prefix) => format!("{prefix}{name}"),
            Self::Relative => {
                let mut link = String::new();
                for component in relative(folder, images).components() {
                    match component {
                        Component::ParentDir => link.push_str(".."),
                        other => link.extend(percent_encode(other.as_os_str().as_bytes(), SEGMENT)),
                    }
                    link.push('/');
                }
                format!("{link}{name}")
            }
        }
    }
}

fn seen_from<'a>(folder: &'a Path, path: &str) -> Option<Cow<'a, Path>> {
    if path.is_empty() { Some(Cow::Borrowed(folder)) } else { target(folder, path).map(Cow::Owned) }
}

/// Where a relative link in a document of `folder` leads; `None` for a link that is not relative to a folder.
#[must_use]
pub fn target(folder: &Path, link: &str) -> Option<PathBuf> {
    let path = &link[..link.find(['?', '#']).unwrap_or(link.len())];
    if path.starts_with('/') || path.split('/').next().is_some_and(|start| start.contains(':')) {
        return None;
    }
    let mut target = folder.to_owned();
    for segment in path.split('/') {
        let segment: Vec<u8> = percent_decode_str(segment).collect();
        match segment.as_slice() {
            b"" | b"." => {}
            b".." => {
                target.pop();
            }
            name => target.push(OsStr::from_bytes(name)),
        }
    }
    Some(target)
}

/// The way from folder `from` to `to`, both absolute and without `..`.
#[must_use]
pub fn relative(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn a_relative_link_leads_from_the_document_to_the_blob() {
        let blob = BlobName { digest: Digest::of(b"x"), media_type: MediaType::Png };
        for (folder, images, expected) in [
            ("/blog", "/blog/cache/images", "cache/images/"),
            ("/blog/posts/2022", "/blog/cache/images", "../../cache/images/"),
            ("/blog", "/var/my images (1)/图", "../var/my%20images%20%281%29/%E5%9B%BE/"),
            ("/a/images", "/a/images", ""),
        ] {
            let link = LinkStyle::Relative.link(Path::new(folder), Path::new(images), blob, "x.png#a");
            assert_eq!(link, format!("{expected}{blob}"), "from {folder} to {images}");
            assert_eq!(BlobName::from_link(&link), Some(blob));
            let target = target(Path::new(folder), &link);
            assert_eq!(target, Some(Path::new(images).join(blob.to_string())));
        }
    }

    #[test]
    fn the_part_of_an_svg_that_is_shown_stays() {
        let blob = BlobName { digest: Digest::of(b"x"), media_type: MediaType::Svg };
        let style = LinkStyle::Prefix("/i/".into());
        let link = |stood| style.link(Path::new("/"), Path::new("/"), blob, stood);
        assert_eq!(link("http://h/m.svg"), format!("/i/{blob}"));
        assert_eq!(link("https://p/?http://h/m.svg#a"), format!("/i/{blob}#a"));
        assert_eq!(BlobName::from_link(&link("http://h/m.svg#a")), Some(blob));
    }

    #[test]
    fn a_prefix_ends_in_one_slash() {
        assert_eq!("/images".parse(), Ok(LinkStyle::Prefix("/images/".into())));
        assert_eq!("http://h:7420/images/".parse(), Ok(LinkStyle::Prefix("http://h:7420/images/".into())));
        assert_eq!("relative".parse(), Ok(LinkStyle::Relative));
        assert!("".parse::<LinkStyle>().is_err());
        assert!("relativ".parse::<LinkStyle>().is_err());
        assert!("/my images/".parse::<LinkStyle>().is_err());
    }
}
