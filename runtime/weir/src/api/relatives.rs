//! The family of a run: the one that it is a part of, its child runs, and what became of its compensations.

use serde::Serialize;
use weir_engine::ids::RunId;
use weir_engine::run::{Children, Part, Run, RunStateKind};

use super::app::App;
use crate::problem::Problem;

/// Most child runs that a view names.
const CHILDREN_MAX: usize = 100;

/// What is told of a run's family.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(super) struct RelativesView {
    /// The run that it is a part of; absent where somebody started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<ParentView>,
    /// The child runs of its present step, while it has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<ChildrenView>,
    /// How the run will end, while its child runs end and what it did is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    ends_as: Option<RunStateKind>,
    /// What became of its compensations, in order; at most 1,000. One that is not `completed` did not take back what its
    /// step did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    compensations: Vec<CompensationView>,
}

/// The run that a run is a part of.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ParentView {
    /// Which.
    run: String,
    /// Its step.
    step: String,
    /// What of that step: `branch`, `item`, `flow` or `compensation`.
    #[schema(value_type = String)]
    part: Part,
    /// The number of the branch or item, from 0.
    index: u32,
}

/// The child runs of a step.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ChildrenView {
    /// What they run: `branch`, `item`, `flow` or `compensation`.
    #[schema(value_type = String)]
    part: Part,
    /// How many there will be.
    total: u32,
    /// How many have been begun.
    begun: u32,
    /// Those that had not ended when the run was committed last, at most 100.
    running: Vec<ChildView>,
}

/// A child run.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ChildView {
    /// Which; it is watched, resumed and cancelled by this id.
    run: String,
    /// Its number, from 0.
    index: u32,
    /// Where it stands.
    #[schema(value_type = String)]
    state: RunStateKind,
}

/// What became of a compensation.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct CompensationView {
    /// The step that was done.
    step: String,
    /// The run that took it back, or was to.
    run: String,
    /// How that run ended.
    #[schema(value_type = String)]
    state: RunStateKind,
}

impl RelativesView {
    /// Without the child runs.
    pub(super) fn alone(run: &Run) -> Self {
        let parent = run.parent.as_ref().map(|parent| ParentView {
            run: parent.run.to_string(),
            step: parent.step.to_string(),
            part: parent.part,
            index: parent.index,
        });
        let compensations = run.compensated.iter().map(|it| CompensationView {
            step: it.step.to_string(),
            run: it.run.to_string(),
            state: it.state,
        });
        let ends_as = run.ends_as.as_deref().map(|ending| ending.kind());
        Self { parent, children: None, ends_as, compensations: compensations.collect() }
    }
}

/// With the child runs, as they are now.
pub(super) async fn of(app: &App, run: &Run) -> Result<RelativesView, Problem> {
    let alone = RelativesView::alone(run);
    let Some(Children { since, part, total, begun, running, .. }) = &run.children else { return Ok(alone) };
    let mut shown = Vec::new();
    for index in running.iter().take(CHILDREN_MAX) {
        let id = RunId::child(run.id, *since, *index);
        if let Some(child) = app.store.run(&run.tenant, id).await? {
            shown.push(ChildView { run: id.to_string(), index: *index, state: child.state_kind() });
        }
    }
    let children = ChildrenView { part: *part, total: *total, begun: *begun, running: shown };
    Ok(RelativesView { children: Some(children), ..alone })
}
