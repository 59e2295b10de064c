//! The type of an image from its first bytes.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::media::{Flaw, Guess, MediaType};

/// Signatures that need no second look, but for the last.
const SIGNATURES: [(&[u8], MediaType); 12] = [
    (b"\xFF\xD8\xFF", MediaType::Jpeg),
    (b"\x89PNG\r\n\x1A\n", MediaType::Png),
    (b"GIF87a", MediaType::Gif),
    (b"GIF89a", MediaType::Gif),
    (b"\0\0\0\x0CJXL \r\n\x87\n", MediaType::Jxl),
    (b"\xFF\x0A", MediaType::Jxl),
    (b"\0\0\x01\0", MediaType::Ico),
    (b"II*\0", MediaType::Tiff),
    (b"MM\0*", MediaType::Tiff),
    (b"II+\0", MediaType::Tiff),
    (b"MM\0+", MediaType::Tiff),
    (b"RIFF", MediaType::Webp),
];

/// A shorter start of a signature says nothing.
const TELLING: usize = 3;

/// What the input sets out to be, by its `head`. [`MediaType::Svg`] stands for any markup: only its
/// root element tells. `length` is the whole input's, in bytes.
pub(super) fn media_type(head: &[u8], length: u64) -> Result<MediaType, Flaw> {
    if head.is_empty() {
        return Err(Flaw::Empty);
    }
    match SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature)) {
        // a film or a sound in the same container
        Some((_, MediaType::Webp)) if head.get(8..12).is_some_and(|form| form != b"WEBP") => {}
        Some(&(_, format)) => return Ok(format),
        None => {}
    }
    if let Some(format) = heif(head).or_else(|| bitmap(head)) {
        return Ok(format);
    }
    let cut = |(signature, _): &&(&[u8], MediaType)| head.len() >= TELLING && signature.starts_with(head);
    if let Some(&(_, format)) = SIGNATURES.iter().find(cut) {
        return Err(Flaw::Truncated { format, at: length });
    }
    match guess(head) {
        Guess::Xml | Guess::Html => Ok(MediaType::Svg),
        looks_like => Err(Flaw::NotAnImage { looks_like }),
    }
}

/// By the brands of `ftyp` (ISO/IEC 14496-12, 23008-12; AVIF 1.1). A file that has only the general
/// brands is [`MediaType::Heic`] until its items are known.
fn heif(head: &[u8]) -> Option<MediaType> {
    let size = usize::try_from(u32::from_be_bytes(*head.first_chunk()?)).ok()?;
    let file_type = &head[..size.min(head.len())];
    if file_type.get(4..8)? != b"ftyp" {
        return None;
    }
    let major = file_type.get(8..12)?;
    // bytes 12..16 are the minor version
    let compatible = file_type.get(16..).unwrap_or_default().chunks_exact(4);
    let by_brand = |brand: &[u8]| match brand {
        b"avif" | b"avis" => Some(MediaType::Avif),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => {
            Some(MediaType::Heic)
        }
        _ => None,
    };
    let general = |brand: &[u8]| matches!(brand, b"mif1" | b"mif2" | b"msf1" | b"miaf");
    let mut brands = std::iter::once(major).chain(compatible);
    brands.clone().find_map(by_brand).or_else(|| brands.any(general).then_some(MediaType::Heic))
}

/// `BM` begins many a sentence, so the size of the header that follows must be one of those in use.
fn bitmap(head: &[u8]) -> Option<MediaType> {
    let header_size = u32::from_le_bytes(*head.get(14..)?.first_chunk()?);
    let known = matches!(header_size, 12 | 16..=64 | 108 | 124);
    (head.starts_with(b"BM") && known).then_some(MediaType::Bmp)
}

/// What text is written in when it has no byte order mark: UTF-16 shows by its zeros (XML 1.0,
/// appendix F), the rest says so in its XML declaration or is UTF-8.
pub(super) fn encoding(head: &[u8]) -> &'static Encoding {
    let declared = || {
        let declaration = &head[..memchr::memmem::find(head, b"?>")?];
        declaration.strip_prefix(b"<?xml")?;
        let value = &declaration[memchr::memmem::find(declaration, b"encoding")? + b"encoding".len()..];
        let value = value.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
        let (quote, label) = value.split_first()?;
        Encoding::for_label(&label[..memchr::memchr(*quote, label)?])
    };
    match head {
        [b'<', 0, ..] => UTF_16LE,
        [0, b'<', ..] => UTF_16BE,
        // a declaration that could be read byte by byte is not in UTF-16, whatever it says
        _ => declared().map_or(UTF_8, Encoding::output_encoding),
    }
}

/// What bytes that are no image look like.
pub(super) fn guess(head: &[u8]) -> Guess {
    if head.starts_with(b"%PDF-") {
        return Guess::Pdf;
    }
    // bytes that are no text in UTF-8 may still be text in an encoding that nobody named
    let (text, _, _) = encoding(head).decode(head);
    let text = text.trim_start();
    let binary = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0C' | '\x1B');
    match text.as_bytes() {
        [b'<', ..] if is_html(text) => Guess::Html,
        [b'<', ..] => Guess::Xml,
        _ if text.contains(binary) => Guess::Unknown,
        [b'{' | b'[', ..] => Guess::Json,
        _ => Guess::Text,
    }
}

/// The beginnings by which browsers know a page (WHATWG MIME Sniffing, 7.1). Comments are passed over,
/// since an SVG may begin with one too.
fn is_html(mut text: &str) -> bool {
    const TAGS: [&str; 17] = [
        "!doctype html",
        "html",
        "head",
        "script",
        "iframe",
        "h1",
        "div",
        "font",
        "table",
        "a",
        "style",
        "title",
        "b",
        "body",
        "br",
        "p",
        "meta",
    ];
    while let Some((_, after)) = text.strip_prefix("<!--").and_then(|comment| comment.split_once("-->")) {
        text = after.trim_start();
    }
    let Some(tag) = text.strip_prefix('<') else { return false };
    TAGS.iter().any(|name| {
        let begins = tag.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        begins && !tag[name.len()..].starts_with(|c: char| c.is_alphanumeric() || matches!(c, ':' | '-'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_says_its_encoding() {
        let check = |head: &[u8], expected| assert_eq!(encoding(head).name(), expected, "{head:?}");
        check(b"<svg/>", "UTF-8");
        check(b"<?xml version='1.0' encoding = 'GBK'?>", "GBK");
        check(b"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>", "windows-1252");
        check(b"<?xml version='1.0' encoding='UTF-16'?>", "UTF-8");
        check(b"<?xml version='1.0' encoding='nonsense'?>", "UTF-8");
        check(b"<?xml version='1.0' encoding='unended?>", "UTF-8");
        check(b"<svg><?other encoding='GBK'?>", "UTF-8");
        check(b"<\0s\0", "UTF-16LE");
        check(b"\0<\0s", "UTF-16BE");
    }

    #[test]
    fn a_type_shows_in_the_first_bytes() {
        let check = |head: &[u8], expected| assert_eq!(media_type(head, 9).ok(), expected, "{head:?}");
        check(b"\xFF\xD8\xFF\xEE", Some(MediaType::Jpeg));
        check(b"\xFF\xD8", None);
        check(b"\0\0\0\x1Cftypheic\0\0\0\0mif1heic", Some(MediaType::Heic));
        check(b"\0\0\0\x1Cftypmif1\0\0\0\0mif1avif", Some(MediaType::Avif));
        check(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heix", Some(MediaType::Heic));
        check(b"\0\0\0\x14ftypmp42\0\0\0\0mp42avif", None);
        check(b"II+\0\x08\0\0\0", Some(MediaType::Tiff));
        check(b"\r\n<!-- a --><svg>", Some(MediaType::Svg));
        check(b"\r\n\x89PNG\r\n\x1A\n", None);
        check(b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", Some(MediaType::Bmp));
        check(b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\xFF\0\0\0", None);
    }

    #[test]
    fn a_cut_signature_is_no_riddle() {
        for cut in 3..8 {
            let flaw = media_type(&b"\x89PNG\r\n\x1A\n"[..cut], 5).unwrap_err();
            assert!(matches!(flaw, Flaw::Truncated { format: MediaType::Png, at: 5 }), "{flaw:?}");
        }
    }
}
