//! A second opinion: which remote images would a browser still ask for?
//!
//! Asks `scraper`'s DOM, and quick-xml about XML, which share no code with the finders of `document`, so that a reference that
//! those miss shows here.

use pulldown_cmark::{Options, Parser, html};
use scraper::{Html, Selector};
use url::Url;

use crate::document::DocumentKind;
use crate::document::encoding::Encoding;
use crate::document::extract::{Found, Rules, front_matter, srcset};

mod xml;

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

/// The `http(s)` images that a browser or a feed reader would ask for when it shows `bytes`, in the order of the
/// elements, each once.
#[must_use]
pub fn remote_images(bytes: &[u8], kind: DocumentKind) -> Vec<String> {
    let text = Encoding::of(bytes).read(bytes);
    let mut images = Images::default();
    match kind {
        DocumentKind::Html => images.of_page(&text),
        DocumentKind::Markdown => {
            let body = front_matter::find(text.as_bytes(), &Rules::default(), &mut Found::default());
            let mut out = String::new();
            html::push_html(&mut out, Parser::new_ext(&text[body..], Options::ENABLE_TABLES));
            images.of_page(&out);
        }
        DocumentKind::Xml => xml::read(&text, &mut images),
        DocumentKind::Css | DocumentKind::Json => {}
    }
    images.urls
}

/// The images met so far.
#[derive(Default)]
struct Images {
    base: Option<Url>,
    urls: Vec<String>,
}

impl Images {
    fn of_page(&mut self, text: &str) {
        let page = Html::parse_document(text);
        let base = page.select(&selector("base[href]")).next();
        self.base = base.and_then(|base| Url::parse(base.attr("href")?).ok());
        for (elements, attribute) in SINGLE {
            for element in page.select(&selector(elements)) {
                element.attr(attribute).into_iter().for_each(|url| self.add(url));
            }
        }
        for (elements, attribute) in SETS {
            for element in page.select(&selector(elements)) {
                self.add_set(element.attr(attribute).unwrap_or_default());
            }
        }
    }

    fn add(&mut self, text: &str) {
        let url = match &self.base {
            Some(base) => base.join(text.trim()).ok(),
            None if text.trim().starts_with("//") => Url::parse(&format!("https:{}", text.trim())).ok(),
            None => Url::parse(text.trim()).ok(),
        };
        if let Some(url) = url.filter(|url| matches!(url.scheme(), "http" | "https")) {
            let url = String::from(url);
            if !self.urls.contains(&url) {
                self.urls.push(url);
            }
        }
    }

    fn add_set(&mut self, text: &str) {
        srcset::candidates(text).for_each(|candidate| self.add(&text[candidate]));
    }
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).expect("the selectors above are CSS")
}
