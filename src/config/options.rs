//! Hands each module its own options.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use crate::config::{Config, Error, Fetch, Override, References, Scope, Source, layers, overrides};
use crate::crawl;
use crate::digest::Digest;
use crate::fetch;
use crate::files::replace::{self, Mtime};
use crate::ladder::{self, placeholder};
use crate::media;
use crate::ops::Reader;
use crate::ops::rules::{Change, Rulebook};
use crate::origin::proxy::Families;
use crate::resolve::{self, Resolver};

impl Config {
    /// How documents are found, read and understood.
    ///
    /// # Errors
    /// `UnknownFamily` if `families` has none of a name, `Pattern` or `Link` if one of those is malformed.
    pub fn reader(&self, families: Families) -> Result<Reader, Error> {
        let mut rules = Rulebook::new(&self.references.change("references", |_| true, &families)?);
        for part in &self.overrides {
            let is_set = |key: &str| part.keys.iter().any(|set| set == key);
            let change = part.references.change(overrides::NAME, is_set, &families)?;
            rules.change_in(&part.folder, part.files.clone(), change)?;
        }
        Ok(Reader {
            crawl: self.crawl_options(),
            rules,
            resolver: Resolver { families },
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
        let certificate =
            |path: &PathBuf| std::fs::read(path).map_err(|source| Error::Read { path: path.clone(), source });
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
            own: vec![self.server.listen],
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

    /// Equal for two configurations under which `archive` does the same, wherever either was read: paths count by where
    /// they lead, and files by what they hold. What only serving, watching and collecting garbage depend on is left out.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let Self { documents, references, overrides, fetch, rewrite, .. } = self;
        let (store, catalog) = (&self.store.path, self.catalog.url.trim_start_matches("sqlite:"));
        let overrides = overrides.iter().map(|part| Override { folder: place(&part.folder), ..part.clone() });
        let overrides: Vec<Override> = overrides.collect();
        let held = references.families.iter().chain(&fetch.root_certificates).map(|path| held(path));
        let held: Vec<Option<Digest>> = held.collect();
        let references = References { families: None, ..references.clone() };
        let fetch = Fetch { root_certificates: Vec::new(), ..fetch.clone() };
        let text = format!(
            "{} {:?} {:?} {documents:?} {references:?} {overrides:?} {fetch:?} {rewrite:?} {held:?}",
            env!("CARGO_PKG_VERSION"),
            place(store),
            place(Path::new(catalog)),
        );
        Digest::of(text.as_bytes()).to_string()[..16].to_owned()
    }

    /// How documents are replaced.
    #[must_use]
    pub fn replace_options(&self) -> replace::Options {
        let mtime = if self.rewrite.keep_mtime { Mtime::Keep } else { Mtime::New };
        replace::Options { in_place: self.rewrite.in_place, mtime, ..replace::Options::default() }
    }

    /// What counts as a sane image.
    #[must_use]
    pub fn media_limits(&self) -> media::Limits {
        media::Limits::default()
    }
}

impl References {
    /// The keys that are set, as `section` sets them.
    fn change(
        &self,
        section: &str,
        is_set: impl Fn(&str) -> bool,
        families: &Families,
    ) -> Result<Change, Error> {
        let names = |key: &str, names: &[String]| -> Result<Option<Vec<String>>, Error> {
            if !is_set(key) {
                return Ok(None);
            }
            match names.iter().find(|name| families.family_names().all(|known| known != *name)) {
                Some(unknown) => Err(unknown_family(format!("{section}.{key}"), unknown, families)),
                None => Ok(Some(names.to_vec())),
            }
        };
        Ok(Change {
            scope: is_set("scope").then_some(match self.scope {
                Scope::All => resolve::Scope::All,
                Scope::Proxied => resolve::Scope::Proxied,
            }),
            attributes: is_set("attributes").then(|| self.attributes.clone()),
            elements: is_set("elements").then(|| self.elements.clone()),
            front_matter_keys: is_set("front_matter_keys").then(|| self.front_matter_keys.clone()),
            include_hosts: is_set("include_hosts").then(|| self.include_hosts.clone()),
            exclude_hosts: is_set("exclude_hosts").then(|| self.exclude_hosts.clone()),
            include_families: names("include_families", &self.include_families)?,
            exclude_families: names("exclude_families", &self.exclude_families)?,
        })
    }
}

fn unknown_family(key: String, name: &str, families: &Families) -> Error {
    let known: Vec<&str> = families.family_names().collect();
    let advice = layers::nearest(name, &known).map_or_else(
        || "config/proxies.toml has their names".to_owned(),
        |name| format!("did you mean `{name}`?"),
    );
    Error::UnknownFamily { key, name: layers::one_line(name), advice }
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

/// Where `path` leads, which may not be there yet.
fn place(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.canonicalize().unwrap_or_else(|_| match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => place(folder).join(name),
        _ => path.clone(),
    })
}

/// What the file at `path` holds, if it can be read.
fn held(path: &Path) -> Option<Digest> {
    std::fs::read(path).ok().map(|bytes| Digest::of(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Readers;

    #[test]
    fn a_fingerprint_goes_by_where_paths_lead_and_not_by_how_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("store")).unwrap();
        std::os::unix::fs::symlink(root.join("store"), root.join("link")).unwrap();
        let of = |store: &str, change: &dyn Fn(&mut Config)| {
            let mut config = Config::default();
            config.store.path = root.join(store);
            config.catalog.url = format!("sqlite:{}", root.join(store).join("catalog.db").display());
            change(&mut config);
            config.fingerprint()
        };
        let first = of("store", &|_| {});
        assert_eq!(of("link", &|_| {}), first);
        assert_eq!(of("store/../store", &|_| {}), first);
        assert_eq!(of("store", &|config| config.daemon.watch.push("posts".into())), first);
        assert_eq!(of("store", &|config| config.server.readers = Readers::All), first);
        assert_ne!(of("other", &|_| {}), first);
        assert_ne!(of("store", &|config| config.fetch.retries = 9), first);
        assert_ne!(of("store", &|config| config.rewrite.keep_mtime = true), first);
        let pem = root.join("root.pem");
        let trusting = || of("store", &|config| config.fetch.root_certificates.push(pem.clone()));
        std::fs::write(&pem, "one").unwrap();
        let one = trusting();
        std::fs::write(&pem, "two").unwrap();
        assert_ne!(trusting(), one);
        let here = std::env::current_dir().unwrap();
        let relative = |path: &str| {
            let mut config = Config::default();
            config.store.path = path.into();
            config.fingerprint()
        };
        assert_eq!(relative("not-there"), relative(here.join("not-there").to_str().unwrap()));
    }
}
