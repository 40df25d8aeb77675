//! Who may do what: bearer tokens with scopes.

mod grant;
pub(crate) mod origin;
pub(crate) mod rate;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

pub use grant::{Grant, Scope};

use crate::config::Token;
use crate::problem::{Code, Problem};

/// Knows the tokens. Without any, everybody may do everything: such a server listens on loopback only.
#[derive(Debug, Default)]
pub struct Access {
    tokens: Vec<(Vec<u8>, Grant)>,
}

impl Access {
    /// With these tokens.
    pub fn new(tokens: &[Token]) -> Self {
        let tokens = tokens.iter().map(|t| (t.token.clone().into_bytes(), t.grant()));
        Access { tokens: tokens.collect() }
    }

    /// Whether there is no token.
    pub fn is_open(&self) -> bool {
        self.tokens.is_empty()
    }

    /// What a request with these headers may do. `query` is the token of the query (`access_token=...`), for
    /// WebSockets and event streams of browsers, which cannot send headers.
    ///
    /// # Errors
    ///
    /// [`Code::Unauthorized`] without a known token.
    pub fn grant(&self, headers: &HeaderMap, query: Option<&str>) -> Result<Grant, Problem> {
        if self.is_open() {
            return Ok(Grant::everything());
        }
        let header = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(bearer);
        let Some(given) = header.or(query) else {
            return Err(Problem::new(Code::Unauthorized, "this needs a token: Authorization: Bearer TOKEN"));
        };
        self.find(given).ok_or_else(|| Problem::new(Code::Unauthorized, "the token is not known"))
    }

    /// Compares with every token and each in constant time, so that the time taken says nothing.
    fn find(&self, given: &str) -> Option<Grant> {
        let mut found = None;
        for (token, grant) in &self.tokens {
            if bool::from(token.as_slice().ct_eq(given.as_bytes())) {
                found = Some(grant.clone());
            }
        }
        found
    }
}

/// The token of `Bearer TOKEN`; the scheme's case does not matter.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|t| !t.is_empty())
}
