//! A run that the daemon of the store does, shown as if it were done here.
//!
//! Two that work on one store would ask the same servers at two paces. What the daemon would do otherwise, or cannot do,
//! is done here beside it, which loses nothing: all that either keeps is kept once.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::time::sleep;

use crate::cli::archive::{Arguments, ScopeName};
use crate::cli::progress::Display;
use crate::cli::service::Service;
use crate::cli::{Context, setup, stop};
use crate::ops::archive::contract::Contract;
use crate::ops::archive::{Moment, Progress, Report};
use crate::ops::runs::wire::{OrderedKind, Wanted};
use crate::ops::runs::{How, State, View};
use crate::ops::stop::Stop;

/// Before the daemon is asked once more.
const PAUSE: Duration = Duration::from_millis(200);
/// Times in a row that it may have no room for a question before it is taken for lost.
const REFUSALS: u32 = 50;

/// Has the daemon of the store do the run; `None` if it is to be done here.
pub(super) fn hand_over(context: &Context, arguments: &Arguments, stdin: bool) -> Result<Option<Report>> {
    if arguments.local {
        return Ok(None);
    }
    let Some(service) = Service::of(&context.config) else { return Ok(None) };
    let paths = Paths::new(&arguments.paths)?;
    if stdin || arguments.diff || !paths.are_text() {
        tracing::info!(
            "not handed to the daemon, which does no `-`, no `--diff` and no path that is not UTF-8"
        );
        return Ok(None);
    }
    let runtime = setup::runtime()?;
    let progress = Arc::new(Progress::default());
    let handed = async |stop: Stop| {
        let Some(id) = order(context, arguments, &service, &paths).await? else { return Ok(None) };
        let display = Display::start(Arc::clone(&progress), context.quiet);
        let followed = follow(&service, &id, &progress, &stop).await;
        drop(display);
        report(followed, &paths)
    };
    stop::unless_asked_twice(&runtime, handed)?
}

/// The order's run; `None` if the daemon does not take it.
async fn order(
    context: &Context,
    arguments: &Arguments,
    service: &Service,
    paths: &Paths,
) -> Result<Option<String>> {
    let daemon = match service.daemon().await {
        Ok(Some(daemon)) if daemon.works => daemon,
        Ok(_) => return Ok(None),
        Err(error) => {
            tracing::warn!("the daemon cannot be asked, so this is done here: {error:#}");
            return Ok(None);
        }
    };
    if daemon.fingerprint != context.config.fingerprint() {
        tracing::warn!(
            "the daemon of this store has other settings or another version, so this is done here"
        );
        return Ok(None);
    }
    let scope = arguments.scope.map(|scope| match scope {
        ScopeName::All => "all".to_owned(),
        ScopeName::Proxied => "proxied".to_owned(),
    });
    let how = How {
        scope,
        link: arguments.link.clone(),
        no_rewrite: arguments.no_rewrite,
        retry: arguments.retry,
        update: arguments.update,
        follow: arguments.follow,
    };
    let paths = paths.0.iter().map(|(absolute, _)| absolute.clone()).collect();
    let wanted = serde_json::to_value(Wanted { kind: OrderedKind::Archive, paths, how })?;
    let taken = async {
        let Some(answer) = service.ask(Method::POST, "/api/v1/runs", Some(&wanted)).await? else {
            return Err(anyhow!("it is gone"));
        };
        match answer.status {
            StatusCode::ACCEPTED => answer.json::<View>().await,
            _ => Err(anyhow!(answer.why().await)),
        }
    };
    match taken.await {
        Ok(view) => {
            tracing::info!(run = view.id, "the daemon does it");
            Ok(Some(view.id))
        }
        Err(error) => {
            tracing::warn!("the daemon does not take it, so this is done here: {error:#}");
            Ok(None)
        }
    }
}

/// What was heard of a run.
#[derive(Default)]
struct Followed {
    /// How it ended; `None` if the daemon ended before.
    end: Option<View>,
    report: Option<Contract>,
    /// Whether it was cancelled from here.
    is_cancelled: bool,
}

/// Listens until the run is over. Asked to stop, it has the daemon cancel the run.
async fn follow(service: &Service, id: &str, progress: &Progress, stop: &Stop) -> Followed {
    let target = format!("/api/v1/runs/{id}");
    let mut followed = Followed::default();
    let mut asked = pin!(stop.asked());
    // A connection that breaks says nothing of the run: it is asked for again as long as somebody knows of it.
    let mut refusals = 0;
    while let Ok(Some(answer)) = service.ask(Method::GET, &format!("{target}/events"), None).await {
        match answer.status {
            StatusCode::OK => refusals = 0,
            // There is no room to listen: the run itself says how it stands.
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let is_told = look(service, &target, &mut followed, progress).await;
                refusals = if is_told { 0 } else { refusals + 1 };
                if followed.end.is_some() || refusals >= REFUSALS {
                    break;
                }
                tokio::select! {
                    () = sleep(PAUSE) => {}
                    () = &mut asked, if !followed.is_cancelled => {
                        cancel(service, &target, &mut followed).await;
                    }
                }
                continue;
            }
            _ => break,
        }
        let mut events = answer.events();
        let is_whole = loop {
            tokio::select! {
                event = events.next() => match event {
                    Ok(Some((name, data))) => hear(&name, &data, &mut followed, progress),
                    Ok(None) => break true,
                    Err(_) => break false,
                },
                () = &mut asked, if !followed.is_cancelled => cancel(service, &target, &mut followed).await,
            }
        };
        if is_whole && followed.end.is_some() {
            break;
        }
        sleep(PAUSE).await;
    }
    followed
}

/// Asks how the run stands, once; whether that was told.
async fn look(service: &Service, target: &str, followed: &mut Followed, progress: &Progress) -> bool {
    let told = async {
        let answer = service.ask(Method::GET, target, None).await.ok()??;
        let told: Value =
            if answer.status == StatusCode::OK { answer.json().await.ok()? } else { return None };
        Some((told.get("report").cloned(), serde_json::from_value::<View>(told).ok()?))
    };
    let Some((report, view)) = told.await else { return false };
    progress.show(view.progress);
    if matches!(view.state, State::Done | State::Failed) {
        followed.report = report.and_then(|report| serde_json::from_value(report).ok());
        followed.end = Some(view);
    }
    true
}

async fn cancel(service: &Service, target: &str, followed: &mut Followed) {
    followed.is_cancelled = true;
    if let Err(error) = service.ask(Method::DELETE, target, None).await {
        tracing::warn!("the daemon cannot be asked to stop: {error:#}");
    }
}

fn hear(event: &str, data: &str, followed: &mut Followed, progress: &Progress) {
    match event {
        "progress" => {
            if let Ok(now) = serde_json::from_str::<Moment>(data) {
                progress.show(now);
            }
        }
        "state" => {
            if let Ok(view) = serde_json::from_str::<View>(data) {
                followed.end = matches!(view.state, State::Done | State::Failed).then_some(view);
            }
        }
        "report" => followed.report = serde_json::from_str(data).ok(),
        _ => {}
    }
}

fn report(followed: Followed, paths: &Paths) -> Result<Option<Report>> {
    let Followed { end, report, is_cancelled } = followed;
    match (end, report) {
        (Some(_), Some(report)) => {
            let report = report.report(|path| paths.written(path));
            if report.interrupted && !is_cancelled {
                tracing::warn!("the daemon stopped before the end: the rest is done here");
                return Ok(None);
            }
            Ok(Some(report))
        }
        _ if is_cancelled => Ok(Some(Report { interrupted: true, ..Report::default() })),
        (Some(View { outcome, .. }), None) => {
            Err(anyhow!(outcome.unwrap_or_else(|| "the daemon's run broke off".to_owned())))
        }
        (None, _) => {
            tracing::warn!("the daemon ended before the run did: the rest is done here");
            Ok(None)
        }
    }
}

/// The paths of the command line: absolute, as the daemon has them, and as they were written.
struct Paths(Vec<(PathBuf, PathBuf)>);

impl Paths {
    fn new(written: &[PathBuf]) -> Result<Self> {
        let pair = |path: &PathBuf| Ok((std::path::absolute(path)?, path.clone()));
        written.iter().map(pair).collect::<Result<_>>().map(Self)
    }

    fn are_text(&self) -> bool {
        self.0.iter().all(|(absolute, _)| absolute.to_str().is_some())
    }

    /// What a run here would call a document: a name that the user gave, else the first of the paths that lead there.
    fn written(&self, document: &str) -> PathBuf {
        let document = Path::new(document);
        if let Some((_, written)) = self.0.iter().find(|(absolute, _)| absolute == document) {
            return written.clone();
        }
        let below = |(absolute, written): &(PathBuf, PathBuf)| {
            document.strip_prefix(absolute).ok().map(|rest| written.join(rest))
        };
        let all = self.0.iter().filter_map(below);
        all.min_by(|a, b| a.as_os_str().cmp(b.as_os_str())).unwrap_or_else(|| document.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::ops::runs::{Board, Kind};

    /// A daemon that has no room for those who listen. The state of `runs` is told in turn; what is `None` is refused.
    fn full(listener: UnixListener, mut runs: impl Iterator<Item = Option<String>> + Send + 'static) {
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.extend(byte);
                }
                let is_events = request.starts_with(b"GET /api/v1/runs/x/events ");
                let run = if is_events { None } else { runs.next().flatten() };
                let (status, content) =
                    run.map_or(("429 Too Many Requests", "{}".to_owned()), |run| ("200 OK", run));
                let length = content.len();
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{content}"
                )
                .unwrap();
            }
        });
    }

    async fn followed(runs: impl Iterator<Item = Option<String>> + Send + 'static) -> Followed {
        let folder = tempfile::tempdir().unwrap();
        full(UnixListener::bind(folder.path().join("control.sock")).unwrap(), runs);
        let service = Service::at(folder.path().to_owned()).unwrap();
        let progress = Progress::default();
        let stop = Stop::default();
        let follow = follow(&service, "x", &progress, &stop);
        tokio::time::timeout(Duration::from_secs(60), follow).await.expect("it does not wait for ever")
    }

    #[tokio::test]
    async fn where_nobody_may_listen_the_run_is_looked_at() {
        let board = Board::default();
        let id = board.queue(Kind::Archive, Vec::new());
        board.start(&id);
        let told = |report: Option<&Report>| {
            let mut told = serde_json::to_value(board.run(&id).unwrap()).unwrap();
            told["report"] = serde_json::to_value(report.map(Contract::from)).unwrap();
            Some(told.to_string())
        };
        let running = told(None);
        board.report(&id, Report::looked_at(7));
        let report = Report::looked_at(7);
        let followed = followed([None, running, told(Some(&report))].into_iter()).await;
        assert_eq!(followed.end.unwrap().state, State::Done);
        assert_eq!(followed.report.unwrap().report(|path| PathBuf::from(path)).scanned, 7);
    }

    #[tokio::test]
    async fn a_daemon_that_never_has_room_is_given_up() {
        let followed = followed(std::iter::empty()).await;
        assert!(followed.end.is_none() && followed.report.is_none());
    }

    #[test]
    fn documents_are_called_as_the_user_called_them() {
        let here = std::env::current_dir().unwrap();
        let check = |written: &[&str], document: &str, expected: &str| {
            let written: Vec<PathBuf> = written.iter().map(PathBuf::from).collect();
            let document = here.join(document);
            let called = Paths::new(&written).unwrap().written(document.to_str().unwrap());
            assert_eq!(called.as_os_str(), expected, "{written:?}");
        };
        check(&["posts"], "posts/a.md", "posts/a.md");
        check(&["posts/"], "posts/sub/a.md", "posts/sub/a.md");
        check(&["./posts"], "posts/a.md", "./posts/a.md");
        check(&["posts/a.md"], "posts/a.md", "posts/a.md");
        check(&["posts", "./posts/a.md"], "posts/a.md", "./posts/a.md");
        check(&["../posts"], "../posts/a.md", "../posts/a.md");
        let absolute = here.join("posts/a.md");
        check(&[here.join("posts").to_str().unwrap()], "posts/a.md", absolute.to_str().unwrap());
        check(&["other"], "posts/a.md", absolute.to_str().unwrap());
    }
}
