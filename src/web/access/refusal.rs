//! Why a request is not let through, as a program or a person is told.

use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{RETRY_AFTER, WWW_AUTHENTICATE};

use crate::web::access::{is_api, sign_in};
use crate::web::problem::Problem;

/// Why a request is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Refusal {
    /// It asks for a name that is not ours.
    OtherName,
    /// It shows a token that is not the one.
    WrongToken,
    /// It comes from somebody who showed too many wrong tokens of late.
    TooManyTries,
    /// It shows neither a token nor a session, and needs one.
    Unknown,
    /// It comes from a page of another site.
    OtherSite,
}

impl Refusal {
    /// The answer. `can_sign_in`: whether there is a token at all.
    pub(super) fn response(self, path: &str, can_sign_in: bool) -> Response {
        if self == Self::Unknown && !is_api(path) && path != "/metrics" && can_sign_in {
            return self.challenge(sign_in::page(StatusCode::UNAUTHORIZED, ""));
        }
        self.into_response()
    }

    /// What is to be shown (RFC 6750, section 3), or waited for.
    fn challenge(self, mut response: Response) -> Response {
        let challenge = match self {
            Self::Unknown => "Bearer realm=\"imgkeep\"",
            Self::WrongToken => "Bearer realm=\"imgkeep\", error=\"invalid_token\"",
            Self::OtherName | Self::OtherSite => return response,
            Self::TooManyTries => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
                return response;
            }
        };
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        response
    }

    fn problem(self) -> Problem {
        match self {
            Self::OtherName => Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "the host is none of `server.hosts`, and not this machine",
            ),
            Self::WrongToken => Problem::new(StatusCode::UNAUTHORIZED, "the token is not the right one"),
            Self::TooManyTries => {
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens: wait a moment")
            }
            Self::Unknown => Problem::new(StatusCode::UNAUTHORIZED, "a token is needed"),
            Self::OtherSite => Problem::new(
                StatusCode::FORBIDDEN,
                "pages of other sites may lead here, and neither load nor change anything",
            ),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.challenge(self.problem().into_response())
    }
}
