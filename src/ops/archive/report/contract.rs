//! A report as it is written and sent: one shape for `--format json`, the API and the control socket.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::catalog::row::{Attempt, Failure};
use crate::ops::archive::{DocumentFailure, Images, Outlook, References, Report, UnarchivedImage, Updates};

/// What the contract says of a run. Paths that are not UTF-8 are written as well as they can be.
#[derive(Debug, Serialize, Deserialize)]
pub struct Contract {
    documents: Documents,
    references: References,
    images: Images,
    failures: Vec<Image>,
    document_failures: Vec<Document>,
    interrupted: bool,
    elapsed_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    updates: Option<Updates>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Documents {
    scanned: u64,
    changed: u64,
    failed: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Image {
    url: String,
    origin: String,
    documents: Vec<String>,
    reason: String,
    detail: String,
    attempts: Vec<Attempt>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    document: String,
    why: String,
}

impl From<&Report> for Contract {
    fn from(report: &Report) -> Self {
        let failures = report.failures.iter().filter(|image| image.counts()).map(|image| Image {
            url: image.url.clone(),
            origin: image.failure.origin.clone(),
            documents: image.documents.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            reason: image.failure.reason.clone(),
            detail: image.failure.detail.clone(),
            attempts: image.failure.attempts.clone(),
        });
        let document_failures = report.documents_failed.iter().map(|failure| Document {
            document: failure.document.to_string_lossy().into_owned(),
            why: failure.why.clone(),
        });
        Self {
            documents: Documents {
                scanned: report.scanned,
                changed: report.changed,
                failed: report.documents_failed.len() as u64,
            },
            references: report.references,
            images: report.images,
            failures: failures.collect(),
            document_failures: document_failures.collect(),
            interrupted: report.interrupted,
            elapsed_ms: u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
            updates: report.updates.clone(),
        }
    }
}

impl Contract {
    /// The report of a run elsewhere, as far as it was sent: all that is shown of one. `path` says what a path of
    /// over there is called here.
    #[must_use]
    pub fn report(self, path: impl Fn(&str) -> PathBuf) -> Report {
        let failures = self.failures.into_iter().map(|image| {
            let at = image.attempts.iter().map(|attempt| attempt.at).max().unwrap_or_default();
            let Image { url, origin, documents, reason, detail, attempts } = image;
            UnarchivedImage {
                failure: Failure { origin, at, reason, detail, attempts },
                url,
                documents: documents.iter().map(|document| path(document)).collect(),
                is_news: false,
            }
        });
        let documents_failed = self.document_failures.into_iter();
        let documents_failed = documents_failed.map(|failure| {
            let document = path(&failure.document);
            // The reason names it, too.
            let why = failure.why.replace(&failure.document, &document.to_string_lossy());
            DocumentFailure { document, why, outlook: Outlook::Lasting }
        });
        Report {
            run: String::new(),
            scanned: self.documents.scanned,
            changed: self.documents.changed,
            references: self.references,
            images: self.images,
            updates: self.updates,
            failures: failures.collect(),
            documents_failed: documents_failed.collect(),
            diffs: Vec::new(),
            interrupted: self.interrupted,
            broke_off: None,
            elapsed: Duration::from_millis(self.elapsed_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_report_that_was_sent_says_what_it_said() {
        let failure = Failure {
            origin: "http://a.example/a.png".to_owned(),
            at: 5,
            reason: "http_404".to_owned(),
            detail: "status 404".to_owned(),
            attempts: Vec::new(),
        };
        let mut report = Report { updates: Some(Updates::default()), ..Report::looked_at(2) };
        let index = report.fail(failure.clone(), true);
        report.failures[index].used_by(Path::new("/w/posts/a.md"), "http://a.example/a.png");
        // Nobody wants it, so nobody hears of it.
        report.fail(Failure { origin: "http://a.example/b.png".to_owned(), ..failure }, true);
        report.refuse(DocumentFailure::new(Path::new("/w/posts/b.md"), "`/w/posts/b.md` is no file"));
        report.elapsed = Duration::from_millis(7);
        let sent = serde_json::to_value(Contract::from(&report)).unwrap();
        let got: Contract = serde_json::from_value(sent.clone()).unwrap();
        let here = got.report(|path| Path::new("here").join(path.trim_start_matches("/w/")));
        let mut again = serde_json::to_value(Contract::from(&here)).unwrap();
        assert_eq!(again["failures"][0]["documents"].take(), json!(["here/posts/a.md"]));
        let left = json!([{ "document": "here/posts/b.md", "why": "`here/posts/b.md` is no file" }]);
        assert_eq!(again["document_failures"].take(), left);
        let mut sent = sent;
        sent["failures"][0]["documents"] = Value::Null;
        sent["document_failures"] = Value::Null;
        assert_eq!(again, sent);
    }
}
