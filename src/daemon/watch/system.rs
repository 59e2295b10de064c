//! Which file systems do not tell of every change.

use std::path::Path;

use rustix::fs::statfs;

/// Those that other machines, or programs behind the kernel's back, may change unseen (statfs(2)).
const SILENT: [(i64, &str); 10] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x6573_5546, "a FUSE file system"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x7375_7245, "Coda"),
    (0x786f_4256, "a VirtualBox shared folder"),
];

/// What the file system of `folder` is called, if it is one of those.
pub(super) fn silent(folder: &Path) -> Option<&'static str> {
    // The field is of another width elsewhere, and the numbers have no sign.
    let kind = i64::from(statfs(folder).ok()?.f_type as u32);
    SILENT.iter().find(|(silent, _)| *silent == kind).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_systems_of_this_machine_tell_of_changes() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(silent(folder.path()), None);
        assert_eq!(silent(Path::new("/proc")), None);
        assert_eq!(silent(Path::new("/nowhere")), None);
    }
}
