//! What a flow comes to, in the simplest words: a walk over the tree.

use std::collections::{BTreeMap, BTreeSet};

use weir_engine::run::RunStateKind;

use super::flow::{Answers, Kind, Node, name};

/// How a list of steps may end. More than one where two branches may be the first to stop the others.
type Endings = BTreeSet<RunStateKind>;

/// What a walk leaves behind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effects {
    /// The steps whose calls are made, with how many runs make them.
    pub(crate) must: BTreeMap<String, usize>,
    /// The steps whose calls may be made: those of branches that others may stop.
    pub(crate) may: BTreeSet<String>,
    /// The claims of the result.
    pub(crate) claims: BTreeMap<String, i64>,
    /// The claims that may be there: of branches that did not complete.
    pub(crate) may_claim: BTreeSet<String>,
    /// The compensations of what was done.
    done: Vec<String>,
}

/// What a run of the flow comes to.
pub(crate) fn run(nodes: &[Node]) -> (Endings, Effects) {
    let (endings, mut effects) = list(nodes);
    settle(&endings, &mut effects);
    (endings, effects)
}

/// The compensations of a run that has ended so.
fn settle(endings: &Endings, effects: &mut Effects) {
    let done = std::mem::take(&mut effects.done);
    match (endings.contains(&RunStateKind::Completed), endings.len()) {
        (true, 1) => effects.done = done,
        (false, _) => done.into_iter().for_each(|step| effects.call(step, 1)),
        (true, _) => effects.may.extend(done),
    }
}

fn only(kind: RunStateKind) -> Endings {
    BTreeSet::from([kind])
}

fn list(nodes: &[Node]) -> (Endings, Effects) {
    let mut effects = Effects::default();
    for node in nodes {
        if node.when == Some(false) {
            continue;
        }
        let endings = step(node, &mut effects);
        let completed = endings.contains(&RunStateKind::Completed);
        if completed && let Some(id) = node.compensation {
            effects.done.push(name(id));
        }
        match (&node.kind, completed) {
            (Kind::Condition(false), _) => return (endings, effects),
            (_, true) => {}
            (_, false) if node.catches() => {}
            (_, false) => return (endings, effects),
        }
    }
    (only(RunStateKind::Completed), effects)
}

fn step(node: &Node, effects: &mut Effects) -> Endings {
    let own = name(node.id);
    match &node.kind {
        Kind::Call { answers, .. } => {
            effects.call(own, 1);
            only(match answers {
                Answers::Well | Answers::WellAfter(_) => RunStateKind::Completed,
                Answers::WithFailure => RunStateKind::Failed,
                Answers::WithError => RunStateKind::Error,
            })
        }
        Kind::Claim(value) => {
            effects.claims.insert(own, *value);
            only(RunStateKind::Completed)
        }
        Kind::Set(_) | Kind::Condition(_) | Kind::Wait(_) => only(RunStateKind::Completed),
        Kind::Fail => only(RunStateKind::Failed),
        Kind::Parallel { branches, goes_on } => {
            let children = branches.iter().map(|branch| list(branch)).collect();
            join(children, *goes_on, true, effects)
        }
        Kind::ForEach { items, steps, goes_on, .. } => {
            let children = (0..*items).map(|_| list(steps)).collect();
            join(children, *goes_on, false, effects)
        }
    }
}

/// What children come to together. Those that did not complete have taken back what they did.
fn join(children: Vec<(Endings, Effects)>, goes_on: bool, merges: bool, effects: &mut Effects) -> Endings {
    let completed = only(RunStateKind::Completed);
    let stops: Endings = children
        .iter()
        .flat_map(|(endings, _)| endings.iter().copied())
        .filter(|kind| !completed.contains(kind))
        .collect();
    let certain = goes_on || stops.is_empty();
    for (endings, mut child) in children {
        settle(&endings, &mut child);
        if !certain {
            effects.uncertain(child);
            continue;
        }
        child.must.iter().for_each(|(step, runs)| effects.call(step.clone(), *runs));
        effects.may.extend(child.may);
        if endings == completed {
            effects.done.extend(child.done);
            if merges {
                effects.claims.extend(child.claims);
                effects.may_claim.extend(child.may_claim);
            }
        } else if merges {
            effects.may_claim.extend(child.claims.into_keys());
            effects.may_claim.extend(child.may_claim);
        }
    }
    if certain { completed } else { stops }
}

impl Effects {
    fn call(&mut self, step: String, runs: usize) {
        *self.must.entry(step).or_default() += runs;
    }

    /// What a child may have left behind that others may have stopped: its end is not certain, nor what it had done.
    fn uncertain(&mut self, child: Self) {
        self.may.extend(child.must.into_keys());
        self.may.extend(child.may);
        self.may.extend(child.done);
        self.may_claim.extend(child.claims.into_keys());
        self.may_claim.extend(child.may_claim);
    }
}
