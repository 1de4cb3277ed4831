//! What steps with child runs begin.

use serde_json::{Value, json};

use std::sync::atomic::Ordering;

use crate::engine::{LOOK_AT_LATEST, Trouble};
use crate::expression::{Scope, weight};
use crate::flow::{CallFlowStep, Flow, ForEachStep, ParallelStep};
use crate::ids::{FlowName, RunId, StepId};
use crate::ports::NewRun;
use crate::run::{
    Care, Children, ChildrenRecord, ContextChange, ContextKey, Parent, Part, Run, RunContext, StepError, StepRecord,
};
use crate::step::{Attempt, Begun, Done, Way, step_error};
use crate::time::Timestamp;

/// What the children of one beginning have in common.
pub(crate) struct Birth<'a> {
    /// Their parent.
    pub(crate) parent: &'a Run,
    /// The step that begins them.
    pub(crate) step: &'a StepId,
    /// The revision that begins the first of them.
    pub(crate) since: u64,
    /// What they run.
    pub(crate) part: Part,
    /// Now.
    pub(crate) now: Timestamp,
    /// When each must be done.
    pub(crate) deadline: Timestamp,
}

impl Birth<'_> {
    /// The child of that number.
    pub(crate) fn child(&self, index: u32, pinned: (FlowName, u32), first: StepId, context: RunContext) -> NewRun {
        let above = self.parent.parent.as_deref();
        let parent = Parent {
            run: self.parent.id,
            step: self.step.clone(),
            part: self.part,
            index,
            depth: above.map_or(0, |above| above.depth).saturating_add(1),
            calls: above.map_or(0, |above| above.calls).saturating_add(u32::from(self.part == Part::Flow)),
            undoes: self.part == Part::Compensation || above.is_some_and(|above| above.undoes),
            top: self.parent.top(),
            deadline: self.deadline,
        };
        let mut context = context;
        context.take_items();
        let id = RunId::child(self.parent.id, self.since, index);
        let run = Run::new(self.parent.tenant.clone(), id, pinned, first, self.now, self.deadline);
        let run = Run {
            parent: Some(Box::new(parent)),
            trace_id: self.parent.trace_id.clone(),
            sensitive: self.parent.sensitive.clone(),
            ..run
        };
        NewRun { run, context, client_key: None, lease: None }
    }

    /// A child that runs steps of the parent's own flow.
    pub(crate) fn of_own_flow(&self, index: u32, first: &StepId, context: RunContext) -> NewRun {
        let pinned = (self.parent.flow.clone(), self.parent.flow_version);
        self.child(index, pinned, first.clone(), context)
    }

    /// The child of a `for-each` for an item.
    pub(crate) fn of_item(&self, index: u32, each: &ForEachStep, item: &Value, context: &RunContext) -> NewRun {
        let mut context = context.clone();
        let mut about = json!({ "value": item, "index": index });
        if let (Some(outer), Some(about)) = (context.get(&ContextKey::item()), about.as_object_mut()) {
            about.insert("outer".to_owned(), outer.clone());
        }
        context.apply(&ContextChange { key: ContextKey::item(), value: about });
        self.of_own_flow(index, &each.block.first, context)
    }
}

/// How many children may be begun by one write: each has a copy of the context, and all of them are in memory then.
pub(crate) fn at_once(context: &RunContext, bytes: usize) -> u32 {
    let each: usize = context.iter().map(|(_, value)| weight(value)).sum();
    u32::try_from(bytes / each.max(1)).unwrap_or(u32::MAX).max(1)
}

/// Begins the branches, as many as may be begun at once.
pub(crate) fn run_parallel(attempt: &Attempt<'_>, step: &ParallelStep) -> Done {
    let total = u32::try_from(step.branches.len()).unwrap_or(u32::MAX);
    let mut children = Children::of(Part::Branch, attempt.run.revision.saturating_add(1), total);
    let birth = attempt.birth(&children);
    let begun = children.begin(attempt.at_once()).zip(&step.branches);
    let runs = begun.map(|(index, branch)| birth.of_own_flow(index, &branch.block.first, attempt.context.clone()));
    let runs = runs.collect();
    begin(attempt, children, runs, None)
}

/// Begins the first items. Without any the step is done.
pub(crate) fn run_for_each(attempt: &Attempt<'_>, step: &ForEachStep) -> Done {
    let items = match items(step, &attempt.scope).and_then(|items| attempt.keep(weigh(&items)).map(|()| items)) {
        Ok(items) => items,
        Err(error) => return Done { record: StepRecord::NotRun, way: Way::Error(error), changes: Vec::new() },
    };
    let total = u32::try_from(items.len()).unwrap_or(u32::MAX);
    let mut children = Children::of(Part::Item, attempt.run.revision.saturating_add(1), total);
    if items.is_empty() {
        let value = json!({ "results": [], "completed": 0 });
        let changes = vec![ContextChange { key: ContextKey::step(&attempt.step.id), value }];
        let record = ChildrenRecord { joined: true, ..ChildrenRecord::of(&children) };
        return Done { record: StepRecord::Children(record), way: Way::Next, changes };
    }
    let birth = attempt.birth(&children);
    let begun = children.begin(step.concurrency.min(attempt.at_once())).zip(&items);
    let runs = begun.map(|(index, item)| birth.of_item(index, step, item, attempt.context)).collect();
    let items = (children.begun < total).then_some(items);
    begin(attempt, children, runs, items)
}

fn weigh(items: &[Value]) -> usize {
    items.iter().map(weight).sum()
}

/// The items of a `for-each`.
fn items(step: &ForEachStep, scope: &Scope) -> Result<Vec<Value>, StepError> {
    let Value::Array(items) = step.items.evaluate(scope)? else {
        return Err(step_error(
            "flow.items",
            "`items` gives no list; a `for-each` runs its steps for each item of one",
        ));
    };
    if items.len() > usize::try_from(step.max).unwrap_or(usize::MAX) {
        let message = format!("there are {} items; `max` of the `for-each` allows {}", items.len(), step.max);
        return Err(step_error("flow.too-many-items", message));
    }
    Ok(items)
}

/// Begins a run of the called flow.
pub(crate) async fn run_call_flow(attempt: &Attempt<'_>, step: &CallFlowStep) -> Done {
    match called(attempt, step).await {
        Ok(done) => done,
        Err(trouble) => Done { record: StepRecord::NotRun, way: trouble.into(), changes: Vec::new() },
    }
}

async fn called(attempt: &Attempt<'_>, step: &CallFlowStep) -> Result<Done, Trouble> {
    let calls = attempt.run.parent.as_ref().map_or(0, |parent| parent.calls);
    if calls >= attempt.calls.depth_max {
        let most = attempt.calls.depth_max;
        let message = format!("flows call one another {most} deep here, the most that `engine.call-depth-max` allows");
        return Err(step_error("flow.call-depth", message).into());
    }
    let event = step.event.evaluate(&attempt.scope).map_err(StepError::from)?;
    attempt.keep(weight(&event))?;
    let definitions = &attempt.ports.definitions;
    let versions = attempt.outside.versions();
    let found = definitions.called_flow(&attempt.run.tenant, &step.flow, step.version, versions).await?;
    let (version, flow) = found.ok_or_else(|| {
        let version = step.version.map(|version| format!(" in version {version}")).unwrap_or_default();
        step_error("flow.unknown", format!("there is no flow `{}`{version}", step.flow))
    })?;
    check_event(&flow, &event, attempt.calls.event_bytes_max)?;
    let mut children = Children::of(Part::Flow, attempt.run.revision.saturating_add(1), 1);
    let birth = attempt.birth(&children);
    let deadline = birth.deadline.min(birth.now.after(flow.deadline));
    let birth = Birth { deadline, ..birth };
    children.begin(1);
    let pinned = (flow.name.clone(), version);
    let mut child = birth.child(0, pinned, flow.main.first.clone(), RunContext::of_event(event));
    // What is hidden of the caller's data stays hidden where it goes.
    let marked: Vec<String> = attempt.marked().await?.marks().map(str::to_owned).collect();
    child.run.keep_sensitive(&marked);
    Ok(begin(attempt, children, vec![child], None))
}

fn check_event(flow: &Flow, event: &Value, most: usize) -> Result<(), StepError> {
    let bytes = event.to_string().len();
    if bytes > most {
        let message = format!("the event for flow `{}` has {bytes} bytes; at most {most} are allowed", flow.name);
        return Err(step_error("run.event-too-large", message));
    }
    let violations = flow.input.as_ref().map(|schema| schema.violations(event)).unwrap_or_default();
    match violations.first() {
        None => Ok(()),
        Some(first) => {
            let message = format!(
                "the event does not match the input schema of flow `{}`: `{}` {}",
                flow.name, first.pointer, first.problem
            );
            Err(step_error("run.invalid-event", message))
        }
    }
}

fn begin(attempt: &Attempt<'_>, children: Children, runs: Vec<NewRun>, items: Option<Vec<Value>>) -> Done {
    let record = StepRecord::Children(ChildrenRecord::of(&children));
    let policy = super::policy(&attempt.step.kind, children.total);
    let has_more = policy.is_some_and(|policy| matches!(children.care(policy), Care::Begin(_)));
    let outside = &attempt.outside;
    let until = if has_more { outside.now("look") } else { outside.after("look", LOOK_AT_LATEST) };
    Done { record, way: Way::Begin(Box::new(Begun { children, runs, items, until })), changes: Vec::new() }
}

impl Attempt<'_> {
    /// How many children it may begin at once.
    fn at_once(&self) -> u32 {
        at_once(self.context, self.bytes_left.load(Ordering::Relaxed))
    }

    /// What the children of this step have in common. None of them has longer than the run, or than the step's own
    /// deadline.
    fn birth(&self, children: &Children) -> Birth<'_> {
        let now = self.outside.now("birth");
        let own = self.step.common.deadline.map(|deadline| now.after(deadline));
        let deadline = own.map_or(self.run.deadline, |own| own.min(self.run.deadline));
        let (since, part) = (children.since, children.part);
        Birth { parent: self.run, step: &self.step.id, since, part, now, deadline }
    }
}
