//! Thumbor's URL grammar (thumbor/url.py), which imagor and Pocket share: options, then the image.
//! Options are read as options, since a watermark filter holds a URL and slashes of its own.

use crate::origin::proxy::decode::percent;

/// What is left of `tail` after the options. That is the image, or a storage key.
pub(super) fn image(tail: &str) -> Option<&str> {
    let mut rest = tail;
    loop {
        let length = option(rest);
        if length == 0 {
            break;
        }
        rest = &rest[length..];
    }
    Some(rest).filter(|rest| !rest.is_empty())
}

/// The length of the option that `text` begins with, its slash included, or 0.
fn option(text: &str) -> usize {
    let Some(slash) = text.find('/') else { return 0 };
    let segment = percent(&text[..slash]);
    if segment.starts_with("filters:") {
        return filters(text);
    }
    if is_word(&segment) || segment.starts_with("trim:") || is_geometry(&segment) { slash + 1 } else { 0 }
}

fn is_word(segment: &str) -> bool {
    const WORDS: [&str; 21] = [
        "",
        "debug",
        "meta",
        "trim",
        "fit-in",
        "adaptive-fit-in",
        "full-fit-in",
        "adaptive-full-fit-in",
        "left",
        "right",
        "center",
        "top",
        "bottom",
        "middle",
        "smart",
        "stretch",
        "face",
        "focal",
        "unsafe",
        "params",
        "0x0",
    ];
    WORDS.contains(&segment)
}

/// `300x200`, `-300x`, `origx100`, `0x53:980x604`.
fn is_geometry(segment: &str) -> bool {
    let length = |text: &str| {
        let text = text.strip_prefix('-').unwrap_or(text);
        text == "orig" || text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let size =
        |text: &str| text.split_once('x').is_some_and(|(width, height)| length(width) && length(height));
    segment.split(':').all(size)
}

/// The length of `filters:a(…):b(…)/`: to the first slash outside all parentheses, raw or escaped.
fn filters(text: &str) -> usize {
    let mut depth = 0_usize;
    for (index, byte) in text.bytes().enumerate() {
        let escape = text.as_bytes().get(index..index + 3).unwrap_or_default();
        match (byte, escape) {
            (b'(', _) | (_, b"%28") => depth += 1,
            (b')', _) | (_, b"%29") => depth = depth.saturating_sub(1),
            (b'/', _) if depth == 0 => return index + 1,
            _ => {}
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_where_the_image_begins() {
        for (tail, expected) in [
            ("fit-in/500x500/filters:fill(white)/product/48/1.jpg", "product/48/1.jpg"),
            ("filters:watermark(https://a/b.png,0,0):blur(1)/smart/c.d/e.jpg", "c.d/e.jpg"),
            ("960x0/filters%3Aformat%28jpg%29/https%3A%2F%2Fa", "https%3A%2F%2Fa"),
            ("trim:top-left:10/10x20:30x40/-300x-200/left/top/http://a", "http://a"),
            ("filters:fill(white/http://a", "filters:fill(white/http://a"),
            ("http://a/300x200/b", "http://a/300x200/b"),
        ] {
            assert_eq!(image(tail), Some(expected), "{tail}");
        }
        assert_eq!(image("300x200/"), None);
    }
}
