//! One request as it came.

use url::{Position, Url};

/// A request, and the URL it meant.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The whole URL, its scheme told from the connection.
    pub(crate) url: String,
    /// The host by name, without a port.
    pub(crate) host: String,
    /// Path and query as they were sent.
    pub(crate) target: String,
    /// Names in lower case, in their order.
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    /// Reads a request's head, without the empty line. `None` when it is none, or names no host.
    pub(super) fn parse(head: &str, scheme: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let (_, authority) = headers.iter().find(|(name, _)| name == "host")?;
        let url = canonical(&format!("{scheme}://{authority}{target}"));
        let host = Url::parse(&url).ok()?.host_str()?.to_owned();
        Some(Self { method: method.to_owned(), url, host, target: target.to_owned(), headers })
    }

    /// The first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// The first query parameter of that name, decoded.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let url = Url::parse(&self.url).ok()?;
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The same request, for another URL.
    pub(super) fn for_url(&self, url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        Some(Self {
            url: canonical(url.as_str()),
            host: url.host_str()?.to_owned(),
            target: url[Position::BeforePath..Position::AfterQuery].to_owned(),
            ..self.clone()
        })
    }
}

/// One spelling for one URL: what a client would ask for, without the fragment.
pub(super) fn canonical(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => url[..Position::AfterQuery].to_owned(),
        Err(_) => url.to_owned(),
    }
}
