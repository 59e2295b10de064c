//! Sees when the program is at work in a folder: at that moment other hands do the most harm.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

/// Waits for a new document to be written beside an old one. Its thread ends with the folders.
pub(super) struct Spotter(Arc<(Mutex<u64>, Condvar)>);

impl Spotter {
    pub(super) fn start(folders: &[PathBuf]) -> Self {
        Self::of(folders, WatchFlags::CREATE, |name| name.starts_with(b".imgkeep-new-"))
    }

    /// One that waits for a document to be read.
    pub(super) fn of_reading(folders: &[PathBuf]) -> Self {
        Self::of(folders, WatchFlags::OPEN, |name| name.ends_with(b".md"))
    }

    fn of(folders: &[PathBuf], what: WatchFlags, is_it: fn(&[u8]) -> bool) -> Self {
        let queue = inotify::init(CreateFlags::CLOEXEC).expect("the user may have one more");
        for folder in folders {
            inotify::add_watch(&queue, folder, what).expect("the folder is there");
        }
        let seen: Arc<(Mutex<u64>, Condvar)> = Arc::default();
        let (telling, watched) = (Arc::clone(&seen), folders.len());
        thread::spawn(move || listen(&queue, watched, is_it, &telling));
        Self(seen)
    }

    /// Until it is seen again, at the most so long; whether it was.
    pub(super) fn wait(&self, most: Duration) -> bool {
        let (count, told) = &*self.0;
        let before = count.lock().unwrap();
        let seen = *before;
        let (count, _) = told.wait_timeout_while(before, most, |now| *now == seen).unwrap();
        *count != seen
    }
}

fn listen(queue: &OwnedFd, mut watched: usize, is_it: fn(&[u8]) -> bool, seen: &(Mutex<u64>, Condvar)) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(queue, &mut buffer);
    while watched > 0 {
        let event = reader.next().expect("the queue is open");
        if event.events().contains(inotify::ReadFlags::IGNORED) {
            watched -= 1;
        } else if event.file_name().is_some_and(|name| is_it(name.to_bytes())) {
            *seen.0.lock().unwrap() += 1;
            seen.1.notify_all();
        }
    }
}
