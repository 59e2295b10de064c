//! File systems in files, mounted where a test works.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileSystem {
    Ext4,
    Xfs,
}

impl FileSystem {
    /// The smallest that is made without a warning.
    fn bytes(self) -> u64 {
        match self {
            Self::Ext4 => 64 << 20,
            Self::Xfs => 300 << 20,
        }
    }

    fn make(self, image: &Path) {
        File::create(image).and_then(|file| file.set_len(self.bytes())).expect("there is room");
        let made = match self {
            // With times that are finer than a second.
            Self::Ext4 => run("mkfs.ext4", &["-q", "-F", "-I", "256"], &[image]),
            Self::Xfs => run("mkfs.xfs", &["-q"], &[image]),
        };
        made.expect("it was tried");
    }

    /// Nothing is written by the system's own leave: not every few seconds, and not because a file is renamed over another.
    fn options(self) -> &'static str {
        match self {
            Self::Ext4 => "loop,noatime,commit=600,noauto_da_alloc",
            Self::Xfs => "loop,noatime",
        }
    }
}

/// Whether file systems can be made, mounted and cut off here; says why not.
pub(super) fn can_cut(system: FileSystem) -> bool {
    let try_it = || -> Result<(), String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (image, point) = (folder.path().join("image"), folder.path().join("mounted"));
        fs::create_dir(&point).map_err(|error| error.to_string())?;
        run("xfs_io", &["-V"], &[])?;
        run(if system == FileSystem::Xfs { "mkfs.xfs" } else { "mkfs.ext4" }, &["-V"], &[])?;
        system.make(&image);
        Mount::try_new(&image, &point, system)?.unmount();
        Ok(())
    };
    said(system, &try_it())
}

pub(super) fn said(what: impl std::fmt::Debug, tried: &Result<(), String>) -> bool {
    if let Err(why) = tried {
        println!("not tried: {what:?} cannot be had here (root and loop devices are needed): {why}");
    }
    tried.is_ok()
}

pub(super) fn run(program: &str, words: &[&str], paths: &[&Path]) -> Result<(), String> {
    let output = Command::new(program).args(words).args(paths).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// A file system in a file.
pub(super) struct Disk {
    pub(super) system: FileSystem,
    pub(super) image: PathBuf,
}

impl Disk {
    /// A new file system at `image` with a copy of all that `fill` writes in it.
    pub(super) fn new(system: FileSystem, image: &Path, fill: impl FnOnce(&Path)) -> Self {
        let disk = Self { system, image: image.to_owned() };
        system.make(image);
        let point = image.with_extension("filled");
        fs::create_dir(&point).expect("it is new");
        let mount = disk.mount(&point);
        fill(&point);
        mount.unmount();
        fs::remove_dir(&point).expect("nothing is mounted there any more");
        disk
    }

    /// The same disk once more.
    pub(super) fn copy(&self, image: &Path) -> Self {
        run("cp", &["--sparse=always"], &[&self.image, image]).expect("there is room");
        Self { system: self.system, image: image.to_owned() }
    }

    /// Mounts it; a log that was not written out is taken up, as after a power cut.
    pub(super) fn mount(&self, point: &Path) -> Mount {
        Mount::try_new(&self.image, point, self.system).expect("it was tried")
    }
}

/// A mounted file system, unmounted when dropped.
pub(super) struct Mount {
    point: PathBuf,
}

impl Mount {
    pub(super) fn try_new(image: &Path, point: &Path, system: FileSystem) -> Result<Self, String> {
        run("mount", &["-o", system.options()], &[image, point])?;
        Ok(Self { point: point.to_owned() })
    }

    /// What is not on the disk now never comes there: `shutdown` without `-f` does not even write the log.
    pub(super) fn cut(&self) {
        run("xfs_io", &["-x", "-c", "shutdown"], &[&self.point]).expect("it was tried");
    }

    pub(super) fn unmount(self) {
        drop(self);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A process that was killed may still have files open.
        for _ in 0..500 {
            if run("umount", &[], &[&self.point]).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let detached = run("umount", &["-l"], &[&self.point]);
        assert!(thread::panicking(), "{} is still used: {detached:?}", self.point.display());
    }
}
