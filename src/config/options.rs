//! Hands each module its own options.

use std::collections::HashMap;
use std::num::NonZeroU64;

use crate::config::{Config, Error, Scope, Source};
use crate::crawl;
use crate::document::extract::Rules;
use crate::fetch;
use crate::files::replace;
use crate::ladder::{self, placeholder};
use crate::media;
use crate::ops::Reader;
use crate::origin::proxy::Families;
use crate::resolve::{self, Resolver};
use crate::rewrite::link;

impl Config {
    /// How documents are found, read and understood.
    ///
    /// # Errors
    /// When the link style is none; the configuration judged it before.
    pub fn reader(&self, families: Families) -> Result<Reader, link::ParseError> {
        Ok(Reader {
            crawl: self.crawl_options(),
            rules: Rules {
                attributes: self.references.attributes.clone(),
                front_matter_keys: self.references.front_matter_keys.clone(),
            },
            resolver: Resolver {
                families,
                scope: match self.references.scope {
                    Scope::All => resolve::Scope::All,
                    Scope::Proxied => resolve::Scope::Proxied,
                },
                exclude_hosts: self.references.exclude_hosts.clone(),
            },
            link: self.rewrite.link.parse()?,
        })
    }

    fn crawl_options(&self) -> crawl::Options {
        crawl::Options {
            include: self.documents.include.clone(),
            exclude: self.documents.exclude.clone(),
            max_bytes: self.documents.max_bytes,
            store: Some(self.store.path.clone()),
        }
    }

    /// How images are downloaded.
    ///
    /// # Errors
    /// When a certificate file cannot be read.
    pub fn fetch_options(&self) -> Result<fetch::Options, Error> {
        let fetch = &self.fetch;
        let certificate = |path: &std::path::PathBuf| {
            std::fs::read(path).map_err(|source| Error::Read { path: path.clone(), source })
        };
        Ok(fetch::Options {
            concurrency: fetch.concurrency,
            per_host: fetch.per_host,
            timeout: fetch.timeout,
            connect_timeout: fetch.connect_timeout,
            idle_timeout: fetch.idle_timeout,
            max_bytes: fetch.max_bytes,
            retries: fetch.retries,
            bandwidth: NonZeroU64::new(fetch.bandwidth),
            allow_networks: fetch.allow_networks.clone(),
            deny_networks: fetch.deny_networks.clone(),
            connect_to: fetch.connect_to.clone().into_iter().collect::<HashMap<_, _>>(),
            resolve: fetch.resolve.clone().into_iter().collect(),
            root_certificates: fetch.root_certificates.iter().map(certificate).collect::<Result<_, _>>()?,
            user_agent: fetch.user_agent.clone(),
            ..fetch::Options::default()
        })
    }

    /// Whom to ask for images.
    #[must_use]
    pub fn ladder_options(&self) -> ladder::Options {
        let fetch = &self.fetch;
        ladder::Options {
            sources: fetch.sources.iter().map(|source| (*source).into()).collect(),
            proxies: fetch.proxies.clone(),
            site: fetch.site.clone(),
            placeholders: placeholder::Options {
                urls: fetch.placeholder_urls,
                known: fetch.placeholders.clone(),
                genuine: fetch.genuine.clone(),
            },
        }
    }

    /// How documents are replaced.
    #[must_use]
    pub fn replace_options(&self) -> replace::Options {
        replace::Options { in_place: self.rewrite.in_place, ..replace::Options::default() }
    }

    /// What counts as a sane image.
    #[must_use]
    pub fn media_limits(&self) -> media::Limits {
        media::Limits::default()
    }
}

impl From<Source> for ladder::Kind {
    fn from(source: Source) -> Self {
        match source {
            Source::Origin => Self::Origin,
            Source::Proxy => Self::Proxy,
            Source::Wayback => Self::Wayback,
        }
    }
}
