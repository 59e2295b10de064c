//! Which decoded texts are worth a reference at all, and which links may lead to an image.
//!
//! Relative URLs are: the caller knows its own links among them.

use memchr::memchr_iter;

use crate::document::decoded::is_fetchable;

/// Extensions of image files (IANA image types that browsers show, and those that posts hold besides).
const EXTENSIONS: [&str; 14] =
    ["jpg", "jpeg", "png", "gif", "webp", "avif", "svg", "bmp", "ico", "jxl", "heic", "tif", "tiff", "apng"];

/// Whether `url` holds a file name extension of an image, wherever: `/a.JPG`, `/a.jpg!thumb`, `/?u=a.gif&w=1`.
pub(super) fn names_image(url: &str) -> bool {
    let bytes = url.as_bytes();
    memchr_iter(b'.', bytes).any(|dot| {
        let rest = &bytes[dot + 1..];
        let len = rest.iter().take(6).take_while(|byte| byte.is_ascii_alphanumeric()).count();
        EXTENSIONS.iter().any(|extension| rest[..len].eq_ignore_ascii_case(extension.as_bytes()))
    })
}

/// Whether a link may lead to an image: it is absolute, or names one. A link to an image often shows it only
/// once it is unwrapped, and one to a page may lead to an image that the document shows; which of them do is
/// for the caller to say.
pub(super) fn may_lead_to_image(url: &str) -> bool {
    let text = url.trim_ascii_start();
    let url = text.as_bytes();
    let starts_with = |start: &str| {
        url.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start.as_bytes()))
    };
    ["//", "http://", "https://"].into_iter().any(starts_with) || names_image(text)
}

/// Whether `text` as a whole is one URL, absolute or relative, and not some other word, sentence or markup.
pub(super) fn is_one_url(text: &str) -> bool {
    is_fetchable(text)
        && !text.contains(['<', '>'])
        && !text.contains("](")
        && !holds_space_or_control(text)
        && (text.contains('/') || names_image(text))
}

fn holds_space_or_control(text: &str) -> bool {
    if text.is_ascii() {
        return text.bytes().any(|byte| byte <= b' ' || byte == b'\x7f');
    }
    text.contains(|char: char| char.is_whitespace() || char.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_name_an_image() {
        for (url, expected) in [
            ("https://a.example/b.png", true),
            ("../b.png", true),
            ("https://a.example/?x={}", true),
            ("https://a.example/%7Bwidth%7D.png", true),
            ("", false),
            ("#top", false),
            ("DATA:image/png;base64,AA==", false),
            ("blob:https://a.example/1", false),
            ("{{ site.url }}/b.png", false),
            ("https://a.example/${name}.png", false),
            ("https://a.example/<%= name %>.png", false),
            ("https://a.example/b_{width}x.png", false),
        ] {
            assert_eq!(is_fetchable(url), expected, "{url}");
        }
    }

    #[test]
    fn image_extensions() {
        let check = |url: &str, expected: bool| assert_eq!(names_image(url), expected, "{url}");
        for url in [
            "a.png",
            "/A.JPEG?x",
            "/?u=http://a.example/b.gif&w=1",
            "a.webp!small",
            "a.tif",
            "a.tiff/",
            "a.b.svg",
            "a.apng",
        ] {
            check(url, true);
        }
        for url in
            ["", ".", "png", "/jpeg", "a.pngx", "a.tifff", "a.html", "pngs.example", "https://a.example/"]
        {
            check(url, false);
        }
    }

    #[test]
    fn links() {
        for (url, expected) in [
            ("https://a.example/b", true),
            (" HTTP://a.example", true),
            ("//a.example/b", true),
            ("../b.png", true),
            ("../b", false),
            ("mailto:a@b.example", false),
            ("httpx://a.example", false),
        ] {
            assert_eq!(may_lead_to_image(url), expected, "{url}");
        }
    }

    #[test]
    fn whole_urls() {
        for (text, expected) in [
            ("https://a.example/b", true),
            ("b.png", true),
            ("//a.example/b", true),
            ("true", false),
            ("see https://a.example/b.png", false),
            ("fa-home", false),
            ("![a](/b.png)", false),
            ("<img/src=/b.png>", false),
        ] {
            assert_eq!(is_one_url(text), expected, "{text}");
        }
    }
}
