//! Which decoded texts are worth a reference at all.
//!
//! Relative URLs are: the caller knows its own links among them.

/// Extensions of image files (IANA image types that browsers show, and those that posts hold besides).
const EXTENSIONS: [&str; 13] =
    ["jpg", "jpeg", "png", "gif", "webp", "avif", "svg", "bmp", "ico", "jxl", "heic", "tif", "tiff"];

/// Schemes that carry their own content or run it.
const OWN_CONTENT: [&str; 3] = ["data:", "blob:", "javascript:"];

/// Whether `url` may name something outside the document: neither empty, nor a place in it, nor content
/// of its own, nor a template that was never filled in.
pub(super) fn is_candidate(url: &str) -> bool {
    !url.is_empty()
        && !url.starts_with('#')
        && !OWN_CONTENT.iter().any(|scheme| starts_with(url, scheme))
        && !holds_template(url)
}

/// Whether an image extension stands in `url`, wherever: `/a.JPG`, `/a.png?w=1`, `/?url=a.gif&w=1`.
pub(super) fn names_image(url: &str) -> bool {
    url.split('.').skip(1).any(|tail| {
        let end = tail.bytes().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(tail.len());
        EXTENSIONS.iter().any(|extension| tail[..end].eq_ignore_ascii_case(extension))
    })
}

/// Whether `text` as a whole is one URL, absolute or relative, and not some other word or sentence.
pub(super) fn is_one_url(text: &str) -> bool {
    is_candidate(text) && !holds_space_or_control(text) && (text.contains('/') || names_image(text))
}

fn holds_space_or_control(text: &str) -> bool {
    if text.is_ascii() {
        return text.bytes().any(|byte| byte <= b' ' || byte == b'\x7f');
    }
    text.contains(|char: char| char.is_whitespace() || char.is_control())
}

fn starts_with(url: &str, scheme: &str) -> bool {
    url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// `{{ }}` and `{% %}` (Liquid, Nunjucks, Go), `<% %>` (EJS, ERB), `${ }` (JavaScript), `{width}`.
fn holds_template(url: &str) -> bool {
    if memchr::memchr2(b'{', b'%', url.as_bytes()).is_none() {
        return false;
    }
    ["{{", "{%", "<%", "${"].iter().any(|mark| url.contains(mark))
        || url.split('{').skip(1).any(|tail| {
            let word = tail.bytes().take_while(|&byte| byte.is_ascii_alphanumeric() || byte == b'_').count();
            word > 0 && tail.as_bytes().get(word) == Some(&b'}')
        })
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
            assert_eq!(is_candidate(url), expected, "{url}");
        }
    }

    #[test]
    fn image_extensions() {
        for (url, expected) in [
            ("a.png", true),
            ("a.JPEG?x", true),
            ("/?u=http://a.example/b.gif&w=1", true),
            ("a.webp!small", true),
            ("a.pngx", false),
            ("png", false),
            ("a.html", false),
            ("https://a.example/", false),
        ] {
            assert_eq!(names_image(url), expected, "{url}");
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
        ] {
            assert_eq!(is_one_url(text), expected, "{text}");
        }
    }
}
