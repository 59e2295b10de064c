//! Who may look at the archive, and who may change something.
//!
//! | asks | looks | orders changes |
//! | --- | --- | --- |
//! | over the control socket, our own user or root | yes | yes, of any path |
//! | over the control socket, anybody else whom its mode lets in | yes | yes, below the allowed folders |
//! | with the token | yes | yes, below the allowed folders |
//! | with the cookie of a [session] | yes | by the gallery's forms, from its own pages |
//! | anybody else | as `server.readers` says | no |
//!
//! Who asks through a reverse proxy on this machine is not on this machine: the proxy says so (`forwarded`).
//!
//! Whoever comes over an address must have asked for a name of ours, so that no foreign name that was led here
//! (DNS rebinding) is answered; and what changes something must not come from another site (`cross_site`).

use std::net::IpAddr;
use std::sync::{Arc, RwLock};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hyper::Method;
use hyper::header::{CACHE_CONTROL, HOST, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;

use crate::serve::listener::Peer;
use crate::web::App;

mod cross_site;
mod forwarded;
mod refusal;
pub mod session;
mod sign_in;
pub mod token;
mod tries;

pub(super) use refusal::Refusal;
pub(super) use sign_in::routes;

use session::Sessions;
use token::{Shown, Token};
use tries::Tries;

/// Pages that a visitor needs to become one who may look.
const ALWAYS: [&str; 2] = ["/sign-in", "/assets/"];

/// The rules.
#[derive(Debug)]
pub struct Access {
    /// Names by which we may be asked, besides those of loopback.
    pub hosts: Vec<String>,
    /// Who may look without a token.
    pub readers: Readers,
    /// What those show who may change something; without one only the control socket may.
    pub token: Option<Token>,
    /// Whether we speak TLS ourselves.
    pub is_tls: bool,
    /// Those who signed in.
    pub(super) sessions: Sessions,
    /// Wrong tokens that were shown.
    tries: Tries,
    listening: RwLock<Vec<IpAddr>>,
    own_user: u32,
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
    /// Whether a session's cookie says so, which can be signed out.
    pub is_signed_in: bool,
    /// Whether changes may be ordered by the API: a cookie does not do for that.
    pub may_order: bool,
    /// Whether they may be ordered for any path, not only below the allowed folders.
    pub any_path: bool,
}

/// Lets a request through to the pages, or not.
pub(super) async fn judge(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (mut head, content) = request.into_parts();
    let mut response = match app.access.visitor(&head) {
        Ok(visitor) => {
            head.extensions.insert(visitor);
            next.run(Request::from_parts(head, content)).await
        }
        Err(refusal) => refusal.response(head.uri.path(), app.access.token.is_some()),
    };
    let fields = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ] {
        fields.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Whether `head` is for the API, whose errors are for programs.
fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

impl Access {
    /// Rules without anybody who signed in.
    #[must_use]
    pub fn new(hosts: Vec<String>, readers: Readers, token: Option<Token>, is_tls: bool) -> Self {
        Self {
            hosts,
            readers,
            token,
            is_tls,
            sessions: Sessions::default(),
            tries: Tries::default(),
            listening: RwLock::default(),
            own_user: rustix::process::geteuid().as_raw(),
        }
    }

    /// We listen at `address`, and may be asked for by it if it is not every address.
    pub fn listens_at(&self, address: IpAddr) {
        if !address.is_unspecified() {
            self.listening.write().expect("no holder of the addresses panics").push(address);
        }
    }

    /// Judges the head of a request.
    fn visitor(&self, head: &Parts) -> Result<Visitor, Refusal> {
        let peer = head.extensions.get::<Peer>().copied();
        let user = match peer {
            Some(Peer::Control(user)) => Some(user),
            _ => None,
        };
        if user.is_none() && !self.is_our_name(head) {
            return Err(Refusal::OtherName);
        }
        let has_token = match token::shown(&head.headers) {
            Shown::Nothing => false,
            Shown::Something(shown) => self.try_token(head, shown)?,
            Shown::Nonsense => return Err(Refusal::WrongToken),
        };
        let is_signed_in = self.sessions.is_of(&head.headers);
        let may_order = user.is_some() || has_token;
        let any_path = user.is_some_and(|user| user == self.own_user || user == 0);
        let visitor = Visitor { may_change: may_order || is_signed_in, is_signed_in, may_order, any_path };
        let path = head.uri.path();
        let is_always =
            ALWAYS.iter().any(|known| path == *known || known.ends_with('/') && path.starts_with(known));
        if !visitor.may_change && !is_always && !self.may_look(head, peer) {
            return Err(Refusal::Unknown);
        }
        if matches!(head.method, Method::GET | Method::HEAD) {
            cross_site::judge_look(head)?;
            return Ok(visitor);
        }
        let is_own_page = cross_site::judge(head, self.is_tls)?;
        // Pages take forms, and nothing else: the router says so.
        if !is_api(path) && head.method != Method::POST {
            return Ok(visitor);
        }
        // The API judges its own orders, once it is known that there is something to be ordered at the path.
        if !is_api(path) && path != "/sign-in" && !may_order {
            if !is_signed_in {
                return Err(Refusal::Unknown);
            }
            if !is_own_page {
                return Err(Refusal::OtherSite);
            }
        }
        Ok(visitor)
    }

    /// Whether `shown` is the token; `Ok(false)` is never said.
    fn try_token(&self, head: &Parts, shown: &[u8]) -> Result<bool, Refusal> {
        let client = forwarded::client(head);
        if !self.tries.may_try(client) {
            return Err(Refusal::TooManyTries);
        }
        if self.token.as_ref().is_some_and(|token| token.is(shown)) {
            return Ok(true);
        }
        self.tries.tried(client);
        Err(Refusal::WrongToken)
    }

    fn may_look(&self, head: &Parts, peer: Option<Peer>) -> bool {
        match self.readers {
            Readers::All => true,
            Readers::None => false,
            Readers::Loopback => {
                matches!(peer, Some(Peer::Address(address)) if address.is_loopback())
                    && !forwarded::is_forwarded(&head.headers)
            }
        }
    }

    fn is_our_name(&self, head: &Parts) -> bool {
        let field = || head.headers.get(HOST)?.to_str().ok()?.parse::<Authority>().ok();
        let Some(authority) = head.uri.authority().cloned().or_else(field) else { return false };
        let host = authority.host();
        // Neither credentials before it nor anything but a port behind it.
        let Some(port) = authority.as_str().strip_prefix(host) else { return false };
        let digits = port.strip_prefix(':').unwrap_or(port);
        if !digits.bytes().all(|digit| digit.is_ascii_digit()) || digits.len() > 5 {
            return false;
        }
        let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        let listening = self.listening.read().expect("no holder of the addresses panics");
        host.eq_ignore_ascii_case("localhost")
            || literal.is_some_and(|address| address.is_loopback() || listening.contains(&address))
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef-the-token";

    fn access(readers: Readers) -> Access {
        let token = Token::parse(TOKEN).unwrap();
        let access = Access::new(vec!["images.example".to_owned()], readers, Some(token), false);
        access.listens_at("192.0.2.7".parse().unwrap());
        access.listens_at("0.0.0.0".parse().unwrap());
        access
    }

    fn head(line: &str, peer: Peer, fields: &[&str]) -> Parts {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = hyper::Request::builder().method(method).uri(path);
        for field in fields {
            let (name, value) = field.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let mut head = request.body(()).unwrap().into_parts().0;
        head.extensions.insert(peer);
        head
    }

    fn here() -> Peer {
        Peer::Address("127.0.0.1".parse().unwrap())
    }

    #[test]
    fn only_names_of_ours_are_answered() {
        let access = access(Readers::Loopback);
        for (host, is_ours) in [
            ("localhost", true),
            ("LOCALHOST:7420", true),
            ("127.0.0.1:7420", true),
            ("127.9.9.9", true),
            ("[::1]:7420", true),
            ("192.0.2.7:7420", true),
            ("images.example", true),
            ("Images.Example:443", true),
            ("0.0.0.0:7420", false),
            ("192.0.2.8", false),
            ("evil.test", false),
            ("localhost.evil.test", false),
            ("127.0.0.1.nip.io", false),
            ("images.example.evil.test", false),
            ("x@localhost", false),
            ("localhost:7420.evil.test", false),
            ("localhost:evil.test", false),
            ("", false),
        ] {
            let judged = access.visitor(&head("GET /", here(), &[&format!("Host: {host}")]));
            assert_eq!(judged.is_ok(), is_ours, "{host}");
        }
        assert!(access.visitor(&head("GET /", here(), &[])).is_err(), "no Host");
        let target = head("GET http://evil.test/", here(), &["Host: localhost"]);
        assert!(access.visitor(&target).is_err(), "the target counts, RFC 9112, section 3.2.2");
        assert!(access.visitor(&head("GET /", Peer::Control(7), &[])).is_ok(), "it has no name");
        assert!(access.visitor(&head("GET /", Peer::Socket, &["Host: evil.test"])).is_err());
    }

    #[test]
    fn who_may_do_what() {
        let afar = Peer::Address("198.51.100.1".parse().unwrap());
        let ours = rustix::process::geteuid().as_raw();
        let bearer = format!("Authorization: Bearer {TOKEN}");
        let of = |readers, peer, fields: &[&str]| {
            let mut fields = fields.to_vec();
            fields.push("Host: localhost");
            access(readers).visitor(&head("GET /api/v1", peer, &fields)).ok()
        };
        let (nobody, with_token) = (
            Visitor { may_change: false, is_signed_in: false, may_order: false, any_path: false },
            Visitor { may_change: true, is_signed_in: false, may_order: true, any_path: false },
        );
        for (readers, peer, fields, expected) in [
            (Readers::Loopback, here(), &[][..], Some(nobody)),
            (Readers::Loopback, afar, &[], None),
            (Readers::All, afar, &[], Some(nobody)),
            (Readers::None, here(), &[], None),
            (Readers::None, afar, &[bearer.as_str()], Some(with_token)),
            (Readers::None, Peer::Control(ours + 1), &[], Some(with_token)),
            (Readers::None, Peer::Control(ours), &[], Some(Visitor { any_path: true, ..with_token })),
            (Readers::None, Peer::Control(0), &[], Some(Visitor { any_path: true, ..with_token })),
            (Readers::All, here(), &["Authorization: Bearer wrong"], None),
            (Readers::Loopback, here(), &["X-Forwarded-For: 198.51.100.1"], None),
            (Readers::Loopback, here(), &["Forwarded: for=198.51.100.1"], None),
            (Readers::Loopback, here(), &["X-Forwarded-Host: localhost"], None),
            (Readers::Loopback, here(), &["X-Real-IP: 127.0.0.1"], None),
            (Readers::Loopback, here(), &["Via: 1.1 a"], None),
            (Readers::All, here(), &["Via: 1.1 a"], Some(nobody)),
            (Readers::None, here(), &["Via: 1.1 a", bearer.as_str()], Some(with_token)),
            (Readers::Loopback, Peer::Socket, &[], None),
            (Readers::None, Peer::Socket, &[], None),
            (Readers::All, Peer::Socket, &[], Some(nobody)),
            (Readers::None, Peer::Socket, &[bearer.as_str()], Some(with_token)),
        ] {
            assert_eq!(of(readers, peer, fields), expected, "{readers:?} {peer:?} {fields:?}");
        }
    }

    #[test]
    fn wrong_tokens_lock_out_nobody_else() {
        let access = access(Readers::Loopback);
        let (wrong, right) = ("Authorization: Bearer wrong", format!("Authorization: Bearer {TOKEN}"));
        let try_token = |peer, fields: &[&str]| {
            let mut fields = fields.to_vec();
            fields.push("Host: localhost");
            access.visitor(&head("GET /", peer, &fields)).map(|visitor| visitor.may_order)
        };
        let tries: Vec<_> = (0..20).map(|_| try_token(here(), &[wrong])).collect();
        assert_eq!(tries[0], Err(Refusal::WrongToken));
        assert!(tries.contains(&Err(Refusal::TooManyTries)), "{tries:?}");
        assert_eq!(try_token(here(), &[&right]), Err(Refusal::TooManyTries));
        let afar = Peer::Address("198.51.100.1".parse().unwrap());
        assert_eq!(try_token(afar, &[&right]), Ok(true));
        assert_eq!(try_token(here(), &["X-Forwarded-For: 192.0.2.1, 198.51.100.1", &right]), Ok(true));
        assert_eq!(try_token(Peer::Control(0), &[&right]), Ok(true));
    }

    #[test]
    fn pages_of_other_sites_lead_here_and_load_nothing() {
        let access = access(Readers::Loopback);
        let look = |site: &str, mode: &str| {
            let fields =
                ["Host: localhost", &format!("Sec-Fetch-Site: {site}"), &format!("Sec-Fetch-Mode: {mode}")];
            access.visitor(&head("GET /document?path=/a", here(), &fields)).is_ok()
        };
        for (site, mode, expected) in [
            ("same-origin", "cors", true),
            ("same-origin", "no-cors", true),
            ("none", "navigate", true),
            ("cross-site", "navigate", true),
            ("same-site", "navigate", true),
            ("cross-site", "no-cors", false),
            ("cross-site", "cors", false),
            ("same-site", "no-cors", false),
        ] {
            assert_eq!(look(site, mode), expected, "{site} {mode}");
        }
    }

    #[test]
    fn what_no_page_can_do_is_left_to_the_router() {
        let access = access(Readers::Loopback);
        for method in ["PUT", "TRACE", "OPTIONS", "DELETE"] {
            let line = format!("{method} /documents");
            assert!(access.visitor(&head(&line, here(), &["Host: localhost"])).is_ok(), "{method}");
        }
        let judged = access.visitor(&head("POST /retry", here(), &["Host: localhost"]));
        assert_eq!(judged, Err(Refusal::Unknown));
    }

    #[test]
    fn forms_need_a_session_and_a_page_of_ours() {
        let access = access(Readers::All);
        let cookie = format!("Cookie: a=b; {}", access.sessions.start());
        let judge = |line: &str, fields: &[&str]| {
            let mut fields = fields.to_vec();
            fields.push("Host: localhost:7420");
            access.visitor(&head(line, here(), &fields)).map(|visitor| visitor.may_order)
        };
        let ours = "Origin: http://localhost:7420";
        assert_eq!(judge("POST /retry", &[&cookie, ours]), Ok(false));
        assert_eq!(judge("POST /retry", &[&cookie, "Sec-Fetch-Site: same-origin"]), Ok(false));
        assert_eq!(judge("POST /retry", &[&cookie]), Err(Refusal::OtherSite));
        assert_eq!(judge("POST /retry", &[&cookie, "Origin: http://localhost:80"]), Err(Refusal::OtherSite));
        assert_eq!(judge("POST /retry", &[ours]), Err(Refusal::Unknown));
        assert_eq!(judge("POST /retry", &["Cookie: imgkeep_session=0", ours]), Err(Refusal::Unknown));
        assert_eq!(judge("POST /api/v1/runs", &[&cookie, ours]), Ok(false), "no order by cookie");
    }
}
