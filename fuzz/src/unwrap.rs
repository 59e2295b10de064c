//! Whatever is unwrapped, what comes out is the address of something that HTTP can be asked for.

use std::sync::LazyLock;

use imgkeep::origin::OriginUrl;
use imgkeep::origin::proxy::Families;
use url::Url;

static FAMILIES: LazyLock<Families> = LazyLock::new(Families::builtin);
static BASE: LazyLock<Url> =
    LazyLock::new(|| Url::parse("https://site.example/posts/1.html").expect("a URL"));

/// More layers than this are not taken off.
const MOST_LAYERS: usize = 12;

/// The bytes as a URL that stands in a document, as far as they are text.
pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    is_an_origin_as_parsed(&text);
    for base in [None, Some(&*BASE)] {
        let Ok(unwrapped) = FAMILIES.unwrap_with_base(&text, base) else { continue };
        let origin = unwrapped.origin.as_str();
        is_an_origin(&unwrapped.origin);
        assert!(unwrapped.layers.len() <= MOST_LAYERS);
        let most = if text.is_ascii() { 3 } else { 12 } * text.len() + 64;
        assert!(origin.len() <= most, "{} bytes of {}", origin.len(), text.len());
        let mut seen = Vec::new();
        for layer in &unwrapped.layers {
            assert!(!seen.contains(&layer.as_str()), "a layer comes twice: {}", layer.as_str());
            assert!(layer.as_str().len() <= most);
            assert!(FAMILIES.family_names().any(|name| *name == *layer.family));
            seen.push(layer.as_str());
            if let Some(url) = layer.url() {
                assert!(matches!(url.scheme(), "http" | "https"), "{url}");
            }
        }
        let again = FAMILIES.unwrap(origin).expect("an origin is a URL");
        if again.origin != unwrapped.origin {
            // what was too deep, or led back to itself
            assert!(
                unwrapped.layers.len() == MOST_LAYERS || again.layers.len() == MOST_LAYERS,
                "{origin} is unwrapped to {}",
                again.origin
            );
        }
    }
}

fn is_an_origin(origin: &OriginUrl) {
    let url = origin.url();
    assert!(matches!(url.scheme(), "http" | "https"), "{url}");
    assert_eq!((url.as_str(), url.host_str()), (origin.as_str(), Some(origin.host())));
    assert!(!origin.host().is_empty());
    assert_eq!(origin.path(), url.path());
    assert_eq!(OriginUrl::parse(origin.as_str()).expect("it is one"), *origin);
}

/// What is taken for canonical without parsing is what the parser would have made.
fn is_an_origin_as_parsed(text: &str) {
    let parsed = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let origin = OriginUrl::parse(text).ok();
    assert_eq!(origin.as_ref().map(OriginUrl::as_str), parsed.as_ref().map(Url::as_str), "{text:?}");
    if let Some(origin) = &origin {
        is_an_origin(origin);
    }
}
