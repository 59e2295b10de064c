//! Who may look at the archive, and who may change something.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::HOST;
use hyper::http::uri::Authority;

use crate::serve;
use crate::serve::listener::Peer;
use crate::web::App;

/// The rules.
#[derive(Debug)]
pub struct Access {
    /// Names by which we may be asked, besides those of loopback.
    pub hosts: Vec<String>,
    /// Who may look without a token.
    pub readers: Readers,
    /// What those show who may change something; without one only the control socket may.
    pub token: Option<String>,
}

/// Who may look without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Who is on this machine.
    Loopback,
    /// Everybody who can connect.
    All,
    /// Nobody.
    None,
}

/// Who asks, as far as it was judged; each request that reaches a page has it among its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Whether changes may be ordered.
    pub may_change: bool,
}

/// Lets a request through to the pages, or not.
pub(super) async fn judge(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    if !matches!(peer, Some(Peer::User(_))) && !app.access.is_our_name(&request) {
        let mut response = serve::not_kept();
        *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
        return response;
    }
    let visitor = Visitor { may_change: matches!(peer, Some(Peer::User(_))) };
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

impl Access {
    fn is_our_name(&self, request: &Request) -> bool {
        let field = || request.headers().get(HOST)?.to_str().ok()?.parse::<Authority>().ok();
        let Some(authority) = request.uri().authority().cloned().or_else(field) else { return false };
        let host = authority.host();
        let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        host.eq_ignore_ascii_case("localhost")
            || literal.is_some_and(|address| address.is_loopback())
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }
}
