//! One origin on its way: asked rung by rung, for its head or on condition, until it tells.

use std::io::Cursor;

use url::Url;

use crate::catalog::row::Snapshot;
use crate::digest::Digest;
use crate::fetch::{self, Answer, Fetcher, Headers, Reason, Received, Validators};
use crate::ladder::{Ladder, Rung, Source};
use crate::media;
use crate::ops::rot::is_final;

/// So much of a body is read to see whether it is an image.
const ENOUGH: usize = 64 * 1024;

/// A kept image whose origin is asked.
pub(super) struct Job {
    pub(super) copy: Snapshot,
    pub(super) ladder: Ladder,
    pub(super) method: Method,
    /// Why it is gone: what the origin itself said last, or else the first of the others.
    pub(super) said: Option<(Reason, String)>,
}

#[derive(Clone, Copy)]
pub(super) enum Method {
    Head,
    /// On condition that it changed.
    Get,
}

/// How an origin that answers stands to its copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Today {
    There,
    Changed,
}

pub(super) enum Ended {
    Told(Today),
    /// The head alone tells nothing, or is refused.
    WouldNotTell,
    /// 200, with something else.
    NotAnImage,
    Failed(fetch::Error),
}

impl Job {
    pub(super) fn host(&self) -> String {
        self.ladder.rung().map(|rung| rung.host().to_owned()).unwrap_or_default()
    }

    pub(super) fn place(&self) -> String {
        self.ladder.rung().map(Rung::place).unwrap_or_default()
    }

    pub(super) fn failed(&mut self, reason: Reason, detail: String, passed: &[Url]) {
        let is_own = self.ladder.rung().is_some_and(|rung| rung.source == Source::Origin);
        if is_own || self.said.is_none() {
            self.said = Some((reason, detail));
        }
        self.ladder.failed(reason, passed);
    }

    /// The copy's validators, if they are the origin's.
    fn validators(&self) -> Validators {
        if !self.copy.source.starts_with("origin") {
            return Validators::default();
        }
        Validators { etag: self.copy.etag.clone(), last_modified: self.copy.last_modified.clone() }
    }
}

/// Asks the present rung once. Returns where redirects led, too.
pub(super) async fn ask(fetcher: &Fetcher, job: Job) -> (Job, Vec<Url>, Ended) {
    let mut passed = Vec::new();
    let Some(rung) = job.ladder.rung() else { return (job, passed, Ended::WouldNotTell) };
    let head_only = matches!(job.method, Method::Head);
    let had = (!head_only).then(|| job.validators());
    let headers = Headers { referer: rung.referer.clone(), head_only, had };
    let ended = match (fetcher.get_noting(&rung.url, &headers, &mut passed).await, job.method) {
        (Ok(answer), Method::Head) => match looks_like_a_page(&answer) {
            true => Ended::WouldNotTell,
            false => Ended::Told(compare(&job.validators(), job.copy.bytes, &answer.headers)),
        },
        (Ok(answer), Method::Get) => look(&job, answer).await,
        (Err(fetch::Error::Status { status, .. }), Method::Get) if status == 304 => Ended::Told(Today::There),
        // Some servers know no HEAD, and not all say so by 405 or 501.
        (Err(fetch::Error::Status { status, .. }), Method::Head)
            if status == 501 || is_final(Reason::Http(status.as_u16())) =>
        {
            Ended::WouldNotTell
        }
        (Err(error), _) => Ended::Failed(error),
    };
    (job, passed, ended)
}

fn looks_like_a_page(answer: &Answer) -> bool {
    let page = |kind: &String| kind.trim_start().to_ascii_lowercase().starts_with("text/");
    answer.headers.content_type.as_ref().is_some_and(page)
}

/// By the validators and the length: what differs in nothing that both know is the same (RFC 9110 section 8.8).
/// `had` and `bytes` are the copy's.
fn compare(had: &Validators, bytes: u64, now: &Received) -> Today {
    let is_same = |had: &Option<String>, now: &Option<String>| {
        had.as_ref().zip(now.as_ref()).map(|(had, now)| strong(had) == strong(now))
    };
    let etag = is_same(&had.etag, &now.etag);
    let date = is_same(&had.last_modified, &now.last_modified);
    let length = now.content_length.map(|length| length == bytes);
    match (etag, date, length) {
        (Some(true), _, _) => Today::There,
        // Servers that share the work differ in the tags that they give.
        (Some(false), Some(true), Some(true)) => Today::There,
        (Some(false), _, _) | (_, Some(false), _) | (_, _, Some(false)) => Today::Changed,
        (None, Some(true) | None, Some(true) | None) => Today::There,
    }
}

fn strong(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

/// By the bytes, as far as they are needed to see whether they are an image, and the same.
async fn look(job: &Job, mut answer: Answer) -> Ended {
    let mut body = Vec::new();
    let is_whole = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break true,
            Err(error) => return Ended::Failed(error),
        }
        if body.len() >= ENOUGH {
            break false;
        }
    };
    if is_whole && Digest::of(&body) == job.copy.digest {
        return Ended::Told(Today::There);
    }
    match media::inspect(Cursor::new(&body), &media::Limits::default()) {
        Err(flaw) if flaw.reason() == "not_an_image" => Ended::NotAnImage,
        _ if is_whole => Ended::Told(Today::Changed),
        _ => Ended::Told(compare(&job.validators(), job.copy.bytes, &answer.headers)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_nothing_that_both_know_is_the_same() {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let check = |had: (&str, &str), now: (&str, &str, u64), expected| {
            let validators = Validators { etag: text(had.0), last_modified: text(had.1) };
            let (etag, last_modified) = (text(now.0), text(now.1));
            let content_length = Some(now.2).filter(|length| *length > 0);
            let received = Received { etag, last_modified, content_length, ..Received::default() };
            assert_eq!(compare(&validators, 9, &received), expected, "{had:?} {now:?}");
        };
        let (there, changed) = (Today::There, Today::Changed);
        check(("", ""), ("", "", 0), there);
        check(("", ""), ("\"x\"", "Mon", 9), there);
        check(("", ""), ("", "", 8), changed);
        check(("\"x\"", ""), ("W/\"x\"", "", 0), there);
        check(("\"x\"", "Mon"), ("\"y\"", "Mon", 9), there);
        check(("\"x\"", "Mon"), ("\"y\"", "Mon", 0), changed);
        check(("\"x\"", ""), ("\"y\"", "", 9), changed);
        check(("", "Mon"), ("", "Tue", 9), changed);
        check(("", "Mon"), ("", "Mon", 9), there);
        check(("", "Mon"), ("", "Mon", 8), changed);
    }
}
