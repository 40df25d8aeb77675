//! What a request may do.

use serde::{Deserialize, Serialize};

use crate::problem::{Code, Problem};

/// A sort of thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// See pipelines, statistics, events and metrics.
    Observe,
    /// Create, change and end pipelines; Kurento's protocol.
    Control,
    /// Send media into an element by WHIP.
    Publish,
    /// Take media from an element by WHEP.
    Play,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 4] = [Scope::Observe, Scope::Control, Scope::Publish, Scope::Play];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Observe => "observe",
            Scope::Control => "control",
            Scope::Publish => "publish",
            Scope::Play => "play",
        }
    }
}

/// What a request may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The token's name, for logs; empty on a server without tokens.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The pipelines that it may do it with, exact names or `prefix*`; none: all.
    pub pipelines: Option<Vec<String>>,
}

impl Grant {
    /// A grant without any limit.
    pub fn everything() -> Self {
        Grant { name: String::new(), scopes: Scope::ALL.to_vec(), pipelines: None }
    }

    /// Whether it has that scope for that pipeline (for anything that is no pipeline: none).
    ///
    /// # Errors
    ///
    /// [`Code::Forbidden`] if not.
    pub fn require(&self, scope: Scope, pipeline: Option<&str>) -> Result<(), Problem> {
        if !self.scopes.contains(&scope) {
            let detail = format!("this needs a token with the scope '{}'", scope.name());
            return Err(Problem::new(Code::Forbidden, detail).with("scope", scope.name()));
        }
        match pipeline {
            Some(pipeline) if !self.covers(pipeline) => {
                Err(Problem::new(Code::Forbidden, format!("the token is not for the pipeline '{pipeline}'")))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is for that pipeline.
    pub fn covers(&self, pipeline: &str) -> bool {
        self.pipelines.as_ref().is_none_or(|patterns| {
            patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => pipeline.starts_with(prefix),
                None => pattern == pipeline,
            })
        })
    }

    /// Whether it is for all pipelines.
    pub fn covers_all(&self) -> bool {
        self.pipelines.is_none()
    }
}
