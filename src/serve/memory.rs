//! Blobs that need not be looked for: the bytes of small ones, and larger ones open.
//!
//! A file is read as a whole before its first byte is sent, and again when it is another one or was written to: what does not
//! have the digest in its name is not served.
//!
//! A blob never changes, but it may be removed, and one that is damaged may be replaced. So what is held is believed for
//! [`LOOK_AGAIN`], and then its file is looked at again: removed blobs are served for so long at most. A file that
//! nobody asks for is closed after [`IDLE`], so that removed ones take no room on the disk.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use hyper::body::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle, GuardResult};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::blob::BlobName;
use crate::files::{self, stat::Stat};
use crate::serve::precondition::Validators;
use crate::serve::{body, image};
use crate::store::{self, Store};

/// How long a blob is believed to be there, in milliseconds.
const LOOK_AGAIN: u64 = 5_000;
/// How long a file may stay open that nobody asks for, in milliseconds.
const IDLE: u64 = 30_000;
/// Between two looks at what is asked for: short enough that it is always believed to be there.
const PAUSE: Duration = Duration::from_secs(2);
/// The largest blob whose bytes are held; they are sent with the head in one piece. Measured was 20 KB, in two runs beside
/// nginx on a busy machine: 24,658 requests in a second of CPU time by `sendfile` (nginx 24,364), and 15,590 by
/// copying from here (nginx 29,411). Below 20 KB nothing was measured, so where the two are equal is not known.
const SMALL: u64 = 8 * 1024;
/// Of so many blobs it is remembered that they were read as a whole: what is not remembered is read again.
const CHECKED: usize = 16 * 1024;
/// What a blob takes besides its bytes, about: its head, its name twice, and what the allocator adds.
const OVERHEAD: u64 = 3 * 1024;
/// A typical small blob, with its overhead. How many there are is only a guess by which tables are made.
const TYPICAL: u64 = 8 * 1024;

/// A blob that is at hand.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) content: Content,
    pub(super) size: u64,
    pub(super) validators: Validators,
    /// Of an answer with all of it.
    pub(super) head: HeaderMap,
    file: Identity,
    /// When it was last seen in the store: milliseconds after the start of the memory.
    seen: AtomicU64,
    /// Whether it was asked for since it was last looked for.
    is_asked: AtomicBool,
}

#[derive(Debug)]
pub(super) enum Content {
    Held(Bytes),
    Open(Arc<File>),
}

/// Which file it was read from: a damaged one is replaced by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    id: (u64, u64),
    mtime_ns: i64,
    size: u64,
}

impl Identity {
    fn of(stat: &Stat) -> Self {
        Self { id: stat.id(), mtime_ns: stat.mtime_ns, size: stat.size }
    }
}

/// What is held. One for each site.
#[derive(Debug)]
pub(super) struct Memory {
    start: Instant,
    held: Cache<BlobName, Arc<Loaded>, Weight>,
    open: Cache<BlobName, Arc<Loaded>>,
    /// Which files were read as a whole, and whether they have the bytes of their blob.
    checked: Cache<BlobName, (Identity, bool)>,
    /// Whether somebody looks after it.
    is_swept: AtomicBool,
}

#[derive(Clone, Debug)]
struct Weight;

impl Weighter<BlobName, Arc<Loaded>> for Weight {
    fn weight(&self, _: &BlobName, loaded: &Arc<Loaded>) -> u64 {
        loaded.size + OVERHEAD
    }
}

impl Memory {
    /// Holds so many bytes, and keeps so many files open.
    pub(super) fn new(bytes: u64, files: usize) -> Self {
        let items = usize::try_from(bytes / TYPICAL).unwrap_or(usize::MAX);
        // One shard: several would each have their part of the bytes, and lose blobs while others have room.
        let options = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity(items)
            .weight_capacity(bytes)
            .build()
            .expect("both capacities are set");
        let (hash, life) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self {
            start: Instant::now(),
            held: Cache::with_options(options, Weight, hash, life),
            open: Cache::new(files),
            checked: Cache::new(CHECKED),
            is_swept: AtomicBool::new(false),
        }
    }

    /// A blob that is at hand and was seen in the store not long ago. Never blocks.
    pub(super) fn get(&self, blob: BlobName, now: Instant) -> Option<Arc<Loaded>> {
        let loaded = self.held.get(&blob).or_else(|| self.open.get(&blob))?;
        if !loaded.is_asked.load(Ordering::Relaxed) {
            loaded.is_asked.store(true, Ordering::Relaxed);
        }
        let seen = loaded.seen.load(Ordering::Relaxed);
        (self.milliseconds(now) < seen.saturating_add(LOOK_AGAIN)).then_some(loaded)
    }

    /// Looks for a blob in the store; `None` if it is not there. Blocks.
    ///
    /// # Errors
    /// When its file cannot be read, or has other bytes.
    pub(super) fn load(&self, store: &Store, blob: BlobName) -> Result<Option<Arc<Loaded>>, store::Error> {
        let now = self.milliseconds(Instant::now());
        let Some((mut file, stat)) = store.open_blob(blob)? else {
            self.held.remove(&blob);
            self.open.remove(&blob);
            return Ok(None);
        };
        let known = self.held.get(&blob).or_else(|| self.open.get(&blob));
        if let Some(loaded) = known.filter(|loaded| loaded.file == Identity::of(&stat)) {
            loaded.seen.store(now, Ordering::Relaxed);
            return Ok(Some(loaded));
        }
        let identity = Identity::of(&stat);
        if !self.is_whole(blob, identity, &mut file, &store.path(blob))? {
            self.held.remove(&blob);
            self.open.remove(&blob);
            return Err(store::Error::Corrupt { path: store.path(blob) });
        }
        let size = stat.size;
        let content = match usize::try_from(size) {
            Ok(length) if size <= SMALL && self.held.capacity() > 0 => {
                let bytes = body::read(&file, 0, length).map(Bytes::from);
                Content::Held(bytes.map_err(files::Error::io(&store.path(blob), "read"))?)
            }
            _ => Content::Open(Arc::new(file)),
        };
        let validators = image::validators(blob, &stat);
        let head = image::head(blob, &validators, size);
        let (file, seen) = (identity, AtomicU64::new(now));
        let is_asked = AtomicBool::new(true);
        let loaded = Arc::new(Loaded { content, size, validators, head, file, seen, is_asked });
        match loaded.content {
            Content::Held(_) => self.held.insert(blob, Arc::clone(&loaded)),
            Content::Open(_) => self.open.insert(blob, Arc::clone(&loaded)),
        }
        Ok(Some(loaded))
    }

    /// Whether `file` has the bytes of `blob`. It is read once, however many ask for it at a time.
    fn is_whole(
        &self,
        blob: BlobName,
        identity: Identity,
        file: &mut File,
        path: &Path,
    ) -> Result<bool, files::Error> {
        loop {
            match self.checked.get_value_or_guard(&blob, None) {
                GuardResult::Value((read, is_whole)) if read == identity => return Ok(is_whole),
                GuardResult::Value(_) => {
                    self.checked.remove_if(&blob, |(read, _)| *read != identity);
                }
                GuardResult::Guard(guard) => {
                    let is_whole = files::digest_of(file, path)? == blob.digest;
                    if !is_whole {
                        tracing::error!(path = %path.display(), "a file does not have the bytes of its name");
                    }
                    // That another file is there by now is no matter.
                    let _ = guard.insert((identity, is_whole));
                    return Ok(is_whole);
                }
                // Nobody waits for a certain time.
                GuardResult::Timeout => {}
            }
        }
    }

    /// Looks after what is held, for as long as anybody asks for it or files are open. The caller sees to it that this is
    /// called again when there is something.
    pub(super) async fn sweep(self: Arc<Self>, store: Arc<Store>) {
        loop {
            sleep(PAUSE).await;
            let (memory, store) = (Arc::clone(&self), Arc::clone(&store));
            let looked = spawn_blocking(move || memory.look_again(&store)).await;
            if looked.is_ok_and(|asked| asked == 0) && self.open.is_empty() {
                break;
            }
        }
        self.is_swept.store(false, Ordering::Relaxed);
    }

    /// Looks whether the blobs that were asked for since the last time are still there, all at once: to do so for each request
    /// would cost more than to answer it. Says how many there were, and closes files that nobody asks for.
    fn look_again(&self, store: &Store) -> usize {
        let now = self.milliseconds(Instant::now());
        let all = self.held.iter().chain(self.open.iter());
        let asked: Vec<_> =
            all.filter(|(_, loaded)| loaded.is_asked.swap(false, Ordering::Relaxed)).collect();
        for (blob, loaded) in &asked {
            let found = Stat::of(&store.path(*blob));
            if found.is_ok_and(|stat| loaded.file == Identity::of(&stat)) {
                loaded.seen.store(now, Ordering::Relaxed);
            } else {
                self.held.remove(blob);
                self.open.remove(blob);
            }
        }
        let oldest = now.saturating_sub(IDLE);
        self.open.retain(|_, loaded| loaded.seen.load(Ordering::Relaxed) >= oldest);
        asked.len()
    }

    /// Whether nobody looks after what is held; who is told so does.
    pub(super) fn needs_sweeping(&self) -> bool {
        !self.is_swept.swap(true, Ordering::Relaxed)
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::MediaType;

    fn keep(store: &Store, bytes: &[u8]) -> BlobName {
        let mut draft = store.begin().unwrap();
        draft.write(bytes).unwrap();
        let draft = draft.finish();
        let name = BlobName { digest: draft.digest(), media_type: MediaType::Png };
        store.commit(vec![(draft, MediaType::Png)]).unwrap();
        name
    }

    #[test]
    fn what_is_at_hand_is_believed_for_a_while_and_looked_at_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let blobs = [keep(&store, b"small"), keep(&store, &[7; 100_000])];
        for blob in blobs {
            let memory = Memory::new(1 << 20, 4);
            let now = || Instant::now() + Duration::from_millis(1);
            assert!(memory.get(blob, now()).is_none());
            let loaded = memory.load(&store, blob).unwrap().unwrap();
            assert!(Arc::ptr_eq(&memory.get(blob, now()).unwrap(), &loaded));
            let later = now() + Duration::from_millis(LOOK_AGAIN);
            assert!(memory.get(blob, later).is_none(), "it is not believed for ever");
            assert!(
                Arc::ptr_eq(&memory.load(&store, blob).unwrap().unwrap(), &loaded),
                "it is the same file"
            );
            assert_eq!(
                (memory.look_again(&store), memory.look_again(&store)),
                (1, 0),
                "only what was asked for"
            );

            // another file in its place, as a repair puts there
            let path = store.path(blob);
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(path.with_extension("new"), bytes).unwrap();
            std::fs::rename(path.with_extension("new"), &path).unwrap();
            memory.get(blob, now()).unwrap();
            memory.look_again(&store);
            assert!(memory.get(blob, now()).is_none());
            assert!(!Arc::ptr_eq(&memory.load(&store, blob).unwrap().unwrap(), &loaded));

            std::fs::remove_file(&path).unwrap();
            memory.look_again(&store);
            assert!(memory.get(blob, now()).is_none());
            assert!(memory.load(&store, blob).unwrap().is_none());
        }
    }

    #[test]
    fn a_file_is_read_once_whatever_it_is_found_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let memory = Memory::new(1 << 20, 4);
        let (good, bad) = (keep(&store, &[7; 100_000]), keep(&store, &[8; 100_000]));
        let write = |blob, bytes: &[u8]| {
            let path = store.path(blob);
            std::fs::write(path.with_extension("new"), bytes).unwrap();
            std::fs::rename(path.with_extension("new"), &path).unwrap();
        };
        write(bad, &[9; 100_000]);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert!(memory.load(&store, good).unwrap().is_some()));
                scope.spawn(|| assert!(memory.load(&store, bad).is_err()));
            }
        });
        // The file that it is read from would not do any more.
        for (blob, expected) in [(good, true), (bad, false)] {
            let identity = Identity::of(&Stat::of(&store.path(blob)).unwrap());
            let mut other = File::open(folder.path().join("VERSION")).unwrap();
            assert_eq!(memory.is_whole(blob, identity, &mut other, Path::new("other")).unwrap(), expected);
        }
        write(bad, &[8; 100_000]);
        assert!(memory.load(&store, bad).unwrap().is_some(), "it was mended");
    }

    #[test]
    fn only_so_much_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let memory = Memory::new(50_000, 4);
        for n in 0..50_u8 {
            memory.load(&store, keep(&store, &[n; 5_000])).unwrap();
            memory.load(&store, keep(&store, &[n; 70_000])).unwrap();
        }
        assert!(memory.held.weight() <= 50_000 && !memory.held.is_empty());
        assert!(memory.open.len() <= 4 && !memory.open.is_empty());
        let none = Memory::new(0, 4);
        let blob = keep(&store, b"small");
        let loaded = none.load(&store, blob).unwrap().unwrap();
        assert!(matches!(loaded.content, Content::Open(_)), "its file stays open instead");
        assert!(none.get(blob, Instant::now()).is_some());
    }
}
