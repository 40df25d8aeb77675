//! Checks and plans graphs against what this machine can do.

use std::sync::Arc;

use anabranch_graph::catalog::Catalog;
use anabranch_graph::plan::{Pace, Plan};
use anabranch_graph::spec::{GraphSpec, Transcoding};
use anabranch_graph::{Completeness, Document, PlanOptions, check_all, plan_with};

use crate::capabilities::Machine;
use crate::error::GraphError;

/// Checks and plans graphs.
#[derive(Clone)]
pub(crate) struct Planner {
    pub catalog: Arc<Catalog>,
    pub machine: Arc<Machine>,
}

impl Planner {
    /// Checks a description. A complete one must be able to run as it is; another may still grow.
    pub fn check(&self, document: &Document, completeness: Completeness) -> Result<GraphSpec, GraphError> {
        let checked = check_all(document, &self.catalog, Some(&*self.machine), completeness);
        checked.spec.ok_or(GraphError { diagnostics: checked.diagnostics })
    }

    /// Plans a graph; one that already runs keeps its pace.
    pub fn plan(&self, spec: &GraphSpec, pace: Option<Pace>) -> Result<Plan, GraphError> {
        // Looking into files costs start-up time; it is only needed where a transcode is forbidden.
        let forbids = spec.links.iter().any(|l| l.options.transcoding == Transcoding::Forbid);
        let machine = self.machine.looking(forbids);
        plan_with(spec, &self.catalog, &machine, &PlanOptions { pace })
            .map_err(|diagnostics| GraphError { diagnostics })
    }
}
