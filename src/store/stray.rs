//! Blobs that are not where they belong: in another folder, under another extension, in the trash.

use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::blob::BlobName;
use crate::digest::Digest;
use crate::files;
use crate::files::folder;
use crate::store::{Error, Store};

impl Store {
    /// Files of `images` and of the trash that have a digest in their name, wherever they are.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn strays(&self) -> Result<Vec<(Digest, PathBuf)>, Error> {
        let mut strays = Vec::new();
        for root in [self.images(), self.root.join("trash")] {
            let shards = match files::names(&root) {
                Err(error) if error.is_not_found() => continue,
                names => names?.into_iter().map(|name| root.join(name)),
            };
            for shard in shards.filter(|shard| shard.is_dir()) {
                let found = files::names(&shard)?.into_iter().map(|name| shard.join(name));
                strays.extend(found.filter_map(|path| Some((digest_in_name(&path)?, path))));
            }
        }
        Ok(strays)
    }

    /// Puts the first of `strays` that has the bytes of `blob` where it belongs, durably. Returns where it was.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn recover(&self, blob: BlobName, strays: &[PathBuf]) -> Result<Option<PathBuf>, Error> {
        let place = self.path(blob);
        let has_bytes = |path: &&PathBuf| {
            **path != place && files::digest(path).is_ok_and(|(digest, _)| digest == blob.digest)
        };
        let Some(stray) = strays.iter().find(has_bytes) else { return Ok(None) };
        let folders = [&place, stray].map(|path| path.parent().unwrap_or(Path::new("/")).to_owned());
        folder::create_all(&folders[0])?;
        self.folder.sync_files(std::slice::from_ref(stray))?;
        files::rename(stray, &place)?;
        self.folder.sync_files(&folders)?;
        Ok(Some(stray.clone()))
    }

    /// Makes room for the file of a blob where a folder stands in its place: it goes into the trash of `day`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn clear_place(&self, blob: BlobName, day: Date) -> Result<(), Error> {
        let place = self.path(blob);
        if place.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            self.discard(&[place], day)?;
        }
        Ok(())
    }
}

fn digest_in_name(path: &Path) -> Option<Digest> {
    path.file_name()?.to_str()?.split('.').next()?.parse().ok()
}
