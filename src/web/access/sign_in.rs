//! Signing in to the gallery: the token once, a session's cookie from then on.

use std::sync::Arc;

use askama::Template;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Form, Router};
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, ORIGIN, RETRY_AFTER, SET_COOKIE};
use hyper::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::web::App;
use crate::web::access::{Access, Visitor, forwarded};
use crate::web::gallery::assets::Assets;

/// The longest form, in bytes.
const FORM_BYTES: usize = 16 << 10;
/// What the page may load: the gallery's style, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";

/// Said where there is no token.
const NO_TOKEN: &str = "There is no token here to sign in with: this server only shows.";

#[derive(Deserialize)]
struct Shown {
    token: String,
}

pub(in crate::web) fn routes() -> Router<Arc<App>> {
    let forms = Router::new().route("/sign-in", get(show).post(sign_in)).route("/sign-out", post(sign_out));
    forms.layer(DefaultBodyLimit::max(FORM_BYTES))
}

async fn show(State(app): State<Arc<App>>, Extension(visitor): Extension<Visitor>) -> Response {
    match (&app.access.token, visitor.is_signed_in) {
        (None, _) => page(StatusCode::NOT_FOUND, NO_TOKEN),
        (Some(_), true) => document(StatusCode::OK, "", true),
        (Some(_), false) => page(StatusCode::OK, ""),
    }
}

async fn sign_in(State(app): State<Arc<App>>, request: Request) -> Response {
    let access = &app.access;
    let (head, content) = request.into_parts();
    let (client, secure) = (forwarded::client(&head), secure(access, &head.headers));
    let form = Form::<Shown>::from_request(Request::from_parts(head, content), &app).await;
    let Form(form) = match form {
        Ok(form) => form,
        Err(rejection) => return rejection.into_response(),
    };
    let Some(token) = &access.token else { return page(StatusCode::NOT_FOUND, NO_TOKEN) };
    if !access.tries.may_try(client) {
        let mut response = page(StatusCode::TOO_MANY_REQUESTS, "Too many wrong tries: wait a moment.");
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    }
    if !token.is(form.token.trim().as_bytes()) {
        access.tries.tried(client);
        tracing::warn!("somebody tried to sign in with a wrong token");
        return page(StatusCode::FORBIDDEN, "That is not the token.");
    }
    let cookie = format!("{}; HttpOnly; SameSite=Strict; Path=/{secure}", access.sessions.start());
    with_cookie(Redirect::to("/").into_response(), &cookie)
}

async fn sign_out(State(app): State<Arc<App>>, fields: HeaderMap) -> Response {
    app.access.sessions.end(&fields);
    let secure = secure(&app.access, &fields);
    let cookie = format!("imgkeep_session=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/{secure}");
    with_cookie(Redirect::to("/").into_response(), &cookie)
}

/// Said of the cookie where the browser speaks TLS, with us or with a proxy before us. `Origin` was judged: it is ours.
fn secure(access: &Access, fields: &HeaderMap) -> &'static str {
    let is_https = fields.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    if access.is_tls || is_https { "; Secure" } else { "" }
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page {
    assets: &'static Assets,
    /// What went wrong, if anything.
    line: &'static str,
    has_token: bool,
    is_signed_in: bool,
}

/// The form, and a line above it.
pub(super) fn page(status: StatusCode, line: &'static str) -> Response {
    document(status, line, false)
}

fn document(status: StatusCode, line: &'static str, is_signed_in: bool) -> Response {
    let page = Page { assets: Assets::get(), line, has_token: line != NO_TOKEN, is_signed_in };
    let Ok(body) = page.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut response = (status, body).into_response();
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    fields.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}
