//! From the configuration to what the ops need.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use rustix::process::{Resource, getrlimit};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedSender;

use crate::cli::exit::UsageError;
use crate::config::{self, Config};
use crate::crawl::{self, Entry, Found, Part, Skip};
use crate::fetch::{self, Fetcher};
use crate::ladder::schedule::Policy;
use crate::ops::runs::{Board, Order};
use crate::ops::{Archive, Reader, litter};
use crate::origin::proxy::Families;
use crate::rewrite::link::LinkStyle;
use crate::serve::tls::Certificates;
use crate::web::access::token::Token;
use crate::web::access::{self, Access};
use crate::web::{self, App};
use crate::{files, ladder, media};

/// Files that are open before there is any work. Where there may not be so many, tokio panics.
const FILES: u64 = 24;

/// The threads on which a run waits for many things at a time.
///
/// # Errors
/// When the system has no more of them, or of what they need.
pub(super) fn runtime() -> Result<Runtime> {
    start(Runtime::new)
}

/// The runtime that `build` makes.
///
/// # Errors
/// As [`runtime`].
pub(super) fn start(build: impl FnOnce() -> io::Result<Runtime>) -> Result<Runtime> {
    const DOING: &str = "cannot start the threads of this program";
    if let Some(files) = getrlimit(Resource::Nofile).current.filter(|files| *files < FILES) {
        return Err(anyhow!("it may have {files} files open, and needs {FILES}").context(DOING));
    }
    build().context(DOING)
}

/// The known wrapper families, and the user's.
pub(super) fn families(config: &Config) -> Result<Families> {
    let Some(path) = &config.references.families else { return Ok(Families::builtin()) };
    let text = files::read_to_string(path, 16 << 20)
        .map_err(|error| UsageError::from(anyhow::Error::from(error)))?;
    let families = Families::with(&text);
    families.map_err(|error| UsageError::because(format!("`{}`: {error}", path.display())))
}

pub(super) fn reader(config: &Config) -> Result<Reader> {
    config.reader(families(config)?).map_err(Into::into)
}

/// One that never asks whoever listens at `own`, or where the configuration has the server.
pub(super) fn fetcher(config: &Config, own: &[SocketAddr]) -> Result<Arc<Fetcher>> {
    let mut options = config.fetch_options()?;
    options.own.extend(own);
    let fetcher = Fetcher::new(options).context("cannot set up downloads");
    Ok(Arc::new(fetcher.map_err(UsageError::from)?))
}

/// The archive, made if there is none.
pub(super) fn archive(config: &Config) -> Result<Archive> {
    Archive::open(&config.store.path, &config.catalog.url)
}

/// The archive, or `None` where nothing was archived yet; makes nothing.
pub(super) fn archive_if_any(config: &Config) -> Result<Option<Archive>> {
    if config.store.path.join("VERSION").is_file() { archive(config).map(Some) } else { Ok(None) }
}

/// Whether there is an archive; its absence is the user's slip.
pub(super) fn check_archive(config: &Config) -> Result<()> {
    let path = &config.store.path;
    if path.join("VERSION").is_file() { Ok(()) } else { Err(absent(path)) }
}

/// The archive; its absence is the user's slip.
pub(super) fn existing_archive(config: &Config) -> Result<Archive> {
    archive_if_any(config)?.ok_or_else(|| absent(&config.store.path))
}

/// The archive, to be read and nothing else; its absence is the user's slip.
pub(super) fn archive_to_read(config: &Config) -> Result<Archive> {
    let path = &config.store.path;
    if !path.join("VERSION").is_file() {
        return Err(absent(path));
    }
    Archive::open_read_only(path, &config.catalog.url)
}

fn absent(store: &Path) -> anyhow::Error {
    UsageError::because(format!(
        "there is no archive at `{}`: run in the folder where `imgkeep archive` ran, or give `--set store.path=…`",
        store.display()
    ))
}

/// What is shown to those who speak TLS; `None` where nobody is to.
pub(super) fn certificates(config: &Config) -> Result<Option<Arc<Certificates>>> {
    match (&config.server.tls_certificate, &config.server.tls_key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            let certificates = Certificates::read(certificate, key);
            Ok(Some(Arc::new(certificates.map_err(|error| UsageError::from(anyhow::Error::from(error)))?)))
        }
        (Some(_), None) => Err(UsageError::because("`server.tls_certificate` needs `server.tls_key`")),
        (None, Some(_)) => Err(UsageError::because("`server.tls_key` needs `server.tls_certificate`")),
    }
}

/// What answers are judged by, and whom to ask.
pub(super) struct Rules {
    pub(super) fetch: fetch::Options,
    pub(super) ladder: ladder::Options,
    pub(super) media: media::Limits,
}

impl Rules {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let (ladder, media) = (config.ladder_options(), config.media_limits());
        Ok(Self { fetch: config.fetch_options()?, ladder, media })
    }

    pub(super) fn policy(&self) -> Policy<'_> {
        Policy { fetch: &self.fetch, ladder: &self.ladder, media: &self.media }
    }
}

/// What is shown of the archive over HTTP. `orders` is where those go who want something done.
pub(super) fn app(
    config: &Config,
    archive: Arc<Archive>,
    board: Arc<Board>,
    orders: Option<UnboundedSender<Order>>,
) -> Result<Arc<App>> {
    let readers = match config.server.readers {
        config::Readers::Loopback => access::Readers::Loopback,
        config::Readers::All => access::Readers::All,
        config::Readers::None => access::Readers::None,
    };
    let token = token(config, &archive, orders.is_some())?;
    let is_tls = config.server.tls_certificate.is_some();
    let access = Access::new(config.server.hosts.clone(), readers, token, is_tls);
    access.listens_at(config.server.listen.ip());
    Ok(Arc::new(App::new(archive, board, orders, access, settings(config)?)))
}

/// The token of those who may change something: the configured one, else a credential of the unit, else the store's own,
/// which is made if `may_make` and there is none.
fn token(config: &Config, archive: &Archive, may_make: bool) -> Result<Option<Token>> {
    if let Some(path) = &config.server.token_file {
        return Token::read(path).map(Some).map_err(|error| UsageError::from(error).into());
    }
    let credential =
        std::env::var_os("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join("token"));
    if let Some(path) = credential.filter(|path| path.exists()) {
        return Token::read(&path).map(Some);
    }
    let path = archive.store.root().join("token");
    match may_make {
        true => Token::read_or_make(&path).map(Some),
        // It may be the daemon's, and not for everybody who serves.
        false => Ok(Token::read(&path).ok()),
    }
}

/// What the pages need of the configuration.
pub(super) fn settings(config: &Config) -> Result<web::Settings> {
    let absolute =
        |path: &PathBuf| std::path::absolute(path).with_context(|| format!("`{}`", path.display()));
    let allowed = config.daemon.watch.iter().chain(&config.daemon.allow).map(absolute);
    Ok(web::Settings {
        fetch: config.fetch_options()?,
        ladder: config.ladder_options(),
        media: config.media_limits(),
        reader: reader(config)?,
        link: link(config, None)?,
        allowed: allowed.collect::<Result<_>>()?,
        fingerprint: config.fingerprint(),
    })
}

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The link style of `--link`, or else of the configuration.
pub(super) fn link(config: &Config, option: Option<&str>) -> Result<LinkStyle> {
    Ok(option.unwrap_or(&config.rewrite.link).parse::<LinkStyle>()?)
}

/// Whether `-` is among the paths, and the others.
pub(super) fn split_stdin(paths: &[PathBuf]) -> (bool, Vec<PathBuf>) {
    let files: Vec<PathBuf> = paths.iter().filter(|path| path.as_os_str() != "-").cloned().collect();
    (files.len() < paths.len(), files)
}

/// The document on stdin.
pub(super) fn stdin(reader: &Reader) -> Result<Vec<u8>> {
    let limit = reader.crawl.max_bytes;
    let mut bytes = Vec::new();
    io::stdin().take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(UsageError::because(format!(
            "stdin has more than {limit} bytes: see `documents.max_bytes`"
        )));
    }
    Ok(bytes)
}

/// Whether every path is there.
pub(super) fn check(paths: &[PathBuf]) -> Result<()> {
    match paths.iter().find(|path| path.symlink_metadata().is_err()) {
        Some(path) => Err(crawl::Error::Missing { path: path.clone() }.into()),
        None => Ok(()),
    }
}

/// The documents under `paths`; what is left alone on the way goes to `skipped`.
pub(super) fn entries(
    reader: &Reader,
    paths: &[PathBuf],
    skipped: &mut dyn FnMut(PathBuf, Skip),
) -> Result<Vec<Entry>> {
    walk(paths, skipped, || crawl::walk(paths, &reader.crawl))
}

/// The same, once what killed runs left among them is cleared away.
pub(super) fn swept_entries(
    reader: &Reader,
    archive: &Archive,
    paths: &[PathBuf],
    skipped: &mut dyn FnMut(PathBuf, Skip),
) -> Result<Vec<Entry>> {
    walk(paths, skipped, || litter::swept(archive, paths, &Part::default(), &reader.crawl))
}

/// A document that is left as it is, and why.
type Left = (PathBuf, String);

/// The documents that a command is to change, and those that cannot be looked at, with the reason. A dry run leaves
/// even litter where it is.
pub(super) fn documents(
    reader: &Reader,
    archive: &Archive,
    paths: &[PathBuf],
    dry_run: bool,
) -> Result<(Vec<Entry>, Vec<Left>)> {
    let mut failed = Vec::new();
    let mut skip = |path, skip: Skip| failed.extend(skip.is_failure().then(|| (path, skip.to_string())));
    let entries = match dry_run {
        true => entries(reader, paths, &mut skip)?,
        false => swept_entries(reader, archive, paths, &mut skip)?,
    };
    Ok((entries, failed))
}

fn walk(
    paths: &[PathBuf],
    skipped: &mut dyn FnMut(PathBuf, Skip),
    find: impl Fn() -> Result<Found, crawl::Error>,
) -> Result<Vec<Entry>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let found = find()?;
    for (path, skip) in found.skipped {
        skipped(path, skip);
    }
    Ok(found.entries)
}
