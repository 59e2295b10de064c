//! The contract once more, and ways to load a configuration.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imgkeep::config::sources::Sources;
use imgkeep::config::{self, Config, Error, Scope, Source};

/// DESIGN's contract, written out once more: a default may not change by a slip in the shipped file.
pub(crate) fn contract() -> Config {
    Config {
        store: config::Store { path: "cache".into() },
        catalog: config::Catalog { url: "sqlite:cache/catalog.db".into() },
        documents: config::Documents { include: vec![], exclude: vec![], max_bytes: 256 << 20 },
        references: config::References {
            scope: Scope::All,
            attributes: vec![],
            elements: vec![],
            front_matter_keys: vec![],
            include_hosts: vec![],
            exclude_hosts: vec![],
            include_families: vec![],
            exclude_families: vec![],
            families: None,
        },
        overrides: vec![],
        fetch: config::Fetch {
            concurrency: 32,
            per_host: 6,
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
            max_bytes: 64 << 20,
            retries: 3,
            sources: vec![Source::Origin, Source::Proxy, Source::Wayback],
            proxies: vec![],
            site: None,
            bandwidth: 0,
            placeholder_urls: 5,
            placeholders: vec![],
            genuine: vec![],
            allow_networks: vec![],
            deny_networks: vec![],
            connect_to: BTreeMap::new(),
            resolve: BTreeMap::new(),
            root_certificates: vec![],
            user_agent: concat!("imgkeep/", env!("CARGO_PKG_VERSION"), " (+https://imgkeep.example)").into(),
        },
        rewrite: config::Rewrite { link: "relative".into(), in_place: false, keep_mtime: false },
        server: config::Server {
            listen: "127.0.0.1:7420".parse().unwrap(),
            cors: vec![],
            hosts: vec![],
            readers: config::Readers::Loopback,
            token_file: None,
            tls_certificate: None,
            tls_key: None,
            memory: 24 << 20,
        },
        daemon: config::Daemon {
            watch: vec![],
            settle: Duration::from_secs(2),
            allow: vec![],
            poll: Duration::from_secs(60),
            reconcile: Duration::from_secs(24 * 3600),
            scrub: Duration::from_secs(30 * 24 * 3600),
        },
        gc: config::Gc { grace: Duration::from_secs(30 * 24 * 60 * 60) },
    }
}

/// A working directory of its own, so that no `imgkeep.toml` of the checkout is found.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn sources(&self) -> Sources {
        Sources { working_dir: self.path().to_owned(), ..Sources::default() }
    }
}

pub(crate) fn load_set(sets: &[&str]) -> Result<Config, Error> {
    let sets = sets.iter().map(|&text| text.to_owned()).collect();
    Config::load(&Sources { sets, ..Folder::new().sources() })
}

pub(crate) fn load_variables(variables: &[(&str, &str)]) -> Result<Config, Error> {
    let environment = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    Config::load(&Sources { environment, ..Folder::new().sources() })
}

pub(crate) fn load_file(text: &str) -> Result<Config, Error> {
    let folder = Folder::new();
    folder.write("imgkeep.toml", text);
    Config::load(&folder.sources())
}
