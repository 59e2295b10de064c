//! What must not be asked, and what may: `rows.txt` here, and the vectors beside the checkout where they are.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

use serde::Deserialize;
use url::{Host, Url};

use crate::support::Test;

const OURS: &str = include_str!("rows.txt");

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) url: String,
    expect: String,
    #[serde(default)]
    pub(super) resolve: BTreeMap<String, Vec<IpAddr>>,
    #[serde(default)]
    pub(super) resolve_seq: BTreeMap<String, Vec<Vec<IpAddr>>>,
    #[serde(default)]
    pub(super) redirects: Vec<String>,
    #[serde(default = "found")]
    pub(super) status: u16,
}

fn found() -> u16 {
    302
}

/// All rows that there are.
pub(super) fn all() -> Vec<Row> {
    let mut rows = ours();
    if let Some(path) = Test::shared("vectors/ssrf.json") {
        let text = fs::read_to_string(path).expect("it is there");
        rows.extend(serde_json::from_str::<Vec<Row>>(&text).expect("it is a list of rows"));
    }
    rows
}

/// Those of this folder.
pub(super) fn ours() -> Vec<Row> {
    OURS.lines().filter(|line| !line.starts_with('#')).map(Row::of_line).collect()
}

impl Row {
    fn of_line(line: &str) -> Self {
        let [expect, url, answers, why] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {line}")
        };
        assert!(["allow", "block"].contains(&expect), "{line}");
        let mut row = Self {
            id: format!("{url} ({why})"),
            url: url.to_owned(),
            expect: expect.to_owned(),
            resolve: BTreeMap::new(),
            resolve_seq: BTreeMap::new(),
            redirects: Vec::new(),
            status: found(),
        };
        if answers != "-" {
            let answers = answers.split(' ').map(|text| text.parse().expect("it is an address")).collect();
            row.resolve.extend(row.name().map(|name| (name, answers)));
        }
        row
    }

    pub(super) fn is_allowed(&self) -> bool {
        self.expect == "allow"
    }

    /// Its host, if that is a name.
    pub(super) fn name(&self) -> Option<String> {
        match Url::parse(&self.url).ok()?.host()? {
            Host::Domain(name) => Some(name.trim_end_matches('.').to_owned()),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }

    /// Whether a look-up decides, and not the name itself.
    pub(super) fn may_be_looked_up(&self) -> bool {
        self.name().is_some_and(|name| name.ends_with(".test"))
    }

    /// Each URL that is asked on the way, the last of all the image's own; none where the URL is none.
    pub(super) fn hops(&self) -> Vec<Url> {
        let mut hops: Vec<Url> = Url::parse(&self.url).into_iter().collect();
        for location in &self.redirects {
            let Some(next) = hops.last().and_then(|url| url.join(location).ok()) else { break };
            hops.push(next);
        }
        hops
    }

    /// The addresses at which it may be asked for, with the ports.
    pub(super) fn may_ask(&self) -> Vec<(IpAddr, u16)> {
        let hops = self.hops();
        // The last hop is the one that is refused. What changes its answers may be asked at the first ones.
        let refused = usize::from(!self.is_allowed() && self.resolve_seq.is_empty());
        let asked = &hops[..hops.len().saturating_sub(refused)];
        asked
            .iter()
            .flat_map(|url| {
                let port = url.port_or_known_default().unwrap_or(0);
                self.addresses(url).into_iter().map(move |address| (address, port))
            })
            .collect()
    }

    fn addresses(&self, url: &Url) -> Vec<IpAddr> {
        match url.host() {
            Some(Host::Ipv4(address)) => vec![address.into()],
            Some(Host::Ipv6(address)) => vec![IpAddr::from(address).to_canonical()],
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                let changing = self.resolve_seq.get(name).map(|all| all[..all.len() - 1].concat());
                changing.or_else(|| self.resolve.get(name).cloned()).unwrap_or_default()
            }
            None => Vec::new(),
        }
    }
}
