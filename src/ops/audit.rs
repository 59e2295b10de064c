//! A second opinion: which remote images would a browser still ask for?
//!
//! Asks `scraper`'s DOM, which shares no code with the finders of `document`, so that a reference that
//! those miss shows here.

use pulldown_cmark::{Options, Parser, html};
use scraper::{Html, Selector};
use url::Url;

use crate::document::DocumentKind;
use crate::document::encoding::Encoding;
use crate::document::extract::{Found, Rules, front_matter, srcset};

/// The DOM is quadratic on deep nesting: a page larger than this is not audited.
pub const MAX_BYTES: u64 = 16 << 20;

/// Elements and the attribute that holds one URL.
const SINGLE: &[(&str, &str)] = &[
    ("img", "src"),
    ("input[type=image i]", "src"),
    ("video", "poster"),
    ("link[rel~=icon i]", "href"),
    ("link[rel~=apple-touch-icon i]", "href"),
    ("link[rel~=preload i][as=image i]", "href"),
    ("image", "href"),
    ("body", "background"),
    ("table", "background"),
    ("td", "background"),
    ("th", "background"),
];
/// Elements and the attribute that holds a `srcset`.
const SETS: &[(&str, &str)] =
    &[("img", "srcset"), ("picture > source", "srcset"), ("link[rel~=preload i][as=image i]", "imagesrcset")];

/// The `http(s)` images that a browser would ask for when it shows `bytes`, in the order of the elements, each once.
#[must_use]
pub fn remote_images(bytes: &[u8], kind: DocumentKind) -> Vec<String> {
    let text = Encoding::of(bytes).read(bytes);
    let page = match kind {
        DocumentKind::Html => Html::parse_document(&text),
        DocumentKind::Markdown => {
            let body = front_matter::find(text.as_bytes(), &Rules::default(), &mut Found::default());
            let mut out = String::new();
            html::push_html(&mut out, Parser::new_ext(&text[body..], Options::ENABLE_TABLES));
            Html::parse_document(&out)
        }
        DocumentKind::Css | DocumentKind::Json => return Vec::new(),
    };
    let base =
        page.select(&selector("base[href]")).next().and_then(|base| Url::parse(base.attr("href")?).ok());
    let mut urls = Vec::new();
    let mut add = |text: &str| {
        let url = match &base {
            Some(base) => base.join(text.trim()).ok(),
            None if text.trim().starts_with("//") => Url::parse(&format!("https:{}", text.trim())).ok(),
            None => Url::parse(text.trim()).ok(),
        };
        if let Some(url) = url.filter(|url| matches!(url.scheme(), "http" | "https")) {
            let url = String::from(url);
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
    };
    for (elements, attribute) in SINGLE {
        for element in page.select(&selector(elements)) {
            element.attr(attribute).map(&mut add);
        }
    }
    for (elements, attribute) in SETS {
        for element in page.select(&selector(elements)) {
            let text = element.attr(attribute).unwrap_or_default();
            srcset::candidates(text).for_each(|candidate| add(&text[candidate]));
        }
    }
    urls
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).expect("the selectors above are CSS")
}
