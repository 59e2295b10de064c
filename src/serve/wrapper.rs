//! A request that was meant for a proxy: which image it asks for.
//!
//! Documents that nobody rewrote ask `https://proxy.example/?https://cdn.example/a.jpg`. Where the name of that proxy
//! leads to this machine, the request is that URL again, and is unwrapped as it would be in the document. Whatever
//! its host is, `/?<URL>`, `/?url=<URL>` and `/<URL>` are understood.

use hyper::header::{HOST, HeaderName, HeaderValue, LINK};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Response, Uri};
use percent_encoding::percent_decode_str;

use crate::catalog::OriginKey;
use crate::catalog::row::Snapshot;
use crate::origin::OriginUrl;
use crate::origin::proxy::Families;
use crate::serve::body::{Body, Way};
use crate::serve::precondition::http_date;
use crate::serve::{Error, Site, image};

/// RFC 7089, section 2.1.1.
const MEMENTO_DATETIME: HeaderName = HeaderName::from_static("memento-datetime");
/// RFC 9211.
pub(super) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Answers with the newest copy of the image that is asked for; `None` if it was never kept.
///
/// # Errors
/// When the store or the catalog cannot be read.
pub(super) fn answer(site: &Site, head: &Parts, way: &Way) -> Result<Option<Response<Body>>, Error> {
    for origin in origins(&site.families, head) {
        let Some(copy) = site.catalog.newest(OriginKey::of(&origin))? else { continue };
        let Some(blob) = copy.blob() else { continue };
        if let Some(loaded) = site.memory.load(&site.store, blob)? {
            let mut response = image::answer(blob, &loaded, head.into(), image::FOR_AN_HOUR, way);
            describe(&copy, &mut response);
            return Ok(Some(response));
        }
        tracing::warn!(origin = copy.origin, digest = %copy.digest, "a copy is not in the store");
    }
    Ok(None)
}

fn describe(copy: &Snapshot, response: &mut Response<Body>) {
    let headers = response.headers_mut();
    let taken = u64::try_from(copy.taken / 1000).unwrap_or(0);
    let fields = [
        (MEMENTO_DATETIME, http_date(taken)),
        (LINK, format!("<{}>; rel=\"original\"", copy.origin.replace('>', "%3E"))),
        (CACHE_STATUS, "imgkeep; hit".to_owned()),
    ];
    for (name, value) in fields {
        // The catalog has what is no URL when other hands wrote it.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

/// Whether the request can only be meant for a proxy: it has a query and no path, or a URL for its
/// path, or its host is a proxy's and all of it in that proxy's grammar.
#[must_use]
pub fn is_meant(families: &Families, head: &Parts) -> bool {
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let whole = || families.unwrap(&format!("http://{}{target}", host(head)?)).ok();
    (head.uri.path() == "/" && head.uri.query().is_some())
        || target.strip_prefix('/').and_then(absolute).is_some()
        || whole().is_some_and(|unwrapped| !unwrapped.layers.is_empty())
}

/// The images that the request may mean, the likeliest first.
#[must_use]
pub fn origins(families: &Families, head: &Parts) -> Vec<OriginUrl> {
    let mut origins: Vec<OriginUrl> = Vec::new();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let whole = host(head).map(|host| format!("http://{host}{target}"));
    for url in whole.into_iter().chain(inner(&head.uri)) {
        if let Ok(unwrapped) = families.unwrap(&url)
            && !origins.contains(&unwrapped.origin)
        {
            origins.push(unwrapped.origin);
        }
    }
    origins
}

/// The host that the client took us for, without port. A target in absolute form has it, and the authority of
/// HTTP/2; they outrank the Host field (RFC 9112, section 3.2.2).
fn host(head: &Parts) -> Option<String> {
    if let Some(host) = head.uri.host() {
        return Some(host.to_owned());
    }
    let field = head.headers.get(HOST)?.to_str().ok()?;
    Some(field.parse::<Authority>().ok()?.host().to_owned())
}

/// The URLs that stand in the request whatever its host is.
fn inner(uri: &Uri) -> impl Iterator<Item = String> {
    let query = uri.query();
    let whole_query = query.filter(|_| uri.path() == "/").and_then(absolute);
    let value =
        query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("url="));
    let parameter = value.and_then(|value| absolute(&percent_decode_str(value).decode_utf8().ok()?));
    // A URL that was not encoded ends where the wrapper's own query ends, not at its first `&`.
    let rest = query
        .and_then(|query| query.strip_prefix("url="))
        .filter(|rest| rest.contains('&'))
        .and_then(absolute);
    let path = uri.path_and_query().and_then(|target| absolute(target.as_str().strip_prefix('/')?));
    [whole_query, rest, parameter, path].into_iter().flatten()
}

/// `text` as an absolute URL, if it is one: as it is, percent-encoded as a whole, or with one slash of two left by a
/// server on the way.
fn absolute(text: &str) -> Option<String> {
    let end = text.bytes().take(6).take_while(u8::is_ascii_alphabetic).count();
    let (scheme, rest) = text.split_at(end);
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    if rest.get(..3).is_some_and(|colon| colon.eq_ignore_ascii_case("%3A")) {
        let text = percent_decode_str(text).decode_utf8().ok()?;
        return text.contains("://").then(|| text.into_owned());
    }
    let rest = rest.strip_prefix(":/")?;
    Some(format!("{scheme}://{}", rest.strip_prefix('/').unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins_of(target: &str, host: Option<&str>) -> Vec<String> {
        let mut request = hyper::Request::get(target);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        origins(&Families::builtin(), &head).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_shapes_of_the_dead_proxies_are_understood_at_any_host() {
        let image = "http://cdn.example/a.jpg?x=1";
        for target in [
            "/?http://cdn.example/a.jpg?x=1",
            "/?http%3A%2F%2Fcdn.example%2Fa.jpg%3Fx%3D1",
            "/?http%3a%2f%2fcdn.example%2fa.jpg%3fx=1",
            "/?url=http://cdn.example/a.jpg?x=1",
            "/?url=http%3A%2F%2Fcdn.example%2Fa.jpg%3Fx%3D1",
            "/?w=100&url=http%3A%2F%2Fcdn.example%2Fa.jpg%3Fx%3D1&h=9",
            "/http://cdn.example/a.jpg?x=1",
            "/http:/cdn.example/a.jpg?x=1",
            "/HTTP://cdn.example/a.jpg?x=1",
            "/http%3A%2F%2Fcdn.example%2Fa.jpg%3Fx%3D1",
            "/?url=http://wsrv.nl/?url=cdn.example%2Fa.jpg%3Fx%3D1",
        ] {
            for host in [None, Some("127.0.0.1:7420"), Some("blog.example"), Some("[::1]:80")] {
                let found = origins_of(target, host);
                assert!(found.iter().any(|found| found == image), "{target} at {host:?}: {found:?}");
            }
        }
    }

    #[test]
    fn the_host_says_which_proxy_was_meant() {
        for (host, target, origin) in [
            ("cors.zfour.workers.dev", "/?http://cdn.example/a.jpg", "http://cdn.example/a.jpg"),
            ("CORS.zfour.workers.dev:80", "/?http://cdn.example/a", "http://cdn.example/a"),
            ("i0.wp.com", "/cdn.example/a.jpg?ssl=1&w=300", "https://cdn.example/a.jpg"),
            ("wsrv.nl", "/?url=cdn.example/a.jpg&w=300", "http://cdn.example/a.jpg"),
            ("thingproxy.freeboard.io", "/fetch/https://cdn.example/a", "https://cdn.example/a"),
            // the image's own server
            ("cdn.example", "/a.jpg?x=1", "http://cdn.example/a.jpg?x=1"),
        ] {
            assert_eq!(
                origins_of(target, Some(host)).first().map(String::as_str),
                Some(origin),
                "{host}{target}"
            );
        }
        let absolute = origins_of("http://i0.wp.com/cdn.example/a.jpg", Some("127.0.0.1"));
        assert_eq!(absolute, ["http://cdn.example/a.jpg"], "the target's own host counts, not the field");
    }

    #[test]
    fn what_names_no_url_names_no_image() {
        for target in [
            "/",
            "/?x",
            "/?url=",
            "/?url=a.jpg",
            "/http",
            "/https:",
            "/http%3A",
            "/httpx://a.io/",
            "/?http%3Aa",
        ] {
            assert_eq!(origins_of(target, None), [""; 0], "{target}");
        }
        assert_eq!(origins_of("/a", Some("not a host")), [""; 0]);
    }
}
