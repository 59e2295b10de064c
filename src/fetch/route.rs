//! The operator's word on where a name really is: `fetch.connect_to`, after curl's `--connect-to`.

use std::collections::HashMap;
use std::net::SocketAddr;

use reqwest::header::HeaderValue;
use url::{Host, Url};

use super::guard::bare;

/// Rules from `host`, `host:port` or `*` to a socket address. The most particular one counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Routes {
    /// Hosts as [`Url`] writes them, without trailing dot.
    rules: HashMap<(Option<String>, Option<u16>), SocketAddr>,
}

impl Routes {
    /// Reads the rules; what cannot be read as a host is given back as the error.
    pub(super) fn new(rules: &HashMap<String, SocketAddr>) -> Result<Self, String> {
        let read = |(from, to): (&String, &SocketAddr)| {
            let key = if from == "*" { Some((None, None)) } else { host_and_port(from) };
            key.map(|key| (key, *to)).ok_or_else(|| from.clone())
        };
        Ok(Self { rules: rules.iter().map(read).collect::<Result<_, String>>()? })
    }

    /// Where a connection for `url` goes, if a rule says so.
    pub(super) fn find(&self, url: &Url) -> Option<SocketAddr> {
        let host = Some(bare(url.host_str()?).to_owned());
        let rule = |key| self.rules.get(&key).copied();
        rule((host.clone(), url.port_or_known_default()))
            .or_else(|| rule((host, None)))
            .or_else(|| rule((None, None)))
    }

    /// The hosts that rules name.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &String> {
        self.rules.keys().filter_map(|(host, _)| host.as_ref())
    }

    /// Every address that a rule leads to, some of them perhaps twice.
    pub(super) fn targets(&self) -> impl Iterator<Item = SocketAddr> {
        self.rules.values().copied()
    }
}

fn host_and_port(text: &str) -> Option<(Option<String>, Option<u16>)> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port.parse().ok()?)),
        _ => (text, None),
    };
    Some((Some(host(name)?), port))
}

/// A host that a person wrote, as [`Url`] writes it (lower case, Punycode) and without trailing dot.
pub(super) fn host(text: &str) -> Option<String> {
    let url = Url::parse(&format!("http://{text}/")).ok()?;
    let whole =
        url.path() == "/" && url.username().is_empty() && url.query().is_none() && url.port().is_none();
    whole.then_some(bare(url.host_str()?).to_owned())
}

/// The URL to send so that the connection goes to `target`, and the `Host` it must be sent with where the two
/// differ. The HTTP client asks our resolver only for names, and takes its port only where the URL has none.
///
/// An https URL with an address for a host is thus checked against the certificate of `target`.
pub(super) fn redirected(url: &Url, target: SocketAddr) -> (Url, Option<HeaderValue>) {
    let literal = !matches!(url.host(), Some(Host::Domain(_)));
    if !literal && url.port().is_none() {
        return (url.clone(), None);
    }
    let mut sent = url.clone();
    if literal {
        sent.set_ip_host(target.ip()).expect("http URLs can have any host");
    }
    sent.set_port(Some(target.port())).expect("http URLs can have any port");
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    (sent, Some(HeaderValue::from_str(authority).expect("hosts and ports of a URL are ASCII")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_particular_rule_counts() {
        let to = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let rules = [("cdn.test:443", 1), ("CDN.test", 2), ("[2606::1]:8080", 3), ("*", 4)];
        let rules = rules.map(|(from, port)| (from.to_owned(), to(port)));
        let routes = Routes::new(&HashMap::from(rules)).unwrap();
        let check =
            |url: &str, port| assert_eq!(routes.find(&Url::parse(url).unwrap()), Some(to(port)), "{url}");
        check("https://cdn.test/a", 1);
        check("https://cdn.test./a", 1);
        check("http://cdn.test/a", 2);
        check("http://[2606::1]:8080/a", 3);
        check("http://[2606::1]/a", 4);
        assert_eq!(routes.hosts().count(), 3);
    }

    #[test]
    fn what_is_no_host_is_given_back() {
        for text in ["", "a b", "a/b", "user@host", "host:port", "host:99999"] {
            let rule = HashMap::from([(text.to_owned(), SocketAddr::from(([127, 0, 0, 1], 1)))]);
            assert_eq!(Routes::new(&rule).unwrap_err(), text);
        }
    }

    #[test]
    fn only_what_the_client_would_not_send_there_is_changed() {
        let check = |url: &str, sent: &str, host: Option<&str>| {
            let (url, header) = redirected(&Url::parse(url).unwrap(), SocketAddr::from(([127, 0, 0, 1], 99)));
            assert_eq!((url.as_str(), header.as_ref().map(|value| value.to_str().unwrap())), (sent, host));
        };
        check("https://cdn.test/a?b", "https://cdn.test/a?b", None);
        check("http://cdn.test:8080/a", "http://cdn.test:99/a", Some("cdn.test:8080"));
        check("http://8.8.8.8/a", "http://127.0.0.1:99/a", Some("8.8.8.8"));
        check("http://[2606::1]:81/a", "http://127.0.0.1:99/a", Some("[2606::1]:81"));
    }
}
