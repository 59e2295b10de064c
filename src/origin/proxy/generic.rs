//! Wrappers that no table knows, under the guards of PROXIES section 10: a URL inside a URL is not enough.

use std::collections::HashSet;

use crate::origin::proxy::decode;
use crate::origin::proxy::glob;
use crate::origin::proxy::index::Index;
use crate::origin::proxy::parts::{Parts, absolute};
use crate::origin::proxy::place::Place;
use crate::origin::proxy::source::{self, Form, Leniency};
use crate::origin::proxy::table::Words;

/// The names that generic layers are reported by.
pub(super) const NAMES: [&str; 4] =
    ["generic-path-embed", "generic-raw-query", "generic-image-proxy-param", "b64-path-generic"];

/// What the guards go by, ready for use.
#[derive(Clone, Debug, Default)]
pub(super) struct Generic {
    parameters: Vec<String>,
    options: HashSet<String>,
    path_words: Vec<String>,
    image_words: Vec<String>,
    extensions: HashSet<String>,
    image_hosts: Index,
    enabled: [bool; 4],
}

impl Generic {
    pub(super) fn new(words: Words) -> Result<Self, String> {
        let hosts = words.image_hosts.iter().map(|host| Place::parse(&[host, "/**"].concat(), None));
        Ok(Self {
            enabled: NAMES.map(|name| !words.off.iter().any(|off| off == name)),
            image_hosts: Index::new(hosts.collect::<Result<_, _>>()?),
            parameters: words.parameters,
            options: words.options.into_iter().collect(),
            path_words: words.path_words,
            image_words: words.image_words,
            extensions: words.extensions.into_iter().collect(),
        })
    }

    /// Whether the rule of this index into [`NAMES`] is asked at all.
    pub(super) fn is_enabled(&self, index: usize) -> bool {
        self.enabled[index]
    }

    /// The index into [`NAMES`] and the source. `is_known` tells whether a URL is a wrapper of the table.
    pub(super) fn source(
        &self,
        parts: &Parts<'_>,
        is_known: impl Fn(&str) -> bool,
    ) -> Option<(usize, String)> {
        if !may_hold_url(parts) {
            return None;
        }
        let looks_right = |url: &String| self.is_image(url) || is_known(url);
        let path = || self.in_path(parts).filter(looks_right);
        let query = || self.whole_query(parts).filter(looks_right);
        let parameter = || {
            let url = self.in_parameter(parts)?;
            (self.has_word(parts, &self.image_words) || looks_right(&url)).then_some(url)
        };
        let encoded = || self.in_base64(parts).filter(looks_right);
        let sources: [&dyn Fn() -> Option<String>; 4] = [&path, &query, &parameter, &encoded];
        let mut enabled = sources.iter().enumerate().filter(|(index, _)| self.enabled[*index]);
        enabled.find_map(|(index, source)| Some((index, source()?)))
    }

    /// Guard 1: at a segment boundary.
    fn in_path(&self, parts: &Parts<'_>) -> Option<String> {
        let (start, form) = source::find(parts.tail())?;
        let mut url = absolute_only(&source::decoded(&parts.tail()[start..], form, false), parts)?;
        if form != Form::Encoded
            && let Some(query) = parts.query
        {
            url.push('?');
            url.push_str(query);
        }
        Some(url)
    }

    /// Guard 3: all of the query.
    fn whole_query(&self, parts: &Parts<'_>) -> Option<String> {
        let query = parts.query?;
        absolute_only(&source::decoded(query, source::form(query)?, false), parts)
    }

    /// Guard 4: one parameter of a telling name, a telling path, and nothing beside it but options.
    fn in_parameter(&self, parts: &Parts<'_>) -> Option<String> {
        let is_ours = |name: &str| self.parameters.iter().any(|ours| ours.eq_ignore_ascii_case(name));
        let (_, value) = parts.parameters().find(|(name, _)| is_ours(name))?;
        let harmless = |(name, other): (&str, &str)| {
            other == value || self.options.contains(&name.to_ascii_lowercase()) || name.is_empty()
        };
        if !self.has_word(parts, &self.path_words) || !parts.parameters().all(harmless) {
            return None;
        }
        absolute_only(&decode::percent(value), parts)
    }

    /// Guard 2: the last segments, all of them, in base64.
    fn in_base64(&self, parts: &Parts<'_>) -> Option<String> {
        let tail = parts.tail();
        let start = if tail.starts_with("aHR0c") { 0 } else { tail.find("/aHR0c")? + 1 };
        let text = tail[start..].replace('/', "");
        absolute_only(&decode::base64(text.split('.').next()?)?, parts)
    }

    fn has_word(&self, parts: &Parts<'_>, words: &[String]) -> bool {
        path_words(parts.path).any(|word| words.iter().any(|pattern| glob::matches(pattern, &word)))
    }

    /// Whether a URL's own text says that it is an image: an extension, or a host that has nothing else.
    pub(super) fn is_image(&self, url: &str) -> bool {
        let parts = Parts::of(url);
        let mut pieces = parts
            .path
            .rsplit('.')
            .map(|piece| piece.split(|next: char| !next.is_ascii_alphanumeric()).next().unwrap_or(piece));
        let extensions = parts.path.matches('.').count();
        pieces
            .by_ref()
            .take(extensions)
            .any(|piece| piece.len() <= 5 && self.extensions.contains(&piece.to_ascii_lowercase()))
            || self.image_hosts.covers_host(&parts)
    }
}

/// A quick look that most URLs do not pass: an inner URL has a colon, an escape, or is base64.
fn may_hold_url(parts: &Parts<'_>) -> bool {
    let holds = |text: &str| memchr::memchr2(b':', b'%', text.as_bytes()).is_some();
    let base64 =
        || memchr::memchr_iter(b'R', parts.path.as_bytes()).any(|at| parts.path[at..].starts_with("R0c"));
    holds(parts.path) || parts.query.is_some_and(holds) || base64()
}

fn absolute_only(text: &str, parts: &Parts<'_>) -> Option<String> {
    let url = source::resolve(text, parts, &Leniency::default())?;
    (absolute(text).is_some() || source::form(text).is_some()).then_some(url)
}

/// `/api/picReverseUrl` → `api`, `pic`, `reverse`, `url`.
fn path_words(path: &str) -> impl Iterator<Item = String> {
    path.split(|next: char| !next.is_ascii_alphanumeric()).flat_map(|run| {
        let mut starts: Vec<_> = run
            .as_bytes()
            .windows(2)
            .enumerate()
            .filter(|(_, pair)| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
            .map(|(index, _)| index + 1)
            .collect();
        starts.push(run.len());
        let mut from = 0;
        starts.into_iter().map(move |to| run[std::mem::replace(&mut from, to)..to].to_ascii_lowercase())
    })
}
