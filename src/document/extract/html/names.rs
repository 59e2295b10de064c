//! The names of elements and attributes that say anything about images, or about how a page is read.

/// Names and what they mean, found by length first and without regard to ASCII case.
pub(super) struct Names<T: 'static, const N: usize> {
    /// Sorted by the length of the name.
    entries: [(&'static str, T); N],
    /// Where the names of each length start.
    starts: [u8; LONGEST + 2],
}

const LONGEST: usize = 29;

impl<T: Copy, const N: usize> Names<T, N> {
    pub(super) const fn new(mut entries: [(&'static str, T); N]) -> Self {
        let mut starts = [0; LONGEST + 2];
        let mut sorted = 0;
        let mut len = 0;
        while len <= LONGEST {
            starts[len] = sorted as u8;
            let mut at = sorted;
            while at < N {
                if entries[at].0.len() == len {
                    let entry = entries[sorted];
                    entries[sorted] = entries[at];
                    entries[at] = entry;
                    sorted += 1;
                }
                at += 1;
            }
            len += 1;
        }
        starts[len] = sorted as u8;
        assert!(sorted == N && N <= MOST, "a name is too long, or there are too many");
        Self { entries, starts }
    }

    /// What `name` means, and its number in this table, which is below [`MOST`].
    pub(super) fn get(&self, name: &[u8]) -> Option<(usize, T)> {
        if name.len() > LONGEST {
            return None;
        }
        // the last letters of names differ more often than the first
        let last = name.last()?.to_ascii_lowercase();
        let range = usize::from(self.starts[name.len()])..usize::from(self.starts[name.len() + 1]);
        let found = self.entries[range.clone()].iter().position(|(known, _)| {
            known.as_bytes().last() == Some(&last) && name.eq_ignore_ascii_case(known.as_bytes())
        })?;
        let at = range.start + found;
        Some((at, self.entries[at].1))
    }
}

/// So many names fit into the bits of a `u128`.
pub(super) const MOST: usize = 128;

/// What an element's name says. The elements of one variant are alike in all that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    A,
    AmpImage,
    AmpVideo,
    AnnotationXml,
    Audio,
    /// May have the old attribute `background`.
    Backed,
    Base,
    Desc,
    Embed,
    ForeignObject,
    Iframe,
    /// `image` is `img` in HTML and a picture of its own in SVG.
    Image,
    Img,
    Input,
    Link,
    Math,
    /// `mi`, `mo`, `mn`, `ms`, `mtext`: HTML may stand in them.
    MathText,
    Meta,
    Noscript,
    Object,
    Picture,
    Plaintext,
    /// No element in its text, nor anything else.
    Raw,
    Script,
    Source,
    Style,
    Svg,
    /// SVG's `feImage`.
    SvgFilterImage,
    /// SVG's `use`.
    SvgUse,
    Title,
    /// Loads something that is no image.
    Unrelated,
    Video,
    Other,
}

impl Element {
    pub(super) fn named(name: &[u8]) -> Self {
        ELEMENTS.get(name).map_or(Self::Other, |(_, element)| element)
    }
}

static ELEMENTS: Names<Element, 49> = Names::new([
    ("a", Element::A),
    ("amp-anim", Element::AmpImage),
    ("amp-iframe", Element::Unrelated),
    ("amp-img", Element::AmpImage),
    ("amp-video", Element::AmpVideo),
    ("annotation-xml", Element::AnnotationXml),
    ("audio", Element::Audio),
    ("base", Element::Base),
    ("body", Element::Backed),
    ("desc", Element::Desc),
    ("embed", Element::Embed),
    ("feimage", Element::SvgFilterImage),
    ("foreignobject", Element::ForeignObject),
    ("frame", Element::Unrelated),
    ("iframe", Element::Iframe),
    ("image", Element::Image),
    ("img", Element::Img),
    ("input", Element::Input),
    ("link", Element::Link),
    ("math", Element::Math),
    ("meta", Element::Meta),
    ("mi", Element::MathText),
    ("mn", Element::MathText),
    ("mo", Element::MathText),
    ("ms", Element::MathText),
    ("mtext", Element::MathText),
    ("noembed", Element::Raw),
    ("noframes", Element::Raw),
    ("noscript", Element::Noscript),
    ("object", Element::Object),
    ("picture", Element::Picture),
    ("plaintext", Element::Plaintext),
    ("script", Element::Script),
    ("source", Element::Source),
    ("style", Element::Style),
    ("svg", Element::Svg),
    ("table", Element::Backed),
    ("tbody", Element::Backed),
    ("td", Element::Backed),
    ("textarea", Element::Raw),
    ("tfoot", Element::Backed),
    ("th", Element::Backed),
    ("thead", Element::Backed),
    ("title", Element::Title),
    ("tr", Element::Backed),
    ("track", Element::Unrelated),
    ("use", Element::SvgUse),
    ("video", Element::Video),
    ("xmp", Element::Raw),
]);

/// What an attribute's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    As,
    Background,
    Content,
    /// `cursor` and `mask`: what SVG may say in an attribute instead of a style sheet.
    CssImage,
    Data,
    Encoding,
    Href,
    ImageSrcset,
    /// One of three names under which a `meta` element says what its content is.
    MetaName,
    /// `lowsrc` and `dynsrc`: an image, on `img` only.
    OldSrc,
    Poster,
    /// What to tell of the page to the server of the image.
    ReferrerPolicy,
    Rel,
    Src,
    /// A page, on `iframe`.
    Srcdoc,
    Srcset,
    Style,
    Type,
    /// An image that a script will show, on any element.
    LazyImage,
    /// What a script will load: an image if the element is one.
    LazySrc,
    /// The same, but a name that means something else on other elements than `img`.
    LazyImgSrc,
    /// What `poster` will be, on elements that hold no image otherwise.
    LazyPoster,
    /// What `srcset` will be.
    LazySrcset,
    /// One of the user's attributes and of nobody else's.
    User,
}

impl Key {
    pub(super) fn named(name: &[u8]) -> Option<(usize, Self)> {
        ATTRIBUTES.get(name)
    }
}

static ATTRIBUTES: Names<Key, 124> = Names::new([
    ("as", Key::As),
    ("background", Key::Background),
    ("content", Key::Content),
    ("cursor", Key::CssImage),
    ("data", Key::Data),
    ("dynsrc", Key::OldSrc),
    ("encoding", Key::Encoding),
    ("href", Key::Href),
    ("imagesrcset", Key::ImageSrcset),
    ("itemprop", Key::MetaName),
    ("lowsrc", Key::OldSrc),
    ("mask", Key::CssImage),
    ("name", Key::MetaName),
    ("poster", Key::Poster),
    ("property", Key::MetaName),
    ("referrerpolicy", Key::ReferrerPolicy),
    ("rel", Key::Rel),
    ("src", Key::Src),
    ("srcdoc", Key::Srcdoc),
    ("srcset", Key::Srcset),
    ("style", Key::Style),
    ("type", Key::Type),
    ("xlink:href", Key::Href),
    // what lazy loaders, galleries and site builders read
    ("data-actual-url", Key::LazySrc),
    ("data-actualsrc", Key::LazySrc),
    ("data-backsrc", Key::LazySrc),
    ("data-background", Key::LazyImage),
    ("data-background-image", Key::LazyImage),
    ("data-background-url", Key::LazyImage),
    ("data-bg", Key::LazyImage),
    ("data-bg-hidpi", Key::LazyImage),
    ("data-bg-image", Key::LazyImage),
    ("data-bg-multi", Key::LazyImage),
    ("data-bg-multi-hidpi", Key::LazyImage),
    ("data-bg-set", Key::LazyImage),
    ("data-bg-src", Key::LazyImage),
    ("data-bg-url", Key::LazyImage),
    ("data-cfsrc", Key::LazySrc),
    ("data-croporisrc", Key::LazySrc),
    ("data-default-src", Key::LazySrc),
    ("data-defer-src", Key::LazySrc),
    ("data-delayed-url", Key::LazySrc),
    ("data-echo", Key::LazySrc),
    ("data-echo-background", Key::LazyImage),
    ("data-ezbg", Key::LazyImage),
    ("data-ezsrc", Key::LazySrc),
    ("data-fallback-src", Key::LazySrc),
    ("data-flickity-lazyload", Key::LazySrc),
    ("data-flickity-lazyload-src", Key::LazySrc),
    ("data-full-src", Key::LazySrc),
    ("data-full-url", Key::LazySrc),
    ("data-hi-res-src", Key::LazySrc),
    ("data-hires", Key::LazySrc),
    ("data-high-res-src", Key::LazySrc),
    ("data-image", Key::LazyImage),
    ("data-image-src", Key::LazyImage),
    ("data-image-url", Key::LazyImage),
    ("data-img", Key::LazyImage),
    ("data-img-src", Key::LazyImage),
    ("data-img-url", Key::LazyImage),
    ("data-interchange-src", Key::LazySrc),
    ("data-ks-lazyload", Key::LazySrc),
    ("data-large-file", Key::LazySrc),
    ("data-large-src", Key::LazySrc),
    ("data-large_image", Key::LazyImage),
    ("data-lazy", Key::LazySrc),
    ("data-lazy-background", Key::LazyImage),
    ("data-lazy-bg", Key::LazyImage),
    ("data-lazy-original", Key::LazySrc),
    ("data-lazy-src", Key::LazySrc),
    ("data-lazyload", Key::LazySrc),
    ("data-lazyload-src", Key::LazySrc),
    ("data-lazysrc", Key::LazySrc),
    ("data-lowsrc", Key::LazySrc),
    ("data-medium-file", Key::LazySrc),
    ("data-mfp-src", Key::LazySrc),
    ("data-nitro-lazy-src", Key::LazySrc),
    ("data-noscript-src", Key::LazySrc),
    ("data-ori-src", Key::LazySrc),
    ("data-orig-file", Key::LazySrc),
    ("data-orig-src", Key::LazySrc),
    ("data-origin-src", Key::LazySrc),
    ("data-original", Key::LazySrc),
    ("data-original-src", Key::LazySrc),
    ("data-pagespeed-lazy-src", Key::LazySrc),
    ("data-pin-media", Key::LazySrc),
    ("data-poster", Key::LazyPoster),
    ("data-raw-src", Key::LazySrc),
    ("data-real-src", Key::LazySrc),
    ("data-retina", Key::LazySrc),
    ("data-retina-src", Key::LazySrc),
    ("data-rsrc", Key::LazySrc),
    ("data-src", Key::LazySrc),
    ("data-src-large", Key::LazySrc),
    ("data-src-medium", Key::LazySrc),
    ("data-src-mobile", Key::LazySrc),
    ("data-src-retina", Key::LazySrc),
    ("data-src-small", Key::LazySrc),
    ("data-thumb", Key::LazyImage),
    ("data-thumb-src", Key::LazyImage),
    ("data-thumbnail", Key::LazyImage),
    ("data-zoom-image", Key::LazyImage),
    ("data-zoom-src", Key::LazySrc),
    ("lazy-src", Key::LazySrc),
    ("lazysrc", Key::LazySrc),
    ("zoomfile", Key::LazySrc),
    ("_src", Key::LazyImgSrc),
    ("data-url", Key::LazyImgSrc),
    ("file", Key::LazyImgSrc),
    ("load-src", Key::LazyImgSrc),
    ("org_src", Key::LazyImgSrc),
    ("original", Key::LazyImgSrc),
    ("real_src", Key::LazyImgSrc),
    ("src2", Key::LazyImgSrc),
    ("data-bgset", Key::LazySrcset),
    ("data-bg-multi-srcset", Key::LazySrcset),
    ("data-ezsrcset", Key::LazySrcset),
    ("data-flickity-lazyload-srcset", Key::LazySrcset),
    ("data-flickity-srcset", Key::LazySrcset),
    ("data-lazy-srcset", Key::LazySrcset),
    ("data-original-set", Key::LazySrcset),
    ("data-orig-srcset", Key::LazySrcset),
    ("data-original-srcset", Key::LazySrcset),
    ("data-srcset", Key::LazySrcset),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_itself_in_any_case() {
        for (name, element) in ELEMENTS.entries {
            assert_eq!(Element::named(name.to_uppercase().as_bytes()), element, "{name}");
        }
        let mut seen = 0_u128;
        for (name, key) in ATTRIBUTES.entries {
            let (number, found) = Key::named(name.to_uppercase().as_bytes()).unwrap();
            assert_eq!(found, key, "{name}");
            assert_eq!(seen >> number & 1, 0, "{name} stands in the table twice");
            seen |= 1 << number;
        }
    }

    #[test]
    fn no_other_name_is_found() {
        for name in ["", "s", "sr", "srcs", "data-", "data-srcsets", "ımg", &"a".repeat(LONGEST + 1)] {
            assert_eq!(Key::named(name.as_bytes()), None, "{name}");
        }
        assert_eq!(Element::named(b"imgs"), Element::Other);
        assert_eq!(Element::named("ımg".as_bytes()), Element::Other);
    }
}
