//! What each kind of value may be: one function a kind, for `deserialize_with`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::Glob;
use ipnet::IpNet;
use serde::de::{Deserializer, Error};
use toml::Value;
use url::{Host, Url};

use crate::config::judge::{list, one, table};
use crate::config::{Readers, Scope, Source, size};
use crate::digest::Digest;
use crate::document::extract::ElementAttribute;

pub(super) fn switch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    one(deserializer, "true or false", Value::as_bool)
}

pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    one(deserializer, "a whole number from 1 to 1000", |value| {
        whole(value, 1..=1000).and_then(|number| usize::try_from(number).ok())
    })
}

pub(super) fn retries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    one(deserializer, "a whole number from 0 to 100", |value| {
        whole(value, 0..=100).and_then(|number| u32::try_from(number).ok())
    })
}

pub(super) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    one(deserializer, "a size above 0, such as \"64MiB\" or 1000000", |value| {
        let bytes = match value {
            Value::String(text) => size::parse(text)?,
            value => whole(value, 0..=i64::MAX)?,
        };
        (bytes > 0).then_some(bytes)
    })
}

/// A size, or 0 where that means none.
pub(super) fn bandwidth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    one(deserializer, "a size, such as \"2MiB\", or 0", |value| match value {
        Value::String(text) => size::parse(text),
        value => whole(value, 0..=i64::MAX),
    })
}

pub(super) fn placeholder_urls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    one(deserializer, "a whole number from 2 to 1000, or 0", |value| {
        whole(value, 0..=1000).filter(|number| *number != 1).and_then(|number| usize::try_from(number).ok())
    })
}

pub(super) fn digests<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Digest>, D::Error> {
    list(deserializer, "SHA-256 digests of 64 hex digits", |text| text.parse().ok())
}

pub(super) fn optional_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    one(deserializer, "an http(s) URL or \"\"", |value| match value.as_str()? {
        "" => Some(None),
        text => web_url(text).map(Some),
    })
}

pub(super) fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    one(deserializer, "a number of seconds above 0, at most a day", |value| {
        seconds(value).filter(|time| !time.is_zero())
    })
}

pub(super) fn pause<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    one(deserializer, "a number of seconds from 0 to a day", seconds)
}

pub(super) fn days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    one(deserializer, "a whole number of days from 0 to 36500", |value| {
        whole(value, 0..=36_500).map(|days| Duration::from_secs(days * DAY))
    })
}

pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    one(deserializer, "a path", |value| value.as_str().and_then(some_path))
}

/// The empty text is no path.
pub(super) fn optional_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    one(deserializer, "a path or \"\"", |value| value.as_str().map(some_path))
}

pub(super) fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    list(deserializer, "paths", some_path)
}

/// Only SQLite so far. `sqlite:///abs` is the same as `sqlite:/abs`; with two slashes a relative path and a
/// host look alike, so that is refused.
pub(super) fn catalog_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    one(deserializer, "\"sqlite:PATH\", such as \"sqlite:cache/catalog.db\"", |value| {
        let path = value.as_str()?.strip_prefix("sqlite:")?;
        let path = match path.strip_prefix("//") {
            Some(absolute) if absolute.starts_with('/') => absolute,
            Some(_) => return None,
            None => path,
        };
        (!path.is_empty()).then(|| format!("sqlite:{path}"))
    })
}

pub(super) fn scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scope, D::Error> {
    one(deserializer, "\"all\" or \"proxied\"", |value| match value.as_str()? {
        "all" => Some(Scope::All),
        "proxied" => Some(Scope::Proxied),
        _ => None,
    })
}

pub(super) fn readers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Readers, D::Error> {
    one(deserializer, "\"loopback\", \"all\" or \"none\"", |value| match value.as_str()? {
        "loopback" => Some(Readers::Loopback),
        "all" => Some(Readers::All),
        "none" => Some(Readers::None),
        _ => None,
    })
}

pub(super) fn sources<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Source>, D::Error> {
    const WANTED: &str = "some of \"origin\", \"proxy\", \"wayback\"";
    let sources = list(deserializer, WANTED, |text| match text {
        "origin" => Some(Source::Origin),
        "proxy" => Some(Source::Proxy),
        "wayback" => Some(Source::Wayback),
        _ => None,
    })?;
    let twice = (1..sources.len()).any(|index| sources[..index].contains(&sources[index]));
    if sources.is_empty() || twice {
        return Err(D::Error::custom(format!("must hold {WANTED}, at least one and none twice")));
    }
    Ok(sources)
}

pub(super) fn globs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer, "globs such as \"posts/**/*.md\"", |text| {
        (!text.is_empty() && Glob::new(text).is_ok()).then(|| text.to_owned())
    })
}

/// HTML compares attribute names without regard to ASCII case.
pub(super) fn attributes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer, "attribute names such as \"data-lazy\"", |text| {
        let outside = |c: char| c.is_whitespace() || c.is_control() || "\"'<>/=".contains(c);
        (!text.is_empty() && !text.contains(outside)).then(|| text.to_ascii_lowercase())
    })
}

/// The Selectors Level 4 form of an attribute that an element has (section 6.1), and nothing more of it.
pub(super) fn elements<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ElementAttribute>, D::Error> {
    list(deserializer, "\"element[attribute]\", such as \"x-photo[full]\"", |text| {
        let (element, attribute) = text.strip_suffix(']')?.split_once('[')?;
        let outside = |c: char| c.is_whitespace() || c.is_control() || "\"'<>/=[]".contains(c);
        let is_name = |name: &str| !name.is_empty() && !name.contains(outside);
        // In HTML only a letter opens a tag (HTML Standard, section 13.2.5.6).
        let is_pair =
            element.starts_with(|c: char| c.is_ascii_alphabetic()) && is_name(element) && is_name(attribute);
        is_pair.then(|| ElementAttribute {
            element: element.to_ascii_lowercase(),
            attribute: attribute.to_ascii_lowercase(),
        })
    })
}

pub(super) fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer, "names of proxy families, such as \"weserv\"", |text| {
        (!text.is_empty()).then(|| text.to_owned())
    })
}

pub(super) fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer, "keys such as \"cover\" or \"seo.card\"", |text| {
        text.split('.').all(|part| !part.trim().is_empty()).then(|| text.to_owned())
    })
}

pub(super) fn host_patterns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer, "hosts such as \"cdn.example\" or \"*.cdn.example\"", |text| {
        match text.strip_prefix("*.") {
            Some(parent) => Some(format!("*.{}", host(parent)?)),
            None => host(text),
        }
    })
}

pub(super) fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer, "hosts such as \"images.example\"", host)
}

/// A network with host bits set names one address and means many, or the other way round.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    list(
        deserializer,
        "networks from their first address, such as \"192.168.1.0/24\" or \"::1/128\"",
        |text| text.parse().ok().filter(|network: &IpNet| *network == network.trunc()),
    )
}

pub(super) fn proxies<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer, "http(s) URLs with {url} in them", |text| {
        let (before, after) = text.split_once("{url}")?;
        web_url(&format!("{before}x{after}")).map(|_| text.to_owned())
    })
}

pub(super) fn connect_to<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, SocketAddr>, D::Error> {
    let wanted = "\"host\", \"host:port\" or \"*\" with an \"ip:port\", such as \"127.0.0.1:8080\"";
    table(deserializer, wanted, |name, value| {
        let address: SocketAddr = value.as_str()?.parse().ok()?;
        (address.port() != 0).then_some((connect_name(name)?, address))
    })
}

pub(super) fn resolve<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<IpAddr>>, D::Error> {
    table(deserializer, "\"host\" with a list of addresses, such as [\"192.0.2.7\"]", |name, value| {
        let addresses: Option<Vec<IpAddr>> = match value {
            Value::Array(items) => items.iter().map(|item| item.as_str()?.parse().ok()).collect(),
            Value::String(text) => text.split(',').map(|item| item.trim().parse().ok()).collect(),
            _ => None,
        };
        Some((host(name)?, addresses?))
    })
}

/// What RFC 9110, section 5.5 lets a field value hold, less what only old senders used.
pub(super) fn user_agent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    one(deserializer, "a text of printable ASCII", |value| {
        let text = value.as_str()?.trim().replace("{version}", env!("CARGO_PKG_VERSION"));
        let printable = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        (!text.is_empty() && printable).then_some(text)
    })
}

/// A blob's relative path is put right after a prefix, and both into quotes, parentheses or brackets.
pub(super) fn link<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    one(deserializer, "\"relative\" or a prefix that ends in `/`, such as \"/images/\"", |value| {
        let text = value.as_str()?;
        let outside = |c: char| c.is_whitespace() || c.is_control() || "\"'<>()[]`\\".contains(c);
        let prefix = (text.ends_with('/') || text.contains('?')) && !text.contains(outside);
        (text == "relative" || prefix).then(|| text.to_owned())
    })
}

pub(super) fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    one(deserializer, "an \"ip:port\", such as \"127.0.0.1:7420\"", |value| value.as_str()?.parse().ok())
}

/// As the `Origin` header of the Fetch Standard writes them, to be compared as text.
pub(super) fn web_origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer, "web origins such as \"https://blog.example\", or \"*\"", |text| {
        if text == "*" {
            return Some(text.to_owned());
        }
        let url = web_url(text)?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        (bare && url.username().is_empty()).then(|| url.origin().ascii_serialization())
    })
}

const DAY: u64 = 24 * 60 * 60;

fn whole(value: &Value, range: RangeInclusive<i64>) -> Option<u64> {
    let number = value.as_integer().filter(|number| range.contains(number))?;
    u64::try_from(number).ok()
}

fn seconds(value: &Value) -> Option<Duration> {
    let time = match value {
        Value::Integer(number) => Duration::from_secs(u64::try_from(*number).ok()?),
        Value::Float(number) => Duration::try_from_secs_f64(*number).ok()?,
        _ => return None,
    };
    (time <= Duration::from_secs(DAY)).then_some(time)
}

fn some_path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| Path::new(text).to_owned())
}

/// As it looks in a parsed URL.
fn host(text: &str) -> Option<String> {
    Host::parse(text).ok().map(|host| host.to_string()).filter(|host| !host.contains('*'))
}

fn connect_name(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_owned());
    }
    match text.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((name, port)) if !port.ends_with(']') => {
            let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
            Some(format!("{}:{port}", host(name)?))
        }
        _ => host(text),
    }
}

fn web_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}
