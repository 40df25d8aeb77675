//! A pipeline that failed while it was evaluated.

use anabranch_engine::{Outcome, OutcomeKind};
use anyhow::Result;

/// Media failed, in words for a person.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MediaFailure(pub String);

/// An error if the outcome is one; `what` says what could not be done.
pub fn check(what: &str, outcome: &Outcome) -> Result<()> {
    match outcome.failures.first() {
        Some(failure) => Err(MediaFailure(format!("{what}: {}: {}", failure.element, failure.reason)).into()),
        None if outcome.result == OutcomeKind::Failed => Err(MediaFailure(what.to_owned()).into()),
        None => Ok(()),
    }
}
