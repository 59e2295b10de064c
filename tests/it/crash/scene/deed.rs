//! What is done to the documents, and what must have been done before.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Size, document, is_of_last, own, state, url};
use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

/// How old a document is that nobody is at work on.
const HOUR: Duration = Duration::from_secs(3600);

/// Documents, when they were written, and what they said.
pub(super) type Originals = BTreeMap<PathBuf, (Vec<u8>, SystemTime)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Archive,
    Restore,
    Relink,
    /// The images are others now, and the documents are led to them.
    Follow,
    /// Some images turn out to be a placeholder, and the documents that show them are led back.
    Recall,
    /// Half of the images are damaged or gone.
    Repair,
    /// Most documents of the last fifth were deleted, and there is no time of grace.
    Collect,
}

impl Deed {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Archive | Self::Recall => "archive posts",
            Self::Restore => "restore posts",
            Self::Relink => "relink posts --link /images/",
            Self::Follow => "archive posts --update --follow",
            Self::Repair => "verify --repair",
            Self::Collect => "gc --forget-gone",
        }
    }

    /// What it ends with.
    pub(super) fn code(self) -> i32 {
        // The placeholders could not be archived.
        if self == Self::Recall { 3 } else { 0 }
    }

    /// Makes everything as it is before the deed. Returns what the documents said before imgkeep came and when they were
    /// written, of those that are still there.
    pub(super) fn prepare(self, test: &Test, origin: &Origin, size: Size) -> Originals {
        if self == Self::Recall {
            // Four that are the same may be an accident.
            let banner = picture::jpeg(1_000_000);
            for number in 0..5 {
                origin.image(&banner_url(number), banner.clone());
            }
            for number in 0..4 {
                test.write(&format!("posts/{number}/banner.md"), format!("![]({})\n", banner_url(number)));
            }
        }
        let mut originals = documents(test);
        if self == Self::Archive {
            return originals;
        }
        test.run("archive posts").expect_code(0);
        match self {
            Self::Archive | Self::Restore | Self::Relink => {}
            Self::Follow => {
                for number in 0..size.images {
                    let answer = Answer::image(picture::jpeg((number + size.images) as u64));
                    origin.answer(&url(number), answer.delay(size.pause));
                }
            }
            Self::Recall => {
                let late = format!("![]({})\n", banner_url(4));
                test.write("posts/4/banner.md", late);
            }
            Self::Repair => {
                for (number, path) in test.blobs().into_values().enumerate() {
                    match number % 4 {
                        0 => fs::write(path, b"\xff\xd8\xff damaged").unwrap(),
                        1 => fs::remove_file(path).unwrap(),
                        _ => {}
                    }
                }
            }
            Self::Collect => {
                for number in gone(size) {
                    fs::remove_file(test.path(&document(number, size).0)).unwrap();
                }
            }
        }
        let posts = test.path("posts");
        state::files(&posts).into_keys().for_each(|path| date(&posts.join(path), HOUR));
        let mut now = documents(test);
        originals.retain(|path, _| now.contains_key(path));
        now.append(&mut originals);
        now
    }
}

fn documents(test: &Test) -> Originals {
    let posts = test.path("posts");
    let modified = |path: &Path| posts.join(path).metadata().unwrap().modified().unwrap();
    let found = state::files(&posts).into_iter();
    found.map(|(path, bytes)| (path.clone(), (bytes, modified(&path)))).collect()
}

fn banner_url(number: usize) -> String {
    format!("http://banner.example/{number}/{}.jpg", ["sun", "rain", "snow", "wind", "fog"][number])
}

/// Those of the last fifth but one, so that it is seen that they were deleted.
fn gone(size: Size) -> Vec<usize> {
    assert!(own(size) < size.images);
    (0..size.documents).filter(|number| is_of_last(*number)).skip(1).collect()
}

fn date(path: &Path, age: Duration) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}
