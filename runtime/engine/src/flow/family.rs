//! Steps that have child runs: `parallel`, `for-each`, `call-flow` (F-02).

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::block::Block;
use super::compile::{Compiler, Parts, SHAPE};
use super::model::{StepKind, Target};
use crate::expression::ValueTemplate;
use crate::ids::{FlowName, StepId};

/// Most branches of a `parallel`; at least two.
const BRANCHES_MAX: usize = 32;
/// Most items of a `for-each`, whatever its `max` says.
const FOR_EACH_MAX: u32 = 10_000;
/// Most items of a `for-each` that run at a time.
const CONCURRENCY_MAX: u32 = 64;

/// Runs lists of steps at the same time, each as a child run with a copy of the run's context.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ParallelDocument {
    /// Its name within the flow.
    pub id: StepId,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// The branches, and when they are done.
    pub parallel: BranchesDocument,
    /// The next step, or `end`. The one that follows in the document by default.
    #[serde(default)]
    pub next: Option<String>,
    /// The next step where a branch that is needed fails for a business reason.
    #[serde(default)]
    pub on_failure: Option<String>,
    /// The next step after a technical error, also one of a branch that is needed.
    #[serde(default)]
    pub on_error: Option<String>,
}

/// The branches of a `parallel`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct BranchesDocument {
    /// 2 to 32.
    pub branches: Vec<ParallelBranchDocument>,
    /// How many must complete: `all`, `any`, or a number. The others are cancelled as soon as so many have. `all` by
    /// default.
    #[serde(default)]
    pub wait_for: WaitFor,
    /// `stop`: the step fails as soon as `wait-for` cannot be reached any more, and the other branches are cancelled.
    /// `go-on`: it waits for all of them, and succeeds.
    #[serde(default)]
    pub on_branch_failure: OnFailure,
}

/// One branch.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ParallelBranchDocument {
    /// Its name, under which `steps.ID.branches` has what became of it.
    pub branch: StepId,
    /// What it runs.
    pub steps: Vec<Value>,
    /// Templates over the branch's context at its end. Nothing by default.
    #[serde(default)]
    pub result: Option<Value>,
}

/// How many branches must complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum WaitFor {
    /// So many.
    Number(u32),
    /// All, or any.
    Word(WaitForWord),
    /// Not said.
    #[default]
    #[serde(skip)]
    Unsaid,
}

/// How many branches must complete, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum WaitForWord {
    All,
    Any,
}

/// What a child run that does not complete means for its step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The step fails as soon as it cannot succeed any more.
    #[default]
    Stop,
    /// The step waits for all and succeeds.
    GoOn,
}

/// Runs a list of steps for each item of a list, each as a child run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ForEachDocument {
    /// Its name within the flow.
    pub id: StepId,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// The items and the steps.
    pub for_each: ItemsDocument,
    /// The next step, or `end`. The one that follows in the document by default.
    #[serde(default)]
    pub next: Option<String>,
    /// The next step where an item fails for a business reason.
    #[serde(default)]
    pub on_failure: Option<String>,
    /// The next step after a technical error, also one of an item.
    #[serde(default)]
    pub on_error: Option<String>,
}

/// The items of a `for-each`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ItemsDocument {
    /// A template that gives a list. The steps see `item.value`, `item.index`, and `item.outer` in a for-each within
    /// another one.
    pub items: Value,
    /// How many items run at a time: 1 to 64. 1 by default.
    #[serde(default = "one")]
    pub concurrency: u32,
    /// The most items that the list may have: up to 10,000. 100 by default.
    #[serde(default = "hundred")]
    pub max: u32,
    /// `stop`: the step fails with the first item that does not complete; `go-on`: it runs all items, and succeeds.
    #[serde(default)]
    pub on_item_failure: OnFailure,
    /// What is run for each item.
    pub steps: Vec<Value>,
    /// Templates over the item's context at its end. Nothing by default.
    #[serde(default)]
    pub result: Option<Value>,
}

fn one() -> u32 {
    1
}

fn hundred() -> u32 {
    100
}

/// Runs another flow of the tenant, or the flow itself, as a child run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct CallFlowDocument {
    /// Its name within the flow.
    pub id: StepId,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Which flow, and with what.
    pub call_flow: CalledFlowDocument,
    /// The next step, or `end`. The one that follows in the document by default.
    #[serde(default)]
    pub next: Option<String>,
    /// The next step where the called flow fails for a business reason.
    #[serde(default)]
    pub on_failure: Option<String>,
    /// The next step after a technical error, also one of the called flow.
    #[serde(default)]
    pub on_error: Option<String>,
}

/// The flow that a `call-flow` calls.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CalledFlowDocument {
    /// Its name.
    pub flow: FlowName,
    /// Its version. The one that is live when the step begins by default.
    #[serde(default)]
    pub version: Option<u32>,
    /// Templates for its event. Nothing by default.
    #[serde(default)]
    pub event: Value,
}

/// A `parallel`, compiled.
#[derive(Debug)]
pub struct ParallelStep {
    /// In the document's order.
    pub branches: Vec<ParallelBranch>,
    /// How many must complete.
    pub wait_for: u32,
    /// What one that does not complete means.
    pub on_failure: OnFailure,
}

/// One branch of a `parallel`.
#[derive(Debug)]
pub struct ParallelBranch {
    /// Its name.
    pub name: StepId,
    /// What it runs.
    pub block: Block,
    /// What it gives.
    pub result: Option<ValueTemplate>,
}

/// A `for-each`, compiled.
#[derive(Debug)]
pub struct ForEachStep {
    /// Gives the list.
    pub items: ValueTemplate,
    /// How many items run at a time.
    pub concurrency: u32,
    /// How many items there may be.
    pub max: u32,
    /// What one that does not complete means.
    pub on_failure: OnFailure,
    /// What is run for each.
    pub block: Block,
    /// What each gives.
    pub result: Option<ValueTemplate>,
}

/// A `call-flow`, compiled.
#[derive(Debug)]
pub struct CallFlowStep {
    /// The flow.
    pub flow: FlowName,
    /// Its version; the live one without.
    pub version: Option<u32>,
    /// Gives its event.
    pub event: ValueTemplate,
}

impl Compiler<'_> {
    pub(super) fn parallel(&mut self, pointer: &str, following: Target) -> Option<Parts> {
        let it: ParallelDocument = self.read_kind(pointer)?;
        let BranchesDocument { branches, wait_for, on_branch_failure } = it.parallel;
        let at = format!("{pointer}/parallel/branches");
        let length = branches.len();
        if !(2..=BRANCHES_MAX).contains(&length) {
            self.error(&at, SHAPE, format!("a parallel step has 2 to {BRANCHES_MAX} branches, not {length}"));
            return None;
        }
        let total = u32::try_from(length).unwrap_or(u32::MAX);
        let wait_for = match wait_for {
            WaitFor::Unsaid | WaitFor::Word(WaitForWord::All) => total,
            WaitFor::Word(WaitForWord::Any) => 1,
            WaitFor::Number(number) => number,
        };
        if !(1..=total).contains(&wait_for) {
            let message = format!("of {total} branches 1 to {total} can be waited for, not {wait_for}");
            self.error(&format!("{pointer}/parallel/wait-for"), SHAPE, message);
        }
        let mut names = HashSet::new();
        let mut compiled = Vec::new();
        for (index, branch) in branches.into_iter().enumerate() {
            let at = format!("{at}/{index}");
            if !names.insert(branch.branch.clone()) {
                let message = format!("there is a branch `{}` already", branch.branch);
                self.error(&format!("{at}/branch"), "flow.duplicate-branch", message);
            }
            let result = self.result(&at, branch.result.as_ref());
            let block = self.block(&format!("{at}/steps"));
            compiled.extend(block.map(|block| ParallelBranch { name: branch.branch, block, result }));
        }
        let transitions = self.transitions(pointer, it.next, following, [it.on_failure, it.on_error]);
        let kind = ParallelStep { branches: compiled, wait_for, on_failure: on_branch_failure };
        (kind.branches.len() == length).then(|| (it.id, StepKind::Parallel(Box::new(kind)), transitions))
    }

    pub(super) fn for_each(&mut self, pointer: &str, following: Target) -> Option<Parts> {
        let it: ForEachDocument = self.read_kind(pointer)?;
        let at = format!("{pointer}/for-each");
        for (member, number, most) in
            [("concurrency", it.for_each.concurrency, CONCURRENCY_MAX), ("max", it.for_each.max, FOR_EACH_MAX)]
        {
            if !(1..=most).contains(&number) {
                self.error(&format!("{at}/{member}"), SHAPE, format!("`{member}` is 1 to {most}, not {number}"));
            }
        }
        let items = self.values(&format!("{at}/items"), &it.for_each.items);
        let result = self.result(&at, it.for_each.result.as_ref());
        let block = self.block(&format!("{at}/steps"));
        let transitions = self.transitions(pointer, it.next, following, [it.on_failure, it.on_error]);
        let kind = ForEachStep {
            items: items?,
            concurrency: it.for_each.concurrency,
            max: it.for_each.max,
            on_failure: it.for_each.on_item_failure,
            block: block?,
            result,
        };
        Some((it.id, StepKind::ForEach(Box::new(kind)), transitions))
    }

    pub(super) fn call_flow(&mut self, pointer: &str, following: Target) -> Option<Parts> {
        let it: CallFlowDocument = self.read_kind(pointer)?;
        let event = self.values(&format!("{pointer}/call-flow/event"), &it.call_flow.event);
        let transitions = self.transitions(pointer, it.next, following, [it.on_failure, it.on_error]);
        let kind = CallFlowStep { flow: it.call_flow.flow, version: it.call_flow.version, event: event? };
        Some((it.id, StepKind::CallFlow(Box::new(kind)), transitions))
    }

    fn result(&mut self, pointer: &str, result: Option<&Value>) -> Option<ValueTemplate> {
        self.values(&format!("{pointer}/result"), result?)
    }
}
