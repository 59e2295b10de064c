//! Changes how kept links are written, in place; asks nobody and keeps the way back.

use crate::crawl::Entry;
use crate::digest::Digest;
use crate::document::splice::{Edit, Patch};
use crate::files::replace::Mtime;
use crate::ops::change::{self, Change, Plan, Planning, Report};
use crate::ops::{Archive, BASE_ELSEWHERE, Reader};
use crate::rewrite::link::LinkStyle;

/// Writes every kept link of `entries` in `style`. What fails is in the report.
pub fn relink(
    reader: &Reader,
    archive: &Archive,
    entries: &[Entry],
    style: &LinkStyle,
    options: &change::Options,
) -> Report {
    change::change(reader, archive, "relink", entries, options, &|planning| {
        Ok(plan(archive, planning, style, options.replace.mtime))
    })
}

fn plan(archive: &Archive, planning: &Planning<'_>, style: &LinkStyle, mtime: Mtime) -> Plan {
    let resolved = &planning.document.resolved;
    let Some(folder) = style.folder(&planning.entry.folder, &resolved.base) else {
        return Plan::Refused(BASE_ELSEWHERE.to_owned());
    };
    let bytes = &planning.document.bytes;
    let images = archive.store.images();
    let edits = resolved.kept.iter().filter_map(|link| {
        let url = style.link(&folder, &images, link.blob, &link.url);
        let edit = Edit::of_url(bytes, link.span, link.escapes, &url);
        (bytes[link.span.range()] != edit.text).then_some(edit)
    });
    let patch =
        Patch::new(Digest::of(bytes), edits.collect()).expect("kept links of one document are disjoint");
    let rewrite = Some(change::record(planning, &patch, &planning.kept.standing));
    Plan::Change(Change { patch, mtime, rewrite, pointed_at: Vec::new(), unknown: 0 })
}
