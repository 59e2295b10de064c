//! What Linux tells of changes in folders (inotify(7)).
//!
//! Each folder is watched by itself, and only those that the walk enters: a store or a `.git` below the documents costs
//! nothing. Opening and reading is not told of, so that our own reading makes no noise. One thread waits for the kernel
//! as long as the program lives.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Hint;

/// What is read at a time; a change takes up to 272 bytes.
const BUFFER: usize = 64 << 10;

/// Batches that wait to be looked at; the others wait in the kernel, which says when there are too many.
const BATCHES: usize = 64;

/// One queue of changes.
#[derive(Debug)]
pub(super) struct Inotify {
    queue: OwnedFd,
    folders: Mutex<HashMap<i32, Arc<Path>>>,
}

impl Inotify {
    /// A queue, and where its hints come.
    ///
    /// # Errors
    /// `EMFILE` if the user has too many of them.
    pub(super) fn start() -> io::Result<(Arc<Self>, Receiver<Vec<Hint>>)> {
        let queue = inotify::init(CreateFlags::CLOEXEC)?;
        let inotify = Arc::new(Self { queue, folders: Mutex::default() });
        let (sender, hints) = channel(BATCHES);
        let reading = Arc::clone(&inotify);
        thread::Builder::new().name("inotify".to_owned()).spawn(move || reading.read(&sender))?;
        Ok((inotify, hints))
    }

    /// Hears of changes directly in `folder` from now on.
    ///
    /// # Errors
    /// `ENOSPC` if the user watches too many folders.
    pub(super) fn watch(&self, folder: &Path) -> Result<(), Errno> {
        let told = WatchFlags::CREATE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        // Held meanwhile: a change may be read before the folder has its name here.
        let mut folders = self.folders();
        let watch = inotify::add_watch(&self.queue, folder, told)?;
        folders.insert(watch, Arc::from(folder));
        Ok(())
    }

    /// Hears no more of `folder` and what lies below it.
    pub(super) fn forget(&self, folder: &Path) {
        self.folders().retain(|watch, watched| {
            let goes = watched.starts_with(folder);
            if goes {
                // What is gone is not watched any more.
                let _ = inotify::remove_watch(&self.queue, *watch);
            }
            !goes
        });
    }

    /// How many folders are watched.
    pub(super) fn len(&self) -> usize {
        self.folders().len()
    }

    /// Hands on what the kernel tells, until nobody listens.
    fn read(&self, hints: &Sender<Vec<Hint>>) {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut reader = Reader::new(&self.queue, &mut buffer);
        let mut batch = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    batch.extend(self.hint(event.wd(), event.events(), name));
                }
                Err(Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "changes are not told any more");
                    return;
                }
            }
            if reader.is_buffer_empty()
                && !batch.is_empty()
                && hints.blocking_send(mem::take(&mut batch)).is_err()
            {
                return;
            }
        }
    }

    fn hint(&self, watch: i32, events: ReadFlags, name: Option<&OsStr>) -> Option<Hint> {
        if events.contains(ReadFlags::QUEUE_OVERFLOW) {
            return Some(Hint::Overflow);
        }
        if events.contains(ReadFlags::IGNORED) {
            self.folders().remove(&watch);
            return None;
        }
        let folder = self.folders().get(&watch).cloned()?;
        let Some(name) = name else {
            let gone = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT;
            return events.intersects(gone).then(|| Hint::Gone(folder.to_path_buf()));
        };
        if name == ".gitignore" {
            return Some(Hint::Changed(folder.to_path_buf()));
        }
        if name.as_bytes().starts_with(b".") {
            return None;
        }
        let path: PathBuf = folder.join(name);
        match (events.contains(ReadFlags::ISDIR), events.contains(ReadFlags::MOVED_FROM)) {
            (true, true) => {
                self.forget(&path);
                None
            }
            (true, false) if events.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) => {
                Some(Hint::Appeared(path))
            }
            (true, false) => None,
            (false, true) => None,
            (false, false) if events.contains(ReadFlags::DELETE) => None,
            (false, false) => Some(Hint::Changed(path)),
        }
    }

    fn folders(&self) -> MutexGuard<'_, HashMap<i32, Arc<Path>>> {
        self.folders.lock().expect("no holder of the folders panics")
    }
}
