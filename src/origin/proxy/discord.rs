//! Discord's external images: `<signature>/[%3Fquery/]<scheme>/<host>/<path>`.

use crate::origin::proxy::decode::percent;

/// The image's URL out of what follows `/external/`.
pub(super) fn target(tail: &str) -> Option<String> {
    let (_signature, rest) = tail.split_once('/')?;
    let (query, rest) = match rest.split_once('/') {
        Some((query, rest)) if query.starts_with("%3F") || query.starts_with("%3f") => (percent(query), rest),
        _ => ("".into(), rest),
    };
    let (scheme, address) = rest.split_once('/')?;
    (matches!(scheme, "http" | "https") && !address.is_empty())
        .then(|| [scheme, "://", address, &query].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_stands_before_the_scheme() {
        for (tail, expected) in [
            ("sig/https/a.b/c.png", Some("https://a.b/c.png")),
            ("sig/%3Fa%3D1%26b%3D2/http/a.b/c.png", Some("http://a.b/c.png?a=1&b=2")),
            ("sig/ftp/a.b/c.png", None),
            ("sig", None),
        ] {
            assert_eq!(target(tail).as_deref(), expected, "{tail}");
        }
    }
}
