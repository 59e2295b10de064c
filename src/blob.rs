//! What a kept image is called, in the store, in a URL and in a document: `<ab>/<digest>.<ext>`.
//!
//! The one place that knows the layout. Everything that names a blob goes through here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::media::MediaType;

/// A blob's digest and media type; together they are its file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlobName {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// Told from the bytes; gives the extension.
    pub media_type: MediaType,
}

impl BlobName {
    /// Reads the last two segments of a URL or path; whatever stands before them is the link's prefix.
    /// A query or fragment may follow. `None` for anything that is not the name of a blob.
    #[must_use]
    pub fn from_link(link: &str) -> Option<Self> {
        let path = &link[..memchr::memchr2(b'?', b'#', link.as_bytes()).unwrap_or(link.len())];
        // A prefix may be a query itself, such as `/show.php?image=`.
        Self::from_path(link).or_else(|| (path.len() < link.len()).then(|| Self::from_path(path))?)
    }

    /// Whether `text` is this name as [`Display`](fmt::Display) writes it, and nothing more. `text` names this blob.
    #[must_use]
    pub fn is_written(&self, text: &str) -> bool {
        let extension = self.media_type.extension();
        text.len() == "ab/".len() + Digest::HEX + ".".len() + extension.len() && text.ends_with(extension)
    }

    fn from_path(path: &str) -> Option<Self> {
        let slash = memchr::memrchr(b'/', path.as_bytes())?;
        let (folder, file) = (&path[..slash], &path[slash + 1..]);
        // Most links end here.
        if file.as_bytes().get(Digest::HEX) != Some(&b'.') {
            return None;
        }
        let (digest, extension) = file.split_once('.')?;
        let shard = folder.rsplit(['/', '=']).next().unwrap_or(folder);
        if digest.get(..2) != Some(shard) {
            return None;
        }
        Some(Self { digest: digest.parse().ok()?, media_type: MediaType::from_extension(extension)? })
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = self.digest.to_string();
        write!(f, "{}/{digest}.{}", &digest[..2], self.media_type.extension())
    }
}

impl Serialize for BlobName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BlobName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_link(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no blob's name")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_from_any_link_to_it() {
        let name = BlobName { digest: Digest::of(b"x"), media_type: MediaType::Png };
        for link in [
            name.to_string(),
            format!("../../cache/images/{name}"),
            format!("/images/{name}?v=1#top"),
            format!("http://127.0.0.1:7420/images/{name}"),
        ] {
            assert_eq!(BlobName::from_link(&link), Some(name), "{link}");
        }
    }

    #[test]
    fn nothing_else_is_a_name() {
        let name = BlobName { digest: Digest::of(b"x"), media_type: MediaType::Png }.to_string();
        for link in [
            "",
            "a/b.png",
            &name[3..],
            &name.to_uppercase(),
            &name.replace(".png", ".exe"),
            &format!("zz{}", &name[2..]),
            &name.replace('/', "/../"),
            &format!("{name}.png"),
        ] {
            assert_eq!(BlobName::from_link(link), None, "{link}");
        }
    }
}
