//! An explanation as it is written and sent.

use serde_json::Value;

use crate::ops::explain::{Explanation, Kept};
use crate::origin::proxy::{Layer, Unwrapped};

/// Each layer with the URL that it leads to.
pub fn layers(subject: &Unwrapped) -> impl Iterator<Item = (&str, &str, &str)> {
    let inner = subject.layers.iter().skip(1).map(Layer::as_str).chain([subject.origin.as_str()]);
    subject.layers.iter().zip(inner).map(|(layer, inner)| (layer.as_str(), &*layer.family, inner))
}

/// What `imgkeep explain` writes of `subject`, which was called `image`.
#[must_use]
pub fn json(image: &str, subject: &Unwrapped, known: &Explanation) -> Value {
    let layers: Vec<Value> = layers(subject)
        .map(|(url, family, leads_to)| serde_json::json!({ "url": url, "family": family, "leads_to": leads_to }))
        .collect();
    let kept: Vec<Value> = known
        .kept
        .iter()
        .map(|Kept { snapshot, path, is_there }| {
            serde_json::json!({
                "taken": snapshot.taken,
                "digest": snapshot.digest.to_string(),
                "path": path.to_string_lossy(),
                "there": is_there,
                "bytes": snapshot.bytes,
                "width": snapshot.width,
                "height": snapshot.height,
                "source": snapshot.source,
                "url": snapshot.url.as_deref().unwrap_or(&snapshot.origin),
                "etag": snapshot.etag,
                "last_modified": snapshot.last_modified,
                "attempts": snapshot.attempts,
            })
        })
        .collect();
    let documents: Vec<_> = known.documents.iter().map(|path| path.to_string_lossy()).collect();
    let failure = known.failure.as_ref();
    serde_json::json!({
        "image": image,
        "origin": subject.origin.as_str(),
        "layers": layers,
        "wanted": known.is_wanted,
        "public": known.is_public,
        "kept": kept,
        "same_bytes": known.same_bytes,
        "failure": failure.map(|failure| {
            serde_json::json!({ "at": failure.at, "reason": failure.reason, "detail": failure.detail })
        }),
        "rungs": known.rungs,
        "due": known.due,
        "hosts": known.hosts,
        "documents": documents,
    })
}
