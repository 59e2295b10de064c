//! Pictures that stand for an image without being it: a banner against hot-linking, a pixel, "not found".
//!
//! Pure. Three marks tell one: the user names its digest; it is a single pixel in a few bytes; or one host
//! gives the same bytes for several images that have nothing to do with each other.

use std::collections::{HashMap, HashSet};

use url::Url;

use crate::digest::Digest;

/// `fetch.placeholder*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// So many unrelated URLs of one host with the same bytes are one placeholder; 0 for never.
    pub urls: usize,
    /// Known placeholders.
    pub known: Vec<Digest>,
    /// Images that are genuine, whatever speaks against them.
    pub genuine: Vec<Digest>,
}

impl Default for Options {
    fn default() -> Self {
        Self { urls: 5, known: Vec::new(), genuine: Vec::new() }
    }
}

/// A single pixel in fewer bytes counts for nothing: whoever means a picture has more to say.
const PIXEL_BYTES: u64 = 100;

/// So many are kept in mind. Beyond that all is forgotten; who asks remembers what matters.
const MOST: usize = 50_000;

/// What is said of an answer that was the placeholder `digest`.
#[must_use]
pub fn detail(digest: Digest) -> String {
    format!("{DETAIL}{digest}")
}

/// The placeholder that [`detail`] speaks of.
#[must_use]
pub fn of_detail(detail: &str) -> Option<Digest> {
    detail.strip_prefix(DETAIL)?.parse().ok()
}

const DETAIL: &str = "a placeholder: ";

/// Which bytes each host gave, and for what.
#[derive(Debug)]
pub struct Watch {
    options: Options,
    hosts: HashMap<(String, Digest), Given>,
}

#[derive(Debug, Default)]
struct Given {
    /// What tells the URLs apart.
    urls: HashSet<String>,
    is_placeholder: bool,
}

/// What an answer turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against it.
    Genuine,
    /// A placeholder.
    Placeholder,
    /// A placeholder, and this answer is the one that shows it: earlier ones of the host are none the better.
    Unmasked,
}

impl Watch {
    /// Nothing was given yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, hosts: HashMap::new() }
    }

    /// Whether nothing that `host` gave before would change the verdict on `digest`: the user has spoken, or this
    /// watch has heard of it.
    #[must_use]
    pub fn needs_no_past(&self, host: &str, digest: Digest) -> bool {
        let Options { genuine, known, .. } = &self.options;
        let is_told = genuine.contains(&digest) || known.contains(&digest);
        is_told || self.hosts.contains_key(&(host.to_owned(), digest))
    }

    /// `host` gave the bytes of `digest` for `url` some time ago; `is_placeholder` if they were found out.
    pub fn remember(&mut self, host: &str, digest: Digest, url: &Url, is_placeholder: bool) {
        let given = self.hosts.entry((host.to_owned(), digest)).or_default();
        given.is_placeholder |= is_placeholder;
        given.urls.insert(identity(url));
    }

    /// `host` was asked for `url` and gave the bytes of `digest`, which are `bytes` long and of `size` pixels.
    pub fn judge(
        &mut self,
        host: &str,
        digest: Digest,
        url: &Url,
        bytes: u64,
        size: Option<(u32, u32)>,
    ) -> Verdict {
        if self.options.genuine.contains(&digest) {
            return Verdict::Genuine;
        }
        if self.options.known.contains(&digest) || (size == Some((1, 1)) && bytes < PIXEL_BYTES) {
            return Verdict::Placeholder;
        }
        if self.hosts.len() >= MOST {
            self.hosts.clear();
        }
        let given = self.hosts.entry((host.to_owned(), digest)).or_default();
        if given.is_placeholder {
            return Verdict::Placeholder;
        }
        if self.options.urls == 0 {
            return Verdict::Genuine;
        }
        given.urls.insert(identity(url));
        if given.urls.len() < self.options.urls {
            return Verdict::Genuine;
        }
        given.is_placeholder = true;
        Verdict::Unmasked
    }
}

/// What tells unrelated images apart: the path without what asks for a size; and the query where the path
/// names no image file, for then the query does.
fn identity(url: &Url) -> String {
    let path = url.path();
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let file = file.split(['!', '~', '@']).next().unwrap_or(file);
    let Some((stem, extension)) = file.rsplit_once('.').filter(|(_, extension)| extension.len() <= 5) else {
        return format!("{folder}/{file}?{}", url.query().unwrap_or_default());
    };
    format!("{folder}/{}.{extension}", without_size(stem))
}

/// `a-300x200` is a smaller `a`.
fn without_size(stem: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match stem.rsplit_once(['-', '_']) {
        Some((name, size)) if size.split_once('x').is_some_and(|(w, h)| is_number(w) && is_number(h)) => name,
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(watch: &mut Watch, url: &str, text: &str) -> Verdict {
        let url: Url = url.parse().unwrap();
        watch.judge(url.host_str().unwrap(), Digest::of(text.as_bytes()), &url, 1000, Some((9, 9)))
    }

    #[test]
    fn one_banner_for_many_images() {
        let mut watch = Watch::new(Options::default());
        for number in 1..5 {
            let url = format!("http://a.test/{number}.png");
            assert_eq!(judge(&mut watch, &url, "banner"), Verdict::Genuine, "{number}");
            assert_eq!(judge(&mut watch, &url, "banner"), Verdict::Genuine, "asked again");
        }
        assert_eq!(judge(&mut watch, "http://b.test/5.png", "banner"), Verdict::Genuine);
        assert_eq!(judge(&mut watch, "http://a.test/5.png", "image"), Verdict::Genuine);
        assert_eq!(judge(&mut watch, "http://a.test/5.png", "banner"), Verdict::Unmasked);
        assert_eq!(judge(&mut watch, "http://a.test/1.png", "banner"), Verdict::Placeholder);
    }

    #[test]
    fn sizes_of_one_image_are_related() {
        let mut watch = Watch::new(Options { urls: 2, ..Options::default() });
        for url in [
            "http://a.test/i.png",
            "http://a.test/i.png!small",
            "http://a.test/i.png?imageView2/2/w/100",
            "http://a.test/i-300x200.png",
            "http://a.test/i.png~tplv-x.image",
        ] {
            assert_eq!(judge(&mut watch, url, "image"), Verdict::Genuine, "{url}");
        }
        assert_eq!(judge(&mut watch, "http://a.test/j.png", "image"), Verdict::Unmasked);
        assert_eq!(judge(&mut watch, "http://a.test/show?id=1", "other"), Verdict::Genuine);
        assert_eq!(judge(&mut watch, "http://a.test/show?id=2", "other"), Verdict::Unmasked);
    }

    #[test]
    fn what_is_said_of_one_is_read_back() {
        let digest = Digest::of(b"x");
        assert_eq!(of_detail(&detail(digest)), Some(digest));
        assert_eq!(of_detail("a placeholder: none"), None);
        assert_eq!(of_detail("status 404"), None);
    }

    #[test]
    fn the_past_is_looked_up_once_and_not_where_the_user_has_spoken() {
        let (told, banner) = (Digest::of(b"told"), Digest::of(b"banner"));
        let mut watch = Watch::new(Options { genuine: vec![told], ..Options::default() });
        assert!(watch.needs_no_past("a.test", told) && !watch.needs_no_past("a.test", banner));
        judge(&mut watch, "http://a.test/1.png", "banner");
        assert!(watch.needs_no_past("a.test", banner) && !watch.needs_no_past("b.test", banner));
    }

    #[test]
    fn the_users_word_counts_most() {
        let digest = Digest::of(b"x");
        let url: Url = "http://a.test/i.png".parse().unwrap();
        let judge =
            |options: Options, size| Watch::new(options).judge("a.test", digest, &url, 70, Some(size));
        assert_eq!(judge(Options::default(), (1, 1)), Verdict::Placeholder);
        assert_eq!(judge(Options::default(), (1, 2)), Verdict::Genuine);
        let genuine = Options { genuine: vec![digest], known: vec![digest], ..Options::default() };
        assert_eq!(judge(genuine, (1, 1)), Verdict::Genuine);
        assert_eq!(
            judge(Options { known: vec![digest], ..Options::default() }, (9, 9)),
            Verdict::Placeholder
        );
    }
}
