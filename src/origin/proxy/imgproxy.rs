//! imgproxy's URL grammar (options/url.go): an optional signature, `name:value` options, then the source
//! plain, in base64, or encrypted.

/// How the source is written. Both are the end of the path.
pub(super) enum Source<'a> {
    /// After `plain/`.
    Plain(&'a str),
    /// Base64, perhaps cut by slashes, perhaps with an extension or a file name after it.
    Encoded(&'a str),
}

/// Options are left behind first: `wmu:` holds the base64 of a watermark's URL. Encrypted: `None`.
pub(super) fn source(tail: &str) -> Option<Source<'_>> {
    let mut rest = tail;
    if !is_option(rest)
        && let Some((_, after)) = rest.split_once('/')
        && is_option(after)
    {
        rest = after;
    }
    while is_option(rest) {
        rest = rest.split_once('/')?.1;
    }
    if let Some(plain) = rest.strip_prefix("plain/") {
        return Some(Source::Plain(plain));
    }
    (!rest.starts_with("enc/")).then_some(Source::Encoded(rest))
}

fn is_option(text: &str) -> bool {
    let segment = text.split('/').next().unwrap_or(text);
    segment.split_once(':').is_some_and(|(name, _)| {
        !matches!(name, "" | "http" | "https")
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_where_the_source_begins() {
        for (tail, expected) in [
            ("sig/rs:fit:1:1/g:ce/aHR0/cDov", Some("aHR0/cDov")),
            ("rs:fit:1:1/wmu:aHR0/plain/http://a", Some("http://a")),
            ("rs:fit/enc/abc", None),
            ("rs:fit", None),
        ] {
            let found = source(tail).map(|found| match found {
                Source::Plain(text) | Source::Encoded(text) => text,
            });
            assert_eq!(found, expected, "{tail}");
        }
    }
}
