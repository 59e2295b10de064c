//! The token of those who may change something (RFC 6750).

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use crate::digest::Digest;
use crate::files;

/// The shortest that cannot be guessed, in characters.
const SHORTEST: usize = 16;
/// What is longer is no token, and is not even hashed; in bytes.
const LONGEST: usize = 4096;
/// Random bytes of a token that is made.
const RANDOM: usize = 32;

/// Only its digest is held: two digests are compared, which takes no time that would tell anything of the token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Digest);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// What a request shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown<'a> {
    /// No token.
    Nothing,
    /// Perhaps the token.
    Something(&'a [u8]),
    /// What cannot be one.
    Nonsense,
}

/// What the head of a request shows. What is not a bearer's is for somebody else, such as a proxy before us.
pub(super) fn shown(fields: &HeaderMap) -> Shown<'_> {
    let mut shown = Shown::Nothing;
    for field in fields.get_all(AUTHORIZATION) {
        let field = field.as_bytes();
        let (scheme, rest) = field.split_at_checked("bearer".len()).unwrap_or((field, b""));
        if !scheme.eq_ignore_ascii_case(b"bearer") || !matches!(rest, [] | [b' ', ..]) {
            continue;
        }
        let token = rest.trim_ascii();
        let is_token = !token.is_empty() && token.len() <= LONGEST && shown == Shown::Nothing;
        shown = if is_token { Shown::Something(token) } else { Shown::Nonsense };
    }
    shown
}

impl Token {
    /// Reads it from the text of a file.
    ///
    /// # Errors
    /// In words that do not hold the token.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim_ascii();
        ensure!(text.len() >= SHORTEST, "a token has at least {SHORTEST} characters");
        ensure!(text.len() <= LONGEST, "a token has at most {LONGEST} characters");
        ensure!(text.bytes().all(|byte| byte.is_ascii_graphic()), "a token has no spaces, and ASCII only");
        Ok(Self(Digest::of(text.as_bytes())))
    }

    /// The token in the file at `path`, which should be for its owner alone.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self> {
        let (bytes, _) = files::read(path, 2 * LONGEST as u64)?;
        if path.metadata().is_ok_and(|metadata| metadata.mode() & 0o077 != 0) {
            tracing::warn!(file = %path.display(), "others may read the token");
        }
        let text = std::str::from_utf8(&bytes).ok();
        let token = text.context("it is not text").and_then(Self::parse);
        token.with_context(|| format!("`{}` holds no token", path.display()))
    }

    /// The token in the file at `path`; made, for its owner alone, if there is none.
    ///
    /// # Errors
    /// As [`Self::read`], or when it cannot be written.
    pub fn read_or_make(path: &Path) -> Result<Self> {
        if !path.try_exists()? {
            files::write_private(path, format!("{}\n", random()?).as_bytes())?;
        }
        Self::read(path)
    }

    /// Whether `shown` is the token.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        shown.len() <= LONGEST && Digest::of(shown) == self.0
    }
}

/// 256 random bits from the operating system, as text.
pub(super) fn random() -> Result<String> {
    let mut bytes = [0; RANDOM];
    let filled = rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut bytes);
    if filled.is_err() {
        bail!("the system has no random bytes");
    }
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = Token::read_or_make(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim().len(), 43, "256 bits, six a character");
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(Token::read_or_make(&path).unwrap(), token);
        assert!(token.is(text.trim().as_bytes()));
        assert!(!token.is(&text.trim().as_bytes()[1..]) && !token.is(b""));
        assert!(!format!("{token:?}").contains(text.trim()));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in
            ["", "short", "with a space in the middle", "with-ümlauts-in-it-really", &"x".repeat(5000)]
        {
            let error = Token::parse(text).unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn bearers_are_told_from_others() {
        let long = format!("Bearer {}", "x".repeat(5000));
        for (fields, expected) in [
            (&[][..], Shown::Nothing),
            (&["Basic YTpi"], Shown::Nothing),
            (&["Bearerx y"], Shown::Nothing),
            (&["Bearer abc"], Shown::Something(b"abc")),
            (&["bEARER  abc "], Shown::Something(b"abc")),
            (&["Basic YTpi", "Bearer abc"], Shown::Something(b"abc")),
            (&["Bearer"], Shown::Nonsense),
            (&["Bearer "], Shown::Nonsense),
            (&["Bearer abc", "Bearer abc"], Shown::Nonsense),
            (&[long.as_str()], Shown::Nonsense),
        ] {
            let mut head = HeaderMap::new();
            for field in fields {
                head.append(AUTHORIZATION, field.parse().unwrap());
            }
            assert_eq!(shown(&head), expected, "{fields:?}");
        }
    }
}
