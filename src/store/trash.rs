//! What was removed, for a while.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::civil::Date;

use crate::files;
use crate::files::folder;
use crate::files::stat::Stat;
use crate::store::{Error, Store};

/// What is in the trash of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// The day.
    pub day: Date,
    /// When something was last put there.
    pub changed: SystemTime,
    /// How many blobs.
    pub files: u64,
    /// Their length.
    pub bytes: u64,
}

impl Store {
    /// Moves files of the store into its trash, under the name of `day`; what is not there is passed over. The
    /// thumbnails of a blob go with it, for good.
    ///
    /// # Errors
    /// When the disk refuses; the others are where they were.
    pub fn discard(&self, paths: &[PathBuf], day: Date) -> Result<(), Error> {
        if paths.is_empty() {
            return Ok(());
        }
        let trash = self.root.join("trash").join(day.to_string());
        folder::create_all(&trash)?;
        let mut shards = BTreeSet::new();
        for path in paths {
            let name = path.file_name().unwrap_or_default();
            match files::rename(path, &trash.join(name)) {
                Ok(()) => {}
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error.into()),
            }
            shards.extend(path.parent().map(Path::to_owned));
            self.remove_thumbnails(name);
        }
        let folders: Vec<PathBuf> = shards.into_iter().chain([trash]).collect();
        Ok(self.folder.sync_files(&folders)?)
    }

    /// Of the blob whose file has this name, in whatever sizes there are. What stays does no harm.
    fn remove_thumbnails(&self, file: &OsStr) {
        let Some((name, _)) = file.to_str().and_then(|name| name.split_once('.')) else { return };
        let Some(shard) = name.get(..2) else { return };
        let folder = self.root.join("thumbnails").join(shard);
        let is_of_blob = |other: &OsString| {
            other
                .to_str()
                .and_then(|other| other.strip_prefix(name))
                .is_some_and(|rest| rest.starts_with('-'))
        };
        for thumbnail in files::names(&folder).unwrap_or_default().into_iter().filter(is_of_blob) {
            if let Err(error) = files::remove(&folder.join(thumbnail)) {
                tracing::debug!(%error, "a thumbnail stays");
            }
        }
    }

    /// The days on which something was discarded that is still in the trash, with what there is.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn trash(&self) -> Result<Vec<Discarded>, Error> {
        let trash = self.root.join("trash");
        let names = match files::names(&trash) {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            names => names?,
        };
        let mut days = Vec::new();
        for name in names {
            // Others' files are none of ours.
            let Some(day) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            let folder = trash.join(name);
            let changed = Stat::of(&folder)?.mtime();
            let mut discarded = Discarded { day, changed, files: 0, bytes: 0 };
            for name in files::names(&folder)? {
                discarded.files += 1;
                discarded.bytes += Stat::find(&folder.join(name))?.map_or(0, |stat| stat.size);
            }
            days.push(discarded);
        }
        Ok(days)
    }

    /// Removes for good what was discarded on that day.
    ///
    /// # Errors
    /// What the disk says.
    pub fn empty_trash(&self, day: Date) -> Result<(), Error> {
        Ok(files::remove_tree(&self.root.join("trash").join(day.to_string()))?)
    }
}
