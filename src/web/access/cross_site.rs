//! Whether a request comes from a page of another site, which has no business changing anything here.
//!
//! A browser says so itself: in `Origin`, which it sends with every POST (Fetch Standard, section 3.2), and in
//! `Sec-Fetch-Site`. Programs send neither.

use hyper::header::{HOST, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use url::Url;

use crate::web::access::Refusal;

/// Whether `head` is known to come from a page of ours. `is_tls`: whether we speak TLS ourselves; where we do not,
/// a proxy before us may.
pub(super) fn judge(head: &Parts, is_tls: bool) -> Result<bool, Refusal> {
    let mut is_own_page = false;
    for origin in head.headers.get_all(ORIGIN) {
        let origin = origin.to_str().map_err(|_| Refusal::OtherSite)?;
        if !is_ours(head, origin, is_tls) {
            return Err(Refusal::OtherSite);
        }
        is_own_page = true;
    }
    for site in head.headers.get_all("sec-fetch-site") {
        match site.as_bytes() {
            b"same-origin" => is_own_page = true,
            // Typed in by the user.
            b"none" => {}
            _ => return Err(Refusal::OtherSite),
        }
    }
    Ok(is_own_page)
}

/// Whether `head`, which changes nothing, may be answered: a page of another site may lead here, but has no use for
/// what it loads from here, which would only keep us busy.
pub(super) fn judge_look(head: &Parts) -> Result<(), Refusal> {
    let is = |name: &str, values: &[&str]| {
        head.headers
            .get(name)
            .is_some_and(|value| values.iter().any(|known| value.as_bytes() == known.as_bytes()))
    };
    let is_foreign = is("sec-fetch-site", &["cross-site", "same-site"]);
    if is_foreign && !is("sec-fetch-mode", &["navigate"]) { Err(Refusal::OtherSite) } else { Ok(()) }
}

fn is_ours(head: &Parts, origin: &str, is_tls: bool) -> bool {
    let field = || head.headers.get(HOST)?.to_str().ok()?.parse::<Authority>().ok();
    let Some(authority) = head.uri.authority().cloned().or_else(field) else { return false };
    let schemes: &[&str] = if is_tls { &["https"] } else { &["http", "https"] };
    // Ports that are a scheme's usual ones are left out by either side.
    let parse = |text: String| Url::parse(&text).ok().map(|url| url.origin().ascii_serialization());
    let of_host = |scheme: &&str| parse(format!("{scheme}://{authority}/"));
    // `null` is no URL, so it is nobody's.
    parse(origin.to_owned())
        .is_some_and(|origin| schemes.iter().filter_map(of_host).any(|ours| ours == origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, field: (&str, &str), is_tls: bool, expected: Result<bool, Refusal>) {
        let request = hyper::Request::builder().uri("/retry").header(HOST, host).header(field.0, field.1);
        let head = request.body(()).unwrap().into_parts().0;
        assert_eq!(judge(&head, is_tls), expected, "{host} {field:?}");
    }

    #[test]
    fn only_our_own_pages_may_send_forms() {
        for (host, origin, is_ours) in [
            ("localhost:7420", "http://localhost:7420", true),
            ("images.example", "https://images.example", true),
            ("images.example:443", "https://images.example", true),
            ("images.example", "http://images.example:80", true),
            ("[::1]:7420", "http://[::1]:7420", true),
            ("localhost:7420", "http://localhost:7421", false),
            ("localhost:7420", "http://127.0.0.1:7420", false),
            ("localhost:7420", "http://evil.test", false),
            ("localhost:7420", "http://localhost:7420.evil.test", false),
            ("localhost:7420", "null", false),
            ("localhost:7420", "", false),
            ("localhost:7420", "file:///", false),
        ] {
            let expected = if is_ours { Ok(true) } else { Err(Refusal::OtherSite) };
            check(host, ("origin", origin), false, expected);
        }
        check("a.example", ("origin", "http://a.example"), true, Err(Refusal::OtherSite));
        check("a.example", ("origin", "https://a.example"), true, Ok(true));
    }

    #[test]
    fn a_browser_says_whose_page_it_was() {
        for (site, expected) in [
            ("same-origin", Ok(true)),
            ("none", Ok(false)),
            ("same-site", Err(Refusal::OtherSite)),
            ("cross-site", Err(Refusal::OtherSite)),
            ("", Err(Refusal::OtherSite)),
        ] {
            check("localhost", ("sec-fetch-site", site), false, expected);
        }
        check("localhost", ("accept", "*/*"), false, Ok(false));
    }
}
