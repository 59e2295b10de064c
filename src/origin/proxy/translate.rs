//! Google Translate's page proxy: the host's dots are dashes and its dashes are doubled.

use crate::origin::proxy::parts::Parts;

const OWN_PARAMETERS: &str = "_x_tr_";

/// The same address without the proxy. Punycode is left alone: its own dashes are written in other ways.
pub(super) fn page(parts: &Parts<'_>) -> Option<String> {
    let dashed = parts.host.strip_suffix(".translate.goog")?;
    if dashed.contains("xn--") || dashed.contains('.') {
        return None;
    }
    let host = dashed.split("--").map(|part| part.replace('-', ".")).collect::<Vec<_>>().join("-");
    let plain = parts.parameter("_x_tr_sch") == Some("http");
    let mut url = [if plain { "http://" } else { "https://" }, &host, parts.path].concat();
    let own = |pair: &&str| pair.trim_start_matches("amp;").starts_with(OWN_PARAMETERS);
    let kept: Vec<_> =
        parts.query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !own(pair)).collect();
    if !kept.is_empty() {
        url.push('?');
        url.push_str(&kept.join("&"));
    }
    host.contains('.').then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_become_dots() {
        for (url, expected) in [
            ("https://a-b-c.translate.goog/d?_x_tr_sl=en&e=1", Some("https://a.b.c/d?e=1")),
            ("https://a--b-c.translate.goog/d?_x_tr_sch=http", Some("http://a-b.c/d")),
            ("https://xn----a-b.translate.goog/d?_x_tr_sl=en", None),
            ("https://localhost.translate.goog/d?_x_tr_sl=en", None),
        ] {
            assert_eq!(page(&Parts::of(url)).as_deref(), expected, "{url}");
        }
    }
}
