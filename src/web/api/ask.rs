//! What a request says, read in one way for the whole API.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tokio::task::spawn_blocking;

use crate::web::App;
use crate::web::access::{Refusal, Visitor};
use crate::web::problem::Problem;

/// Proof that the request may order changes.
pub(super) struct Changer(pub(super) Visitor);

impl FromRequestParts<Arc<App>> for Changer {
    type Rejection = Response;

    async fn from_request_parts(head: &mut Parts, _: &Arc<App>) -> Result<Self, Response> {
        match head.extensions.get::<Visitor>() {
            Some(visitor) if visitor.may_order => Ok(Self(*visitor)),
            _ => Err(Refusal::Unknown.into_response()),
        }
    }
}

/// The content, which is JSON.
pub(super) struct Content<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Content<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.map(|value| value.split(';').next().unwrap_or(value).trim());
        if !media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json")) {
            let why = "the content must be `application/json`, and say so in its Content-Type";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let bytes = Bytes::from_request(request, app).await.map_err(|rejection| unread(&rejection))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| match error.classify() {
            Category::Data => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
            Category::Io | Category::Syntax | Category::Eof => {
                Problem::new(StatusCode::BAD_REQUEST, format!("the content is no JSON: {error}"))
            }
        })
    }
}

fn unread(rejection: &BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("at most {} bytes are read", super::CONTENT_BYTES),
        ),
        _ => Problem::new(StatusCode::BAD_REQUEST, "the content did not come whole"),
    }
}

/// What stands behind the question mark.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let asked = Query::from_request_parts(head, app).await;
        asked
            .map(|Query(asked)| Self(asked))
            .map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()))
    }
}

/// The variable part of the path.
pub(super) struct Named(pub(super) String);

impl FromRequestParts<Arc<App>> for Named {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let named = Path::from_request_parts(head, app).await;
        named
            .map(|Path(name)| Self(name))
            .map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()))
    }
}

/// Does what blocks where it may, in its turn.
pub(super) async fn blocking<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&App) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let app = Arc::clone(app);
    let turn = app.turns.take().await.map_err(|_| Problem::busy())?;
    let work = move || {
        let done = work(&app);
        drop(turn);
        done
    };
    spawn_blocking(work).await.unwrap_or_else(|error| Err(Problem::of(&error.into())))
}
