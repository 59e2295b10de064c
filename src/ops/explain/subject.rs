//! The image that somebody means who asks for an explanation.

use anyhow::Result;

use crate::blob::BlobName;
use crate::digest::Digest;
use crate::ops::{Archive, Reader};
use crate::origin::proxy::Unwrapped;

/// Nothing is known by such a name; the words are for whoever gave it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unknown(String);

/// The image at a URL, proxied or not, of a link to a kept copy, or of the copy's digest.
///
/// # Errors
/// [`Unknown`], or when the catalog fails.
pub fn subject(reader: &Reader, archive: Option<&Archive>, image: &str) -> Result<Unwrapped> {
    let families = &reader.resolver.families;
    let digest = image.parse::<Digest>().ok().or_else(|| BlobName::from_link(image).map(|blob| blob.digest));
    if let (Some(digest), Some(archive)) = (digest, archive)
        && let Some(origin) = archive.catalog.origins_of(digest)?.first()
    {
        return Ok(families.unwrap(origin)?);
    }
    let found = match (digest, archive) {
        (Some(digest), Some(archive)) => {
            archive.catalog.placeholders()?.iter().any(|one| one.digest == digest)
        }
        _ => false,
    };
    families.unwrap(image).map_err(|error| {
        Unknown(match digest {
            Some(digest) if found => {
                format!("`{digest}` was taken for a placeholder: `imgkeep status --placeholders` says more")
            }
            Some(digest) => format!("nothing is kept of the digest `{digest}`"),
            None => format!("`{image}` names no image: {error}"),
        })
        .into()
    })
}
