//! What an attribute is for, on its element and in its place.

use super::char_ref;
use super::names::{Element, Key};
use super::token::{Attribute, Tag};
use crate::blob::BlobName;
use crate::document::extract::candidate::names_image;
use crate::document::referrer::Policy;

/// What the value of an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The URL of an image.
    Image,
    /// The URL of a file of images; its fragment names the one that is shown and has to stay.
    Sprite,
    /// A `srcset`.
    Srcset,
    /// Most likely the URL of an image, or CSS with one; else anything at all.
    Lazy,
    /// The same where it stands on an element that is no image: an image for sure only by its extension.
    LazyLink,
    /// Where a link leads, perhaps to an image.
    Link,
    /// The declarations of a style sheet.
    Style,
    /// The value of a property that shows images.
    CssValue,
    /// A page as text.
    Page,
    /// The base of all relative URLs.
    Base,
    /// Where the document is published.
    Address,
    /// A referrer policy for the whole page.
    Referrer,
    Nothing,
}

/// Where a tag stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The document.
    pub(super) bytes: &'a [u8],
    pub(super) is_html: bool,
    /// The last `picture`, `video` or `audio` if it is still open: what a `source` is a source of.
    pub(super) media: Option<Element>,
}

/// The elements whose own content is no image, whatever a script makes of their attributes.
const NO_IMAGES: [Element; 7] = [
    Element::Audio,
    Element::Embed,
    Element::Iframe,
    Element::Object,
    Element::Script,
    Element::Unrelated,
    Element::Video,
];

impl Place<'_> {
    /// What `attribute` of `tag` is for.
    pub(super) fn meaning(self, tag: &Tag, attribute: &Attribute) -> Meaning {
        let meaning = match attribute.key {
            Key::Style => Meaning::Style,
            Key::LazyImage | Key::LazySrc | Key::LazyImgSrc | Key::LazySrcset | Key::LazyPoster => {
                self.lazy(tag, attribute.key)
            }
            key if self.is_html => self.html(tag, key, attribute),
            Key::CssImage => Meaning::CssValue,
            Key::Href => match tag.element {
                Element::A => Meaning::Link,
                Element::Image | Element::SvgFilterImage => Meaning::Image,
                Element::SvgUse => Meaning::Sprite,
                _ => Meaning::Nothing,
            },
            _ => Meaning::Nothing,
        };
        if meaning != Meaning::Nothing || !attribute.is_users {
            return meaning;
        }
        let name = &self.bytes[attribute.name.range()];
        let is_srcset = name.len() >= 6 && name[name.len() - 6..].eq_ignore_ascii_case(b"srcset");
        if is_srcset { Meaning::Srcset } else { Meaning::Lazy }
    }

    /// The policy that `tag` asks for.
    pub(super) fn referrer(self, tag: &Tag) -> Option<Policy> {
        let attribute = tag.attributes.iter().find(|attribute| attribute.key == Key::ReferrerPolicy)?;
        Policy::named(char_ref::decode(self.bytes, attribute.value).text())
    }

    fn html(self, tag: &Tag, key: Key, attribute: &Attribute) -> Meaning {
        let is_image = match (key, tag.element) {
            (Key::Src, Element::Img | Element::Image | Element::AmpImage) => true,
            (Key::Src, Element::Input) => self.is_one_of(tag, Key::Type, &["image"]),
            (Key::Src, Element::Source) => self.is_source_of_image(tag, attribute),
            (Key::Src, Element::Embed) | (Key::Data, Element::Object) => self.is_typed_image(tag, attribute),
            (Key::OldSrc, Element::Img | Element::Image) => true,
            (Key::Poster, Element::Video | Element::AmpVideo) => true,
            (Key::Background, Element::Backed) => true,
            (Key::Content, Element::Meta) if self.is_one_of(tag, Key::MetaName, &["referrer"]) => {
                return Meaning::Referrer;
            }
            (Key::Content, Element::Meta) => self.is_one_of(tag, Key::MetaName, &CARDS),
            (Key::Href, Element::Link) if self.is_one_of(tag, Key::Rel, &["canonical"]) => {
                return Meaning::Address;
            }
            (Key::Href, Element::Link) => self.is_image_link(tag),
            (Key::Href, Element::A) => return Meaning::Link,
            (Key::Href, Element::Base) => return Meaning::Base,
            (Key::Srcdoc, Element::Iframe) => return Meaning::Page,
            (Key::Srcset, Element::Img | Element::Image | Element::AmpImage | Element::Source) => {
                return Meaning::Srcset;
            }
            (Key::ImageSrcset, Element::Link) if self.is_preloaded_image(tag) => return Meaning::Srcset,
            _ => false,
        };
        if is_image { Meaning::Image } else { Meaning::Nothing }
    }

    fn lazy(self, tag: &Tag, key: Key) -> Meaning {
        let is_of_media =
            tag.element == Element::Source && self.media.is_some_and(|media| media != Element::Picture);
        match (key, tag.element) {
            (Key::LazyPoster, _) => Meaning::Lazy,
            (_, element) if NO_IMAGES.contains(&element) || is_of_media => Meaning::Nothing,
            (Key::LazySrcset, _) => Meaning::Srcset,
            (Key::LazyImage, _) => Meaning::Lazy,
            (Key::LazySrc | Key::LazyImgSrc, Element::Img | Element::AmpImage) => Meaning::Lazy,
            (Key::LazySrc, Element::Image | Element::Input | Element::Source) => Meaning::Lazy,
            // the image of a gallery or a background, but as well a script, a video or a page
            (Key::LazySrc, _) => Meaning::LazyLink,
            _ => Meaning::Nothing,
        }
    }

    /// Whether a script is JSON-LD: by the essence of its type (MIME Sniffing, section 4.4).
    pub(super) fn is_json_ld(self, tag: &Tag) -> bool {
        let mut types = tag.attributes.iter().filter(|attribute| attribute.key == Key::Type);
        types.any(|attribute| {
            let value = char_ref::decode(self.bytes, attribute.value);
            let essence = value.text().split(';').next().unwrap_or_default();
            essence.trim_ascii().eq_ignore_ascii_case("application/ld+json")
        })
    }

    /// `src` is for the sources of video and sound; some write it in a `picture` all the same.
    fn is_source_of_image(self, tag: &Tag, attribute: &Attribute) -> bool {
        match self.media {
            Some(Element::Picture) => true,
            Some(_) => false,
            None => self.is_typed_image(tag, attribute),
        }
    }

    /// Whether the element's `type` says that `attribute` is an image, or the URL's extension does.
    fn is_typed_image(self, tag: &Tag, attribute: &Attribute) -> bool {
        let is_typed = self.words(tag, Key::Type, |word| word.starts_with("image/"));
        let url = char_ref::decode(self.bytes, attribute.value);
        let path = url.text().split(['?', '#']).next().unwrap_or_default();
        // the prefix of a kept link may be a query
        is_typed || names_image(path) || BlobName::from_link(url.text()).is_some()
    }

    fn is_image_link(self, tag: &Tag) -> bool {
        let is_icon = |word: &str| {
            word.starts_with("apple-touch-icon")
                || matches!(
                    word,
                    "icon"
                        | "mask-icon"
                        | "fluid-icon"
                        | "image_src"
                        | "apple-touch-startup-image"
                        | "thumbnail"
                )
        };
        self.words(tag, Key::Rel, is_icon)
            || self.is_preloaded_image(tag)
            || self.is_one_of(tag, Key::MetaName, &["image", "logo", "primaryimageofpage", "thumbnailurl"])
    }

    fn is_preloaded_image(self, tag: &Tag) -> bool {
        self.is_one_of(tag, Key::Rel, &["preload", "prefetch"]) && self.is_one_of(tag, Key::As, &["image"])
    }

    fn is_one_of(self, tag: &Tag, key: Key, names: &[&str]) -> bool {
        self.words(tag, key, |word| names.contains(&word))
    }

    /// Whether any word of an attribute of `tag` is what is looked for; words come in lower case.
    fn words(self, tag: &Tag, key: Key, is_wanted: impl Fn(&str) -> bool) -> bool {
        tag.attributes.iter().filter(|attribute| attribute.key == key).any(|attribute| {
            let value = char_ref::decode(self.bytes, attribute.value);
            value.text().to_ascii_lowercase().split_ascii_whitespace().any(&is_wanted)
        })
    }
}

/// What a `meta` element calls an image that stands for the page.
const CARDS: [&str; 27] = [
    "og:image",
    "og:image:url",
    "og:image:secure_url",
    "og:logo",
    "twitter:image",
    "twitter:image:src",
    "twitter:image0",
    "twitter:image1",
    "twitter:image2",
    "twitter:image3",
    "twitter:player:image",
    "vk:image",
    "image",
    "logo",
    "primaryimageofpage",
    "thumbnail",
    "thumbnailurl",
    "image_src",
    "parsely-image-url",
    "sailthru.image.full",
    "sailthru.image.thumb",
    "swiftype-image",
    "msapplication-tileimage",
    "msapplication-square70x70logo",
    "msapplication-square150x150logo",
    "msapplication-square310x310logo",
    "msapplication-wide310x150logo",
];

/// Scripts keep all kinds of things in attributes: colours, numbers, JSON. A URL is one word with a slash
/// or an extension.
pub(super) fn is_like_url(text: &str) -> bool {
    let text = text.trim_ascii();
    !text.starts_with(['{', '[', '<'])
        && !text.bytes().any(|byte| byte.is_ascii_whitespace())
        && (text.contains('/') || names_image(text))
}
