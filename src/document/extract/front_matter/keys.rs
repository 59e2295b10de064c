//! Which keys of front matter hold images.
//!
//! Names are compared without case, `-`, `_` and spaces: `header-img`, `headerImg` and `header_img` are one key.

use crate::document::escape::{Escape, Escapes};
use crate::document::extract::candidate;
use crate::document::reference::{Reference, ReferenceKind};
use crate::document::span::Span;

/// Keys that name an image, besides those that [`ENDINGS`] tells.
const NAMES: [&str; 28] = [
    "background",
    "backgrounds",
    "bannerbg",
    "banners",
    "bg",
    "cardbg",
    "cover",
    "coverpic",
    "covers",
    "feature",
    "gallery",
    "headerbg",
    "hero",
    "icons",
    "illustration",
    "logos",
    "pic",
    "pics",
    "poster",
    "posters",
    "preview",
    "previews",
    "screenshot",
    "screenshots",
    "splash",
    "teaser",
    "thumb",
    "thumbs",
];

/// How keys of images end: `image`, `og_image`, `header-img`, `userAvatar`, `post_thumbnail`.
const ENDINGS: [&str; 15] = [
    "image",
    "images",
    "img",
    "imgs",
    "photo",
    "photos",
    "picture",
    "pictures",
    "thumbnail",
    "thumbnails",
    "avatar",
    "avatars",
    "banner",
    "logo",
    "icon",
];

/// What may follow the name of an image: `image_url`, `cover_src`; a number may too: `img2`.
const TAILS: [&str; 4] = ["url", "uri", "src", "path"];

/// Keys below an image's key that say something about the image, and may hold the URL of a page.
const ASIDES: [&str; 17] = [
    "alt",
    "attribution",
    "author",
    "caption",
    "copyright",
    "credit",
    "credits",
    "description",
    "homepage",
    "href",
    "license",
    "links",
    "page",
    "photographer",
    "text",
    "title",
    "via",
];

/// The user's keys, taken apart at their dots.
pub(super) struct UserKeys(Vec<Vec<String>>);

impl UserKeys {
    pub(super) fn new(keys: &[String]) -> Self {
        Self(keys.iter().map(|key| key.split('.').map(bare).collect()).collect())
    }
}

/// The way from the root to where a grammar stands, and what it found on the way.
pub(super) struct Walk<'a> {
    user: &'a UserKeys,
    path: Vec<Level>,
    references: Vec<Reference>,
}

struct Level {
    /// As it is compared.
    name: String,
    /// Whether a URL under this key is that of an image.
    holds_image: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(user: &'a UserKeys) -> Self {
        Self { user, path: Vec::new(), references: Vec::new() }
    }

    /// A walk of its own from the same place.
    pub(super) fn fork(&self) -> Self {
        Self::new(self.user)
    }

    /// Takes over what a fork has found, but for what was found before.
    pub(super) fn join(&mut self, fork: Self) {
        self.references.extend(fork.references);
    }

    pub(super) fn enter(&mut self, key: &str) {
        let name = bare(key);
        let under_image = self.holds_image() && !is_aside(&name);
        let names_image = names_image(name.rsplit('.').next().unwrap_or(&name));
        self.path.push(Level { name, holds_image: under_image || names_image });
        if self.user.0.iter().any(|wanted| self.ends_with(wanted))
            && let Some(level) = self.path.last_mut()
        {
            level.holds_image = true;
        }
    }

    pub(super) fn leave(&mut self) {
        self.path.pop();
    }

    pub(super) fn depth(&self) -> usize {
        self.path.len()
    }

    /// Whether a URL that stands here is that of an image.
    pub(super) fn holds_image(&self) -> bool {
        self.path.last().is_some_and(|level| level.holds_image)
    }

    /// Keeps the scalar that stands here if it is one URL. The caller has asked [`Self::holds_image`].
    pub(super) fn push(&mut self, span: Span, kind: ReferenceKind, escape: Escape, url: String) {
        if candidate::is_one_url(&url) {
            self.references.push(Reference { span, kind, escapes: Escapes::of(escape), url });
        }
    }

    /// What was found, in the order of the document, of which the front matter starts at `offset`.
    pub(super) fn finish(mut self, offset: usize) -> Vec<Reference> {
        self.references.sort_by_key(|reference| reference.span);
        self.references.dedup_by(|later, earlier| later.span.start() < earlier.span.end());
        for reference in &mut self.references {
            reference.span = reference.span.shift(offset);
        }
        self.references
    }

    fn ends_with(&self, wanted: &[String]) -> bool {
        let Some(first) = self.path.len().checked_sub(wanted.len()) else { return false };
        self.path[first..].iter().zip(wanted).all(|(level, name)| level.name == *name)
    }
}

/// A key as it is compared.
fn bare(key: &str) -> String {
    if key.is_ascii() {
        let mut key = key.to_ascii_lowercase();
        key.retain(|char| !matches!(char, '-' | '_' | ' '));
        return key;
    }
    key.chars().filter(|char| !matches!(char, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

fn names_image(name: &str) -> bool {
    let name = name.trim_end_matches(|char: char| char.is_ascii_digit());
    let known = |name: &str| NAMES.contains(&name) || ENDINGS.iter().any(|ending| name.ends_with(ending));
    known(name) || TAILS.iter().any(|tail| name.strip_suffix(tail).is_some_and(known))
}

/// `credit`, `creditlink` and `credit_url` all lead to somebody's page.
fn is_aside(name: &str) -> bool {
    let known = |name: &str| ASIDES.contains(&name) || name.ends_with("link");
    known(name) || TAILS.iter().any(|tail| name.strip_suffix(tail).is_some_and(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images() {
        for key in [
            "headimg",
            "thumbnail",
            "cover",
            "image",
            "images",
            "banner",
            "photos",
            "feature_image",
            "featured_image",
            "og_image",
            "top_img",
            "avatar",
            "img",
            "logo",
            "icon",
            "header-img",
            "cover_image",
            "cover_img",
            "index_img",
            "banner_img",
            "thumb",
            "poster",
            "preview",
            "teaser",
            "overlay_image",
            "photo",
            "picture",
            "heroImage",
            "coverImage",
            "ogImage",
            "OG-Image",
            "image_url",
            "img2",
            "og.image",
            "twitter:image",
            "favicon",
        ] {
            assert!(names_image(bare(key).rsplit('.').next().unwrap()), "{key}");
        }
        for key in ["title", "url", "src", "link", "discover", "source", "author", "categories", "path", ""] {
            assert!(!names_image(&bare(key)), "{key}");
        }
    }

    #[test]
    fn keys_on_a_path() {
        let check = |user: &[&str], path: &[&str], expected| {
            let user = UserKeys::new(&user.iter().map(ToString::to_string).collect::<Vec<_>>());
            let mut walk = Walk::new(&user);
            path.iter().for_each(|key| walk.enter(key));
            assert_eq!(walk.holds_image(), expected, "{path:?}");
        };
        check(&[], &["params", "cover"], true);
        check(&[], &["cover", "large", "file"], true);
        check(&[], &["image", "link"], false);
        check(&[], &["image", "author", "avatar"], true);
        check(&[], &["gallery", "credit"], false);
        check(&[], &["image", "creditlink"], false);
        check(&[], &["cover", "Photographer_URL"], false);
        check(&[], &["image", "link_url"], false);
        check(&[], &["image", "feature_url"], true);
        check(&[], &["resources", "src"], false);
        check(&["wall"], &["a", "Wall", "b"], true);
        check(&["a.wall-paper"], &["x", "a", "wallPaper"], true);
        check(&["a.wall"], &["b", "wall"], false);
        check(&["a.b.c"], &["c"], false);
    }
}
