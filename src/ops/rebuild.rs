//! A catalog that is not what the store's journal says is made so again, when it is opened or when somebody asks for it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::blob::BlobName;
use crate::catalog::journal::{self, file::Spoiled};
use crate::catalog::rebuild::Rebuilt;
use crate::catalog::trust::Lack;
use crate::catalog::{self, Catalog, Run};
use crate::media::MediaType;
use crate::ops::Archive;
use crate::store::Store;

/// Opens the catalog of `store`, and sees to it that it holds what the journal holds. One that is damaged is set aside.
///
/// # Errors
/// When it cannot be used, or the journal not be read.
pub(super) fn open(store: &Arc<Store>, url: &str) -> Result<Archive> {
    let (archive, lack) = match attempt(store, url)? {
        Opened::Whole(archive, lack) => (archive, lack),
        Opened::Damaged(_) => {
            // Of two processes that find it so, one makes it again.
            let _gate = store.gate()?;
            match attempt(store, url)? {
                Opened::Whole(archive, lack) => (archive, lack),
                Opened::Damaged(why) => {
                    let aside = Catalog::set_aside(url)?;
                    tracing::warn!(
                        "the catalog is damaged ({why}): it is made again from the journal; the old one is `{}`",
                        aside.display()
                    );
                    (connect(store, url)?, Lack::All)
                }
            }
        }
    };
    catch_up(&archive, lack)?;
    Ok(archive)
}

enum Opened {
    Whole(Archive, Lack),
    /// It can be made again; and what is wrong with it.
    Damaged(String),
}

fn attempt(store: &Arc<Store>, url: &str) -> Result<Opened> {
    let look = || -> Result<Opened> {
        let archive = connect(store, url)?;
        let lack = archive.catalog.lack()?;
        // It was copied, perhaps while it was written to.
        let flaw = if lack == Lack::Unknown { archive.catalog.flaw()? } else { None };
        Ok(match flaw {
            None => Opened::Whole(archive, lack),
            Some(why) => Opened::Damaged(why),
        })
    };
    match look() {
        Ok(opened) => Ok(opened),
        Err(error) => match error.downcast_ref() {
            Some(catalog::Error::Damaged { what, is_beyond_use: true, .. }) if has_journal(store)? => {
                Ok(Opened::Damaged(what.clone()))
            }
            _ => Err(error),
        },
    }
}

fn connect(store: &Arc<Store>, url: &str) -> Result<Archive> {
    let catalog = Catalog::open(url, &store.root().join("journal"))
        .with_context(|| format!("cannot open the catalog `{url}`"))?;
    Ok(Archive { store: Arc::clone(store), catalog: Arc::new(catalog) })
}

fn has_journal(store: &Store) -> Result<bool> {
    Ok(!journal::names(&store.root().join("journal"))?.is_empty())
}

/// Records what the catalog lacks.
fn catch_up(archive: &Archive, lack: Lack) -> Result<()> {
    let is_new = lack == Lack::All;
    let only = match lack {
        Lack::Nothing => return Ok(()),
        Lack::Rest(names) => Some(names),
        Lack::All | Lack::Unknown => None,
    };
    let read = rebuild(archive, only.as_ref(), is_new)?;
    archive.catalog.be_here()?;
    tracing::info!(lines = read.lines, "the catalog lacked a part of the journal, and has it now");
    Ok(())
}

fn rebuild(archive: &Archive, only: Option<&HashSet<String>>, is_new: bool) -> Result<Rebuilt> {
    let is_stored = |digest| {
        MediaType::ALL.into_iter().any(|media_type| archive.store.contains(BlobName { digest, media_type }))
    };
    let read = archive.catalog.rebuild(only, is_new, is_stored)?;
    for Spoiled { path, offset, why, .. } in &read.spoiled {
        tracing::warn!(path = %path.display(), offset, why, "a part of the journal is spoiled, and passed over");
    }
    Ok(read)
}

/// Makes the catalog again from the store's journal: origins, copies and every document's way back. The old one is set
/// aside, once what it has and the journal lacks is written down; where it cannot be, what of the journal cannot be read is
/// [lost](Catalog::lost).
///
/// # Errors
/// When the journal or the store cannot be read, or the catalog not be written.
pub fn anew(store: &Path, url: &str) -> Result<(Archive, Rebuilt)> {
    let store =
        Arc::new(Store::open(store).with_context(|| format!("cannot open the store `{}`", store.display()))?);
    let _gate = store.gate()?;
    let written = connect(&store, url).and_then(|archive| write_down(&archive));
    match written {
        Ok(()) => {}
        Err(error) if is_of_catalog(&error) => {
            tracing::warn!("nothing is taken from the old catalog: {error:#}");
        }
        Err(error) => return Err(error),
    }
    Catalog::set_aside(url)?;
    let archive = connect(&store, url)?;
    let read = rebuild(&archive, None, true)?;
    archive.catalog.be_here()?;
    Ok((archive, read))
}

/// Writes down what only the catalog has.
fn write_down(archive: &Archive) -> Result<()> {
    if let Some(what) = archive.catalog.flaw()? {
        return Err(archive.catalog.damaged(what).into());
    }
    let had_all = archive.catalog.lack()? == Lack::Nothing;
    let mut unwritten = archive.catalog.unwritten()?;
    if !had_all {
        // It may never have had what cannot be read.
        unwritten.spoiled.clear();
    }
    Ok(archive.catalog.write_down(&Run::start("verify"), &unwritten)?)
}

/// Whether it is the catalog that cannot be used, and not the disk.
fn is_of_catalog(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(
            catalog::Error::Damaged { .. } | catalog::Error::Version { .. } | catalog::Error::Outdated { .. }
        )
    )
}
