//! The log of all writes and flushes below a file system, as `blklogwrites` of QEMU and dm-log-writes of the kernel
//! write it (Documentation/admin-guide/device-mapper/log-writes.rst).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;

/// One request to the disk.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where it goes on the disk, and how long it is, in bytes.
    to: u64,
    length: u64,
    flags: u64,
    /// Where its bytes are in the log.
    from: u64,
}

impl Entry {
    /// Everything that came before is on the disk.
    pub(super) fn is_flush(&self) -> bool {
        self.flags & FLUSH != 0
    }

    /// Where it ends in the log: whoever sees a log of this length or more knows that it was made.
    pub(super) fn end(&self) -> u64 {
        self.from + self.length
    }
}

pub(super) struct WriteLog {
    file: File,
    pub(super) entries: Vec<Entry>,
}

impl WriteLog {
    pub(super) fn open(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        let number = |at: u64| {
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, at).unwrap();
            u64::from_le_bytes(bytes)
        };
        assert_eq!(number(0), MAGIC, "{} is no log of writes", path.display());
        let (count, sector) = (number(16), number(24) & 0xffff_ffff);
        let mut entries = Vec::new();
        let mut at = sector;
        for _ in 0..count {
            let [to, length, flags] = [0, 8, 16].map(|field| number(at + field));
            // Discarded bytes are not in the log.
            let is_there = flags & DISCARD == 0;
            let length = if is_there { length * sector } else { 0 };
            entries.push(Entry { to: to * sector, length, flags, from: at + sector });
            at += sector + length;
        }
        Self { file, entries }
    }

    /// Makes one request once more, on a copy of the disk.
    pub(super) fn replay(&self, entry: &Entry, disk: &File) {
        let mut bytes = vec![0; usize::try_from(entry.length).unwrap()];
        self.file.read_exact_at(&mut bytes, entry.from).unwrap();
        disk.write_all_at(&bytes, entry.to).unwrap();
    }
}

/// A program that gives out a disk as a file, and logs what is written to it.
pub(super) struct Logger {
    child: Child,
}

impl Logger {
    /// The disk `image` is to be had at `exported`, which is made.
    pub(super) fn start(image: &Path, log: &Path, exported: &Path) -> Result<Self, String> {
        File::create(log).and_then(|_| File::create(exported)).map_err(|error| error.to_string())?;
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let child = Command::new("qemu-storage-daemon")
            .arg("--blockdev")
            .arg(format!("driver=file,node-name=disk,filename={}", text(image)))
            .arg("--blockdev")
            .arg(format!("driver=file,node-name=log,filename={}", text(log)))
            .args(["--blockdev", "driver=blklogwrites,node-name=logged,file=disk,log=log"])
            .arg("--export")
            .arg(format!("type=fuse,id=export,node-name=logged,mountpoint={},writable=on", text(exported)))
            .spawn();
        let mut logger = Self { child: child.map_err(|error| format!("qemu-storage-daemon: {error}"))? };
        let start = Instant::now();
        let bytes = image.metadata().map_err(|error| error.to_string())?.len();
        while exported.metadata().map_or(0, |found| found.len()) != bytes {
            if logger.child.try_wait().is_ok_and(|status| status.is_some()) {
                return Err("qemu-storage-daemon ended at once".to_owned());
            }
            assert!(start.elapsed() < Duration::from_secs(60), "it does not give out the disk");
            thread::sleep(Duration::from_millis(10));
        }
        Ok(logger)
    }

    /// Ends it, the log written.
    pub(super) fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
