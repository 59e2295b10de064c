//! One way in which one family's URLs are read: the kinds that `config/proxies.toml` describes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::origin::OriginUrl;
use crate::origin::proxy::decode::{self, Codec};
use crate::origin::proxy::glob;
use crate::origin::proxy::parts::{Parts, pairs};
use crate::origin::proxy::source::{self, Form, Leniency, Missing, Relative};
use crate::origin::proxy::{discord, imgproxy, json, thumbor, translate, urldefense};

/// Where in the wrapper the source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Take {
    Query,
    Parameter,
    PathParameter,
    Embedded,
    Encoded,
    Base,
    Fragment,
    Thumbor,
    Imgproxy,
    Json,
    Urldefense,
    Discord,
    Translate,
}

impl Take {
    /// Whether the place is all of the path, so that nothing of the source follows it there.
    fn is_beside_path(self) -> bool {
        matches!(self, Self::Query | Self::Parameter | Self::Fragment | Self::Translate | Self::Urldefense)
    }
}

/// The keys of a family besides its name and places; `config/proxies.toml` says what each means.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) enabled: Option<bool>,
    pub(super) at: Vec<String>,
    pub(super) take: Option<Take>,
    pub(super) names: Vec<String>,
    pub(super) base: Option<String>,
    pub(super) image: bool,
    pub(super) open: bool,
    inner_hosts: Vec<String>,
    require: Vec<String>,
    codec: Codec,
    bare: Option<Missing>,
    slashes: Option<Missing>,
    relative: Option<Relative>,
    https_if: Option<String>,
    drop_query: bool,
    query_from: Option<String>,
    strip: Vec<String>,
    decode: bool,
    endings: Vec<String>,
    after_host: Option<String>,
    prefixes: BTreeMap<String, String>,
    replace: BTreeMap<String, String>,
    from_http: bool,
    to_end: bool,
    join: bool,
    cut_fragment: bool,
}

impl Rule {
    /// Whether [`Self::source`] wants a place that is all of the path.
    pub(super) fn is_beside_path(&self) -> bool {
        self.take.is_some_and(Take::is_beside_path)
    }

    /// Whether this family leads to `inner`'s host.
    pub(super) fn allows(&self, inner: &OriginUrl) -> bool {
        let matches = |pattern: &String| glob::matches(pattern, inner.host());
        self.inner_hosts.is_empty() || self.inner_hosts.iter().any(matches)
    }

    /// The absolute URL inside `parts`, whose path has `tail` after the rule's place.
    pub(super) fn source(&self, parts: &Parts<'_>, tail: &str) -> Option<String> {
        if !self.require.iter().all(|wanted| has(parts, wanted)) {
            return None;
        }
        match self.take? {
            Take::Query => {
                let query = parts.query?;
                let form = source::form(query).unwrap_or(Form::Raw);
                self.absolute(&source::decoded(query, form, self.decode), parts)
            }
            Take::Parameter if self.join => {
                let values = self.names.iter().map(|name| Some(decode::percent(parts.parameter(name)?)));
                self.absolute(&values.collect::<Option<Vec<_>>>()?.concat(), parts)
            }
            Take::Parameter if self.to_end => self.names.iter().find_map(|name| {
                let (_, value) = parts.query?.split_once(&[name, "="].concat())?;
                self.value(value, parts)
            }),
            Take::Parameter => self.named(parts, || parts.parameters()),
            Take::PathParameter => self
                .named(parts, || pairs(tail))
                .or_else(|| self.named(parts, || tail.split('/').filter_map(|pair| pair.split_once('=')))),
            Take::Embedded => self.embedded(tail, parts),
            Take::Encoded => self.encoded(tail, parts),
            Take::Base => self.based(tail, parts),
            Take::Fragment => {
                let fragment = parts.fragment?;
                let form = source::form(fragment)?;
                self.absolute(&source::decoded(fragment, form, self.decode), parts)
            }
            Take::Thumbor => self.written_here(thumbor::image(tail)?, parts),
            Take::Imgproxy => match imgproxy::source(tail)? {
                imgproxy::Source::Plain(plain) => self.written_here(plain, parts),
                imgproxy::Source::Encoded(segments) => self.encoded(segments, parts),
            },
            Take::Json => self.absolute(&json::find(tail, &self.names)?, parts),
            Take::Urldefense => self.absolute(&urldefense::target(parts)?, parts),
            Take::Discord => self.absolute(&discord::target(tail)?, parts),
            Take::Translate => self.absolute(&translate::page(parts)?, parts),
        }
    }

    /// The first of `self.names` that holds a source.
    fn named<'a, I: Iterator<Item = (&'a str, &'a str)>>(
        &self,
        parts: &Parts<'_>,
        list: impl Fn() -> I,
    ) -> Option<String> {
        self.names.iter().find_map(|name| {
            list()
                .filter(|(key, _)| key.eq_ignore_ascii_case(name))
                .find_map(|(_, value)| self.value(value, parts))
        })
    }

    fn value(&self, value: &str, parts: &Parts<'_>) -> Option<String> {
        let text = self.codec.decode(value)?;
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&text);
        self.absolute(source::without_endings(text, &self.endings), parts)
    }

    /// What follows is the source, or options and then the source.
    fn embedded(&self, tail: &str, parts: &Parts<'_>) -> Option<String> {
        self.written_here(tail, parts).or_else(|| {
            let (start, _) = source::find(tail)?;
            self.written_here(&tail[start..], parts)
        })
    }

    /// The source is `text`, to the end of the path, and perhaps of the query.
    fn written_here(&self, text: &str, parts: &Parts<'_>) -> Option<String> {
        let cut = source::without_endings(text, &self.endings);
        // What people leave unescaped in a source pushes an ending such as `@webp` into the query.
        let query = parts.query.filter(|_| !self.drop_query);
        let query = if cut.len() == text.len() {
            query.map(|query| source::without_endings(query, &self.endings))
        } else {
            query
        };
        let form = source::form(cut).unwrap_or(Form::Raw);
        let mut url = self.absolute(&source::decoded(cut, form, self.decode), parts)?;
        let own_query = self.query_from.as_ref().and_then(|name| parts.parameter(name));
        if let Some(value) = own_query.filter(|value| !value.is_empty()) {
            url.push('?');
            url.push_str(&decode::percent(value));
        }
        if form != Form::Encoded && !url.contains('?') {
            push_query(&mut url, query, &self.strip);
        }
        Some(url)
    }

    /// One encoded segment, or several that were one. An extension for the output may follow, or a file name.
    fn encoded(&self, tail: &str, parts: &Parts<'_>) -> Option<String> {
        let segments: Vec<_> = tail.split('/').collect();
        let marked = |segment: &&str| match self.codec {
            Codec::ReversedBase64 => segment.ends_with("c0RHa"),
            _ => segment.starts_with("aHR0c"),
        };
        let start = segments.iter().position(marked).unwrap_or(0);
        let segments = &segments[start..];
        [segments.len(), segments.len() - 1, 1].into_iter().find_map(|count| {
            let text = segments[..count].concat();
            let text = self.encoding().decode(text.split('.').next()?)?;
            self.absolute(&if self.decode { decode::percent(&text) } else { text }, parts)
        })
    }

    /// Base64, where percent escapes would be no encoding at all.
    fn encoding(&self) -> Codec {
        if self.codec == Codec::Percent { Codec::Base64 } else { self.codec }
    }

    /// The same path on another host.
    fn based(&self, tail: &str, parts: &Parts<'_>) -> Option<String> {
        let tail = match self.codec {
            Codec::Percent if self.decode => decode::percent(tail),
            Codec::Percent => Cow::Borrowed(tail),
            codec => codec.decode(tail)?,
        };
        let tail = tail.trim_start_matches('/');
        if tail.is_empty() || source::form(tail).is_some() {
            return None;
        }
        let mut url = [self.base.as_deref()?, tail].concat();
        if !self.drop_query && !url.contains('?') {
            push_query(&mut url, parts.query, &self.strip);
        }
        Some(url)
    }

    fn absolute(&self, text: &str, parts: &Parts<'_>) -> Option<String> {
        let mut text = Cow::Borrowed(text);
        for (from, to) in &self.replace {
            text = Cow::Owned(text.replace(from, to));
        }
        if let Some((rest, to)) =
            self.prefixes.iter().find_map(|(from, to)| Some((text.strip_prefix(from)?, to)))
        {
            text = Cow::Owned([to, rest].concat());
        }
        if self.from_http {
            text = Cow::Owned(text[text.find("http")?..].to_owned());
        }
        if let Some(option) = &self.after_host {
            text = Cow::Owned(source::without_option(&text, option).into_owned());
        }
        let secure = self.https_if.as_ref().is_some_and(|wanted| has(parts, wanted));
        let bare = self.bare.map(|bare| if secure { Missing::Https } else { bare });
        let leniency = Leniency { bare, slashes: self.slashes, relative: self.relative };
        let mut url = source::resolve(&text, parts, &leniency)?;
        if self.cut_fragment
            && let Some(fragment) = url.find('#')
        {
            url.truncate(fragment);
        }
        Some(url)
    }
}

/// Whether the query has `name`, or `name=value` if that is what is wanted.
fn has(parts: &Parts<'_>, wanted: &str) -> bool {
    let (name, value) = wanted.split_once('=').map_or((wanted, None), |(name, value)| (name, Some(value)));
    parts.parameter(name).is_some_and(|found| value.is_none_or(|value| value == found))
}

/// Appends what is left of `query` without the options named in `strip`. An empty query is one, too.
fn push_query(url: &mut String, query: Option<&str>, strip: &[String]) {
    let Some(query) = query else { return };
    if strip.is_empty() {
        url.push('?');
        url.push_str(query);
        return;
    }
    let named = |pair: &str| strip.iter().any(|name| pair.split('=').next() == Some(name));
    let kept: Vec<_> = query.split('&').filter(|pair| !named(pair.trim_start_matches("amp;"))).collect();
    if !kept.is_empty() {
        url.push('?');
        url.push_str(&kept.join("&"));
    }
}
