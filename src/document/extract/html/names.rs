//! The names of elements and attributes that say anything about images, or about how a page is read.

/// Names and what they mean, found by length first and without regard to ASCII case.
pub(super) struct Names<T: 'static, const N: usize> {
    /// Sorted by the length of the name.
    entries: [(&'static str, T); N],
    /// Where the names of each length start.
    starts: [u8; LONGEST + 2],
}

const LONGEST: usize = 24;

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
    Data,
    Encoding,
    Href,
    ImageSrcset,
    /// One of three names under which a `meta` element says what its content is.
    MetaName,
    /// `lowsrc` and `dynsrc`: an image, on `img` only.
    OldSrc,
    Poster,
    Rel,
    Src,
    Srcset,
    Style,
    Type,
    /// An image that a script will show, on any element.
    Lazy,
    /// The same, but a name that means something else on other elements than `img`.
    LazyImg,
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

static ATTRIBUTES: Names<Key, 113> = Names::new([
    ("as", Key::As),
    ("background", Key::Background),
    ("content", Key::Content),
    ("data", Key::Data),
    ("dynsrc", Key::OldSrc),
    ("encoding", Key::Encoding),
    ("href", Key::Href),
    ("imagesrcset", Key::ImageSrcset),
    ("itemprop", Key::MetaName),
    ("lowsrc", Key::OldSrc),
    ("name", Key::MetaName),
    ("poster", Key::Poster),
    ("property", Key::MetaName),
    ("rel", Key::Rel),
    ("src", Key::Src),
    ("srcset", Key::Srcset),
    ("style", Key::Style),
    ("type", Key::Type),
    ("xlink:href", Key::Href),
    // what lazy loaders, galleries and site builders read
    ("data-actual-url", Key::Lazy),
    ("data-actualsrc", Key::Lazy),
    ("data-backsrc", Key::Lazy),
    ("data-background", Key::Lazy),
    ("data-background-image", Key::Lazy),
    ("data-background-url", Key::Lazy),
    ("data-bg", Key::Lazy),
    ("data-bg-hidpi", Key::Lazy),
    ("data-bg-image", Key::Lazy),
    ("data-bg-src", Key::Lazy),
    ("data-bg-url", Key::Lazy),
    ("data-cfsrc", Key::Lazy),
    ("data-croporisrc", Key::Lazy),
    ("data-default-src", Key::Lazy),
    ("data-defer-src", Key::Lazy),
    ("data-delayed-url", Key::Lazy),
    ("data-echo", Key::Lazy),
    ("data-echo-background", Key::Lazy),
    ("data-ezbg", Key::Lazy),
    ("data-ezsrc", Key::Lazy),
    ("data-fallback-src", Key::Lazy),
    ("data-flickity-lazyload", Key::Lazy),
    ("data-full-src", Key::Lazy),
    ("data-full-url", Key::Lazy),
    ("data-hi-res-src", Key::Lazy),
    ("data-hires", Key::Lazy),
    ("data-high-res-src", Key::Lazy),
    ("data-image", Key::Lazy),
    ("data-image-src", Key::Lazy),
    ("data-image-url", Key::Lazy),
    ("data-img", Key::Lazy),
    ("data-img-src", Key::Lazy),
    ("data-img-url", Key::Lazy),
    ("data-interchange-src", Key::Lazy),
    ("data-ks-lazyload", Key::Lazy),
    ("data-large-file", Key::Lazy),
    ("data-large-src", Key::Lazy),
    ("data-large_image", Key::Lazy),
    ("data-lazy", Key::Lazy),
    ("data-lazy-background", Key::Lazy),
    ("data-lazy-bg", Key::Lazy),
    ("data-lazy-original", Key::Lazy),
    ("data-lazy-src", Key::Lazy),
    ("data-lazyload", Key::Lazy),
    ("data-lazyload-src", Key::Lazy),
    ("data-lazysrc", Key::Lazy),
    ("data-medium-file", Key::Lazy),
    ("data-nitro-lazy-src", Key::Lazy),
    ("data-noscript-src", Key::Lazy),
    ("data-ori-src", Key::Lazy),
    ("data-orig-file", Key::Lazy),
    ("data-orig-src", Key::Lazy),
    ("data-origin-src", Key::Lazy),
    ("data-original", Key::Lazy),
    ("data-original-src", Key::Lazy),
    ("data-pagespeed-lazy-src", Key::Lazy),
    ("data-pin-media", Key::Lazy),
    ("data-poster", Key::LazyPoster),
    ("data-raw-src", Key::Lazy),
    ("data-real-src", Key::Lazy),
    ("data-retina", Key::Lazy),
    ("data-retina-src", Key::Lazy),
    ("data-rsrc", Key::Lazy),
    ("data-src", Key::Lazy),
    ("data-src-large", Key::Lazy),
    ("data-src-medium", Key::Lazy),
    ("data-src-mobile", Key::Lazy),
    ("data-src-retina", Key::Lazy),
    ("data-src-small", Key::Lazy),
    ("data-thumb", Key::Lazy),
    ("data-thumb-src", Key::Lazy),
    ("data-thumbnail", Key::Lazy),
    ("data-zoom-image", Key::Lazy),
    ("data-zoom-src", Key::Lazy),
    ("lazy-src", Key::Lazy),
    ("lazysrc", Key::Lazy),
    ("zoomfile", Key::Lazy),
    ("_src", Key::LazyImg),
    ("data-url", Key::LazyImg),
    ("file", Key::LazyImg),
    ("load-src", Key::LazyImg),
    ("org_src", Key::LazyImg),
    ("original", Key::LazyImg),
    ("real_src", Key::LazyImg),
    ("src2", Key::LazyImg),
    ("data-bgset", Key::LazySrcset),
    ("data-bg-multi-srcset", Key::LazySrcset),
    ("data-ezsrcset", Key::LazySrcset),
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
