//! What each reference of a document names: an image out there, a kept one, or nothing of ours.
//!
//! Pure. Brings together what `document` finds and what `origin` knows, and asks nobody.

use std::collections::HashSet;

use url::Url;

use crate::blob::BlobName;
use crate::document::base::Base;
use crate::document::escape::Escapes;
use crate::document::extract::Found;
use crate::document::reference::Reference;
use crate::document::referrer::Policy;
use crate::document::span::Span;
use crate::media::MediaType;
use crate::origin::proxy::{Families, Layer};
use crate::origin::{OriginUrl, is_protocol_relative};

/// Which remote references are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every one.
    #[default]
    All,
    /// Those behind a wrapper.
    Proxied,
}

/// Which remote references are wanted; all others are left as they are. The empty lists want them all.
///
/// Hosts are in the URL Standard's form, and `*.` before one stands for every host below it. A reference has
/// two: the origin's, and the one that its wrapper is asked at; either counts. Its families are those of all
/// its wrappers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// All, or those behind a wrapper.
    pub scope: Scope,
    /// If there are any, only references to these hosts.
    pub include_hosts: Vec<String>,
    /// No references to these hosts, included or not.
    pub exclude_hosts: Vec<String>,
    /// If there are any, only references behind a wrapper of these families.
    pub include_families: Vec<String>,
    /// No references behind a wrapper of these families, included or not.
    pub exclude_families: Vec<String>,
}

/// What it takes to say what a reference names.
#[derive(Clone, Debug)]
pub struct Resolver {
    /// How wrappers are taken off.
    pub families: Families,
}

/// What the references of one document name. Each list is sorted by where it stands.
#[derive(Debug, Default)]
pub struct Resolved {
    /// Images on other people's servers.
    pub remote: Vec<Remote>,
    /// Links to kept images.
    pub kept: Vec<Link>,
    /// Where relative references lead.
    pub base: Base,
    /// Where the document is published, if it says so.
    pub page: Option<Url>,
}

/// A reference to an image on somebody's server.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Where it stands.
    pub reference: Reference,
    /// The image's own URL.
    pub origin: OriginUrl,
    /// The wrappers, outermost first.
    pub wrappers: Vec<Layer>,
    /// The referrer policy of its element or page, if it has one.
    pub policy: Option<Policy>,
    /// Whether it is a link that leads to an image rather than an image shown.
    pub link: bool,
    /// Whether it is wanted; if not, it is left as it is.
    pub wanted: bool,
}

impl Remote {
    /// The absolute URL that stands there; a root-relative wrapper as it is, where no base is known.
    #[must_use]
    pub fn url(&self) -> &str {
        self.wrappers.first().map_or_else(|| self.origin.as_str(), Layer::as_str)
    }
}

/// A reference that points at a kept image.
#[derive(Clone, Debug)]
pub struct Link {
    /// Where it stands.
    pub span: Span,
    /// How a URL is written there.
    pub escapes: Escapes,
    /// What it points at.
    pub blob: BlobName,
    /// The URL that stands there.
    pub url: String,
}

impl Resolver {
    /// Says what each of `found` names, and whether it is `wanted`. `ours` tells whether an absolute URL that
    /// looks like a kept link is one.
    #[must_use]
    pub fn resolve(&self, found: Found, wanted: &Wanted, ours: &dyn Fn(&str, BlobName) -> bool) -> Resolved {
        let base = found.base.as_deref().map(Base::of).unwrap_or_default();
        let url = base.url().cloned();
        let page = found.page.as_deref().and_then(|page| Url::parse(page).ok()).or_else(|| url.clone());
        let page = page.filter(|page| matches!(page.scheme(), "http" | "https"));
        let base = if found.has_inner_base { Base::Elsewhere(url.clone()) } else { base };
        let mut resolved = Resolved { base, page, ..Resolved::default() };
        // What the last of `resolved.remote` was made of: a post's cover is often its first image, too.
        let mut last = String::new();
        for mut reference in found.references {
            let text = std::mem::take(&mut reference.url);
            if let Some(same) = resolved.remote.last().filter(|_| text == last) {
                resolved.remote.push(Remote { reference, ..same.clone() });
                continue;
            }
            match self.name(reference, &text, url.as_ref(), ours) {
                Named::Kept(link) => resolved.kept.push(link),
                Named::Remote(mut remote) => {
                    remote.wanted = wanted.wants(&remote.origin, &remote.wrappers);
                    resolved.remote.push(remote);
                    last = text;
                }
                Named::Nothing => {}
            }
        }
        let mut links = Vec::new();
        for mut link in found.links {
            let text = std::mem::take(&mut link.url);
            match self.name(link, &text, url.as_ref(), ours) {
                Named::Kept(link) => resolved.kept.push(link),
                Named::Remote(mut remote) => {
                    remote.link = true;
                    remote.wanted = wanted.wants(&remote.origin, &remote.wrappers);
                    links.push(remote);
                }
                Named::Nothing => {}
            }
        }
        if !links.is_empty() {
            let shown: HashSet<&OriginUrl> = resolved.remote.iter().map(|remote| &remote.origin).collect();
            links.retain(|link| names_image(&link.origin) || shown.contains(&link.origin));
            resolved.remote.append(&mut links);
        }
        resolved.remote.sort_by_key(|remote| remote.reference.span);
        resolved
            .remote
            .dedup_by(|later, earlier| later.reference.span.start() < earlier.reference.span.end());
        resolved.kept.sort_by_key(|link| link.span);
        for remote in &mut resolved.remote {
            let own = found.policies.binary_search_by_key(&remote.reference.span, |(span, _)| *span);
            remote.policy = own.map(|at| found.policies[at].1).ok().or(found.policy);
        }
        resolved
    }

    fn name(
        &self,
        reference: Reference,
        text: &str,
        base: Option<&Url>,
        ours: &dyn Fn(&str, BlobName) -> bool,
    ) -> Named {
        if let Some(blob) = BlobName::from_link(text)
            && (!is_absolute(text) || ours(text, blob))
        {
            return Named::Kept(Link {
                span: reference.span,
                escapes: reference.escapes,
                blob,
                url: text.to_owned(),
            });
        }
        let Ok(unwrapped) = self.families.unwrap_with_base(text, base) else { return Named::Nothing };
        let (origin, wrappers) = (unwrapped.origin, unwrapped.layers);
        Named::Remote(Remote { reference, origin, wrappers, policy: None, link: false, wanted: true })
    }
}

impl Wanted {
    /// Whether a reference to `origin` behind `wrappers`, outermost first, is wanted.
    #[must_use]
    pub fn wants(&self, origin: &OriginUrl, wrappers: &[Layer]) -> bool {
        let in_scope = self.scope == Scope::All || !wrappers.is_empty();
        in_scope && self.wants_families(wrappers) && self.wants_hosts(origin, wrappers)
    }

    fn wants_families(&self, wrappers: &[Layer]) -> bool {
        let any =
            |names: &[String]| wrappers.iter().any(|layer| names.iter().any(|name| **name == *layer.family));
        (self.include_families.is_empty() || any(&self.include_families)) && !any(&self.exclude_families)
    }

    fn wants_hosts(&self, origin: &OriginUrl, wrappers: &[Layer]) -> bool {
        if self.include_hosts.is_empty() && self.exclude_hosts.is_empty() {
            return true;
        }
        let outer = wrappers.first().and_then(Layer::url);
        let hosts = [Some(origin.host()), outer.as_ref().and_then(Url::host_str)];
        let any = |patterns: &[String]| {
            hosts.iter().flatten().any(|host| patterns.iter().any(|pattern| host_matches(pattern, host)))
        };
        (self.include_hosts.is_empty() || any(&self.include_hosts)) && !any(&self.exclude_hosts)
    }
}

enum Named {
    Kept(Link),
    Remote(Remote),
    Nothing,
}

/// Whether a link's target is an image by its name.
fn names_image(origin: &OriginUrl) -> bool {
    let extension = origin.path().rsplit('/').next().and_then(|file| file.rsplit_once('.'));
    extension.is_some_and(|(_, extension)| is_image_extension(extension))
}

fn is_image_extension(extension: &str) -> bool {
    let extension = extension.to_ascii_lowercase();
    MediaType::from_extension(&extension).is_some()
        || matches!(extension.as_str(), "jpeg" | "jpe" | "jfif" | "apng" | "tif" | "heif" | "avifs")
}

/// Whether a browser would look for a host in `text`.
fn is_absolute(text: &str) -> bool {
    let scheme = text.split(['/', '?', '#']).next().is_some_and(|start| start.contains(':'));
    scheme || is_protocol_relative(text)
}

fn host_matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
        None => host == pattern,
    }
}
