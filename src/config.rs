//! The settings of a run: what they are, where they come from, and that each makes sense.
//!
//! Four layers, the later winning: the shipped `config/imgkeep.toml`, which is where the defaults stand; one
//! file; the environment; `--set`. A value is judged when its layer is read, so that an error can name the
//! place where it was written. Fields are plain values; the modules that use them know nothing of this one.

mod judge;
mod layers;
mod options;
mod overrides;
mod size;
pub mod sources;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use url::Url;

use crate::config::layers::Layers;
use crate::config::sources::Sources;
use crate::crawl;
use crate::digest::Digest;
use crate::document::extract::ElementAttribute;
use crate::rewrite::link;

/// All settings, section by section as in `config/imgkeep.toml`, which also holds the defaults.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where images are kept.
    pub store: Store,
    /// Where it is remembered what came from where.
    pub catalog: Catalog,
    /// Which documents are read.
    pub documents: Documents,
    /// Which references in them are archived.
    pub references: References,
    /// Keys of `[references]` that some documents have of their own; the later wins.
    #[serde(skip)]
    pub overrides: Vec<Override>,
    /// How images are downloaded.
    pub fetch: Fetch,
    /// How documents are changed.
    pub rewrite: Rewrite,
    /// How kept images are served.
    pub server: Server,
    /// What the daemon watches.
    pub daemon: Daemon,
    /// When blobs are removed.
    pub gc: Gc,
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Folder above `images/`.
    #[serde(deserialize_with = "value::path")]
    pub path: PathBuf,
}

/// `[catalog]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// `sqlite:PATH`; beside the images where no layer sets it.
    #[serde(deserialize_with = "value::catalog_url")]
    pub url: String,
}

/// `[documents]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documents {
    /// Globs, each one valid; none stands for every known kind.
    #[serde(deserialize_with = "value::globs")]
    pub include: Vec<String>,
    /// Globs, each one valid.
    #[serde(deserialize_with = "value::globs")]
    pub exclude: Vec<String>,
    /// Largest document that is read.
    #[serde(deserialize_with = "value::bytes")]
    pub max_bytes: u64,
}

/// `[references]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct References {
    /// All references, or only those behind a proxy.
    #[serde(deserialize_with = "value::scope")]
    pub scope: Scope,
    /// HTML attributes that hold an image URL besides the known ones; lower case.
    #[serde(deserialize_with = "value::attributes")]
    pub attributes: Vec<String>,
    /// The same on one kind of element; lower case.
    #[serde(deserialize_with = "value::elements")]
    pub elements: Vec<ElementAttribute>,
    /// Front matter keys besides the known ones; dots reach into tables.
    #[serde(deserialize_with = "value::keys")]
    pub front_matter_keys: Vec<String>,
    /// Hosts in the URL Standard's form; `*.` before one stands for every host below it, not for itself.
    #[serde(deserialize_with = "value::host_patterns")]
    pub include_hosts: Vec<String>,
    /// Likewise.
    #[serde(deserialize_with = "value::host_patterns")]
    pub exclude_hosts: Vec<String>,
    /// Names of proxy families; whether there are such families is asked where the table is read.
    #[serde(deserialize_with = "value::names")]
    pub include_families: Vec<String>,
    /// Likewise.
    #[serde(deserialize_with = "value::names")]
    pub exclude_families: Vec<String>,
    /// The user's own proxy families, a TOML file.
    #[serde(deserialize_with = "value::optional_path")]
    pub families: Option<PathBuf>,
}

/// One of `[[overrides]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Where `files` start: the configuration file's folder, as it was named or found.
    pub folder: PathBuf,
    /// Patterns as in a `.gitignore`, at least one.
    pub files: Vec<String>,
    /// The keys of `[references]` that are set, in the order of the file.
    pub keys: Vec<String>,
    /// Their values; the others are the defaults.
    pub references: References,
}

/// `[fetch]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// Downloads at a time, at least 1.
    #[serde(deserialize_with = "value::count")]
    pub concurrency: usize,
    /// Downloads at a time from one host, at least 1.
    #[serde(deserialize_with = "value::count")]
    pub per_host: usize,
    /// For a whole download, redirects included.
    #[serde(rename = "timeout_secs", deserialize_with = "value::timeout")]
    pub timeout: Duration,
    /// For connecting, TLS included.
    #[serde(rename = "connect_timeout_secs", deserialize_with = "value::timeout")]
    pub connect_timeout: Duration,
    /// Between two pieces of a body.
    #[serde(rename = "idle_timeout_secs", deserialize_with = "value::timeout")]
    pub idle_timeout: Duration,
    /// Largest image that is downloaded.
    #[serde(deserialize_with = "value::bytes")]
    pub max_bytes: u64,
    /// Requests after the first, in one run.
    #[serde(deserialize_with = "value::retries")]
    pub retries: u32,
    /// Whom to ask, in this order; at least one, none twice.
    #[serde(deserialize_with = "value::sources")]
    pub sources: Vec<Source>,
    /// URLs with `{url}` in them.
    #[serde(deserialize_with = "value::proxies")]
    pub proxies: Vec<String>,
    /// The site that the documents are from; absolute, http or https.
    #[serde(deserialize_with = "value::optional_url")]
    pub site: Option<Url>,
    /// Bytes a second for all downloads together; 0 for no cap.
    #[serde(deserialize_with = "value::bandwidth")]
    pub bandwidth: u64,
    /// So many unrelated URLs of a host with the same bytes are one placeholder; 0 for never.
    #[serde(deserialize_with = "value::placeholder_urls")]
    pub placeholder_urls: usize,
    /// Placeholders by their SHA-256.
    #[serde(deserialize_with = "value::digests")]
    pub placeholders: Vec<Digest>,
    /// Images that are no placeholders, by their SHA-256.
    #[serde(deserialize_with = "value::digests")]
    pub genuine: Vec<Digest>,
    /// Exempted from the address guard, exactly these.
    #[serde(deserialize_with = "value::networks")]
    pub allow_networks: Vec<IpNet>,
    /// Never asked, public or not.
    #[serde(deserialize_with = "value::networks")]
    pub deny_networks: Vec<IpNet>,
    /// By `host`, `host:port` or `*`; hosts in the URL Standard's form.
    #[serde(deserialize_with = "value::connect_to")]
    pub connect_to: BTreeMap<String, SocketAddr>,
    /// By host in the URL Standard's form; no address stands for a name that does not exist.
    #[serde(deserialize_with = "value::resolve")]
    pub resolve: BTreeMap<String, Vec<IpAddr>>,
    /// PEM files, trusted besides the system's certificates.
    #[serde(deserialize_with = "value::paths")]
    pub root_certificates: Vec<PathBuf>,
    /// Ready to send: printable ASCII, the version filled in.
    #[serde(deserialize_with = "value::user_agent")]
    pub user_agent: String,
}

/// `[rewrite]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rewrite {
    /// `relative`, or the text that stands before `<ab>/<sha256>.<ext>`.
    #[serde(deserialize_with = "value::link")]
    pub link: String,
    /// Whether documents that a rename would split or change hands are written in place.
    #[serde(deserialize_with = "value::switch")]
    pub in_place: bool,
    /// Whether a rewritten document keeps its modification time.
    #[serde(deserialize_with = "value::switch")]
    pub keep_mtime: bool,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Port 0 takes any free one.
    #[serde(deserialize_with = "value::listen")]
    pub listen: SocketAddr,
    /// Web origins as browsers send them, or `*`.
    #[serde(deserialize_with = "value::web_origins")]
    pub cors: Vec<String>,
    /// Names besides loopback's by which the gallery and the API may be asked; hosts in the URL Standard's form.
    #[serde(deserialize_with = "value::hosts")]
    pub hosts: Vec<String>,
    /// Who sees the gallery and reads the API without a token.
    #[serde(deserialize_with = "value::readers")]
    pub readers: Readers,
    /// The bearer token of those who may change something.
    #[serde(deserialize_with = "value::optional_path")]
    pub token_file: Option<PathBuf>,
    /// A chain of certificates, PEM; served over TLS if it is there.
    #[serde(deserialize_with = "value::optional_path")]
    pub tls_certificate: Option<PathBuf>,
    /// Its key, PEM.
    #[serde(deserialize_with = "value::optional_path")]
    pub tls_key: Option<PathBuf>,
    /// Images of up to 8 KiB that are asked for again and again are served from so much memory.
    #[serde(deserialize_with = "value::bandwidth")]
    pub memory: u64,
}

/// `[daemon]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Daemon {
    /// Folders.
    #[serde(deserialize_with = "value::paths")]
    pub watch: Vec<PathBuf>,
    /// Quiet after a change before a document is read; may be zero.
    #[serde(rename = "settle_secs", deserialize_with = "value::pause")]
    pub settle: Duration,
    /// Folders besides `watch` that the API may have archived.
    #[serde(deserialize_with = "value::paths")]
    pub allow: Vec<PathBuf>,
    /// Between two looks at a folder whose file system does not tell of changes.
    #[serde(rename = "poll_secs", deserialize_with = "value::timeout")]
    pub poll: Duration,
    /// Between two looks through all folders; whole days, zero for never.
    #[serde(rename = "reconcile_days", deserialize_with = "value::days")]
    pub reconcile: Duration,
    /// In which each kept image is read again once; whole days, zero for never.
    #[serde(rename = "scrub_days", deserialize_with = "value::days")]
    pub scrub: Duration,
}

/// `[gc]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gc {
    /// How long a blob outlives its last reference; whole days, may be zero.
    #[serde(rename = "grace_days", deserialize_with = "value::days")]
    pub grace: Duration,
}

/// Who sees the gallery and reads the API without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Who is on this machine.
    Loopback,
    /// Everybody who can connect.
    All,
    /// Nobody.
    None,
}

/// Which references are archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every one.
    All,
    /// Those whose URL is wrapped by a proxy.
    Proxied,
}

/// Whom to ask for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Where the image lives.
    Origin,
    /// The proxies that the documents used, then those of `fetch.proxies`.
    Proxy,
    /// The Wayback Machine.
    Wayback,
}

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file; line and column count from 1, columns in characters.
    File {
        /// As it was named or found.
        path: PathBuf,
        /// Of the setting's name or value, whichever is wrong.
        line: usize,
        /// Likewise.
        column: usize,
    },
    /// In an environment variable of this name.
    Variable(String),
    /// After `--set`, this text.
    Flag(String),
}

/// Why there is no configuration. A message says where, what is wrong, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there or not readable.
    #[error("cannot read the configuration `{path}`")]
    Read {
        /// As it was named or found.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is not of the form that its place asks for.
    #[error("{place}: {reason}")]
    Form {
        /// Where it stands.
        place: Place,
        /// What is wrong with it.
        reason: String,
    },
    /// No section is called that.
    #[error("{place}: there is no section `{name}`; {advice}")]
    UnknownSection {
        /// Where it stands.
        place: Place,
        /// As it was written.
        name: String,
        /// The nearest name, or all that there are.
        advice: String,
    },
    /// No key of the section is called that.
    #[error("{place}: `[{section}]` has no key `{name}`; {advice}")]
    UnknownKey {
        /// Where it stands.
        place: Place,
        /// The section.
        section: String,
        /// As it was written.
        name: String,
        /// The nearest name, or all that there are.
        advice: String,
    },
    /// There is no such family in the table.
    #[error("`{key}`: there is no proxy family `{name}`; {advice}")]
    UnknownFamily {
        /// `section.key`.
        key: String,
        /// As it was written.
        name: String,
        /// The nearest name, or where they stand.
        advice: String,
    },
    /// A pattern is malformed.
    #[error(transparent)]
    Pattern(#[from] crawl::Error),
    /// The link style is none.
    #[error(transparent)]
    Link(#[from] link::ParseError),
    /// The key is known, but it cannot have this value.
    #[error("{place}: `{key}` {reason}")]
    Value {
        /// Where it stands.
        place: Place,
        /// `section.key`.
        key: String,
        /// What it must be, and what it is.
        reason: String,
    },
}

impl Config {
    /// Reads every layer and judges every value in it.
    ///
    /// # Errors
    /// At the first thing that cannot be read or does not make sense; the message is one line.
    pub fn load(sources: &Sources) -> Result<Self, Error> {
        let mut layers = Layers::default();
        sources.read_into(&mut layers)?;
        Ok(layers.finish())
    }
}

impl Default for Config {
    /// The shipped `config/imgkeep.toml`.
    fn default() -> Self {
        Layers::default().finish()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => {
                write!(f, "`{}`, line {line}, column {column}", path.display())
            }
            Self::Variable(name) => write!(f, "variable `{name}`"),
            Self::Flag(text) => write!(f, "`--set {}`", judge::one_line(text)),
        }
    }
}
