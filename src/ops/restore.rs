//! Gives kept links their first text back.
//!
//! A document that nobody edited since becomes what it was, byte for byte. In one that was edited, every
//! kept link that is still there goes back, and everything else stays.

use anyhow::Result;

use crate::crawl::Entry;
use crate::digest::Digest;
use crate::document::escape::Escapes;
use crate::files::replace::Mtime;
use crate::files::stat;
use crate::ops::change::{self, Change, Plan, Planning, Report};
use crate::ops::{Archive, Reader};
use crate::rewrite::{self, Original, Standing};

/// Which kept links go back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only links to one of these images.
    pub images: Option<Vec<Digest>>,
    /// Only links that this run wrote.
    pub run: Option<String>,
}

impl Selection {
    fn takes(&self, link: &Standing) -> bool {
        let image = self.images.as_ref().is_none_or(|images| images.contains(&link.blob.digest));
        let run =
            self.run.as_ref().is_none_or(|run| link.original.as_ref().is_some_and(|link| link.run == *run));
        image && run
    }
}

/// Restores the documents among `entries` that hold kept links. What fails is in the report.
pub fn restore(
    reader: &Reader,
    archive: &Archive,
    entries: &[Entry],
    selection: &Selection,
    options: &change::Options,
) -> Report {
    change::change(reader, archive, "restore", entries, options, &|planning| {
        plan(archive, planning, selection, options.replace.mtime)
    })
}

fn plan(archive: &Archive, planning: &Planning<'_>, selection: &Selection, mut mtime: Mtime) -> Result<Plan> {
    let bytes = &planning.document.bytes;
    let mut unknown = 0;
    let mut going = Vec::new();
    let mut staying = Vec::new();
    for link in &planning.kept.standing {
        if !selection.takes(link) {
            staying.push(link.clone());
            continue;
        }
        match link
            .original
            .clone()
            .map_or_else(|| from_catalog(archive, planning, link), |found| Ok(Some(found)))?
        {
            Some(original) => going.push(Standing { original: Some(original), ..link.clone() }),
            None => unknown += 1,
        }
    }
    let patch = rewrite::undo(bytes, &going);
    let exact = planning.kept.exact.as_ref().filter(|_| staying.is_empty() && unknown == 0);
    if let Some(record) = exact {
        mtime = Mtime::Set(stat::time(record.mtime));
        let known = going.len() == record.links.len();
        if known && Digest::of(&patch.apply(bytes)) != record.before {
            return Ok(Plan::Refused("its record does not lead back to what it was".to_owned()));
        }
    }
    let rewrite = (!staying.is_empty()).then(|| change::record(planning, &patch, &staying));
    Ok(Plan::Change(Change { patch, mtime, rewrite, pointed_at: Vec::new(), unknown }))
}

/// A link that no record of its document knows: the image's own URL is the best there is.
fn from_catalog(archive: &Archive, planning: &Planning<'_>, link: &Standing) -> Result<Option<Original>> {
    let Some(origin) = archive.catalog.origins_of(link.blob.digest)?.into_iter().next() else {
        return Ok(None);
    };
    let place = planning.document.resolved.kept.iter().find(|kept| kept.span == link.span);
    let escapes = place.map_or(Escapes::default(), |kept| kept.escapes);
    Ok(Some(Original { bytes: escapes.encode(&origin), run: String::new() }))
}
