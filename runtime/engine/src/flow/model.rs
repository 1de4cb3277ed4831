//! A flow, compiled: every template parsed, every transition resolved.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::action::{ActionStep, EncryptionRules};
use super::block::Block;
use super::common::Common;
use super::family::{CallFlowStep, ForEachStep, ParallelStep};
use super::kinds::{ClaimsStep, RedirectStep, SetTemplate, Signing, TransformStep, WaitStep};
use super::prompt::PromptStep;
use super::reference::{FunctionRef, PluginRequirement};
use crate::expression::{Expression, Template, ValueTemplate};
use crate::ids::{ConnectorName, FlowName, StepId};
use crate::ports::InvocationLimits;
use crate::run::ContextKey;
use crate::schema::Schema;

/// A flow, compiled. At least one step.
#[derive(Debug)]
pub struct Flow {
    /// Its name.
    pub name: FlowName,
    /// What starts it; empty where the document names nothing.
    pub trigger: String,
    /// What an event must look like.
    pub input: Option<Schema>,
    /// How long a run may take in all.
    pub deadline: Duration,
    /// How long each compensation of a run may take.
    pub compensation_deadline: Duration,
    /// What every run begins with.
    pub main: Block,
    /// Every step, in the document's order; those that stand inside a step behind it.
    pub steps: Vec<Arc<Step>>,
    /// The steps that a run may come to more than once, and perhaps others.
    pub repeated: HashSet<StepId>,
}

impl Flow {
    /// The step of that id.
    pub fn step(&self, id: &StepId) -> Option<&Arc<Step>> {
        self.steps.iter().find(|step| step.id == *id)
    }

    /// Whether a run may come to the step more than once.
    pub fn may_come_again(&self, id: &StepId) -> bool {
        self.repeated.contains(id)
    }

    /// Every list of steps.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        std::iter::once(&self.main).chain(self.steps.iter().flat_map(|step| step.blocks()))
    }

    /// Every connector that the flow calls, grants to its plugins, or has as the service of an action of its own.
    pub fn connectors(&self) -> BTreeSet<&ConnectorName> {
        let functions = self.steps.iter().flat_map(|step| match &step.kind {
            StepKind::Call(call) => {
                let hooks = call.pre_call.iter().chain(&call.post_response);
                hooks.flat_map(|hook| &hook.grants).chain([&call.function]).collect()
            }
            StepKind::Action(action) => action.own().map(|it| it.provider.functions()).unwrap_or_default(),
            StepKind::Transform(transform) => transform.hook.grants.iter().collect(),
            StepKind::Prompt(prompt) => prompt.calls.iter().map(|it| &it.call.function).collect(),
            StepKind::Condition(_)
            | StepKind::Claims(_)
            | StepKind::Set(_)
            | StepKind::Wait(_)
            | StepKind::Redirect(_)
            | StepKind::Parallel(_)
            | StepKind::ForEach(_)
            | StepKind::CallFlow(_)
            | StepKind::Fail { .. }
            | StepKind::End => Vec::new(),
        });
        functions.map(|function| &function.connector).collect()
    }
}

impl Flow {
    /// How its claims are signed, each with the step that does.
    pub fn signings(&self) -> impl Iterator<Item = (&Arc<Step>, &Signing)> {
        self.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Claims(claims) => claims.sign.as_deref().map(|signing| (step, signing)),
            _ => None,
        })
    }

    /// The names of what the flow's own actions encrypt (D-04): nobody is shown what stands under them. What saved
    /// actions encrypt is theirs to say.
    pub(crate) fn encrypted_names(&self) -> impl Iterator<Item = &str> {
        let own = self.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Action(action) => action.own(),
            _ => None,
        });
        own.filter_map(|set_up| set_up.encryption.as_ref()).flat_map(EncryptionRules::sensitive_names)
    }
}

/// One step, compiled.
#[derive(Debug)]
pub struct Step {
    /// Its name within the flow.
    pub id: StepId,
    /// Where it stands in its document, as a JSON pointer.
    pub pointer: String,
    /// What it does.
    pub kind: StepKind,
    /// Where it leads.
    pub transitions: Transitions,
    /// What every kind of step may have.
    pub common: Common,
}

impl Step {
    /// A step of no document, which leads nowhere.
    pub fn alone(id: StepId, kind: StepKind) -> Self {
        Self { id, pointer: String::new(), kind, transitions: Transitions::NOWHERE, common: Common::default() }
    }

    /// Where it leads where it is passed over.
    pub fn otherwise(&self) -> &Target {
        self.common.otherwise.as_ref().unwrap_or(&self.transitions.next)
    }

    /// Whether it has child runs.
    pub fn has_children(&self) -> bool {
        matches!(self.kind, StepKind::Parallel(_) | StepKind::ForEach(_) | StepKind::CallFlow(_))
    }

    /// The lists of steps that stand inside it.
    pub fn blocks(&self) -> Vec<&Block> {
        let own = match &self.kind {
            StepKind::Parallel(parallel) => parallel.branches.iter().map(|branch| &branch.block).collect(),
            StepKind::ForEach(each) => vec![&each.block],
            StepKind::Call(_)
            | StepKind::CallFlow(_)
            | StepKind::Condition(_)
            | StepKind::Action(_)
            | StepKind::Claims(_)
            | StepKind::Set(_)
            | StepKind::Transform(_)
            | StepKind::Wait(_)
            | StepKind::Redirect(_)
            | StepKind::Prompt(_)
            | StepKind::Fail { .. }
            | StepKind::End => Vec::new(),
        };
        own.into_iter().chain(&self.common.compensate).collect()
    }
}

/// Where a step leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transitions {
    /// After it is done, or passed over. A condition's branches say it themselves where it is not.
    pub next: Target,
    /// After a business failure; the run ends as failed without.
    pub on_failure: Option<Target>,
    /// After a technical error; the run ends as an error without.
    pub on_error: Option<Target>,
    /// Where nobody resumed the run in time; it ends as an error without.
    pub on_expiry: Option<Target>,
}

impl Transitions {
    /// Of a step that leads nowhere.
    pub(crate) const NOWHERE: Self = Self { next: Target::End, on_failure: None, on_error: None, on_expiry: None };
}

/// A step, or the end of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This step.
    Step(StepId),
    /// The end.
    End,
}

impl Target {
    /// The step, where it is one.
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::Step(id) => Some(id),
            Self::End => None,
        }
    }
}

/// What a step does.
#[derive(Debug)]
pub enum StepKind {
    /// Calls a function of a connector.
    Call(Arc<CallStep>),
    /// Takes the first branch that holds.
    Condition(Vec<Branch>),
    /// Hands an event to a plugin or an external service.
    Action(Box<ActionStep>),
    /// Sets claims, and signs them.
    Claims(ClaimsStep),
    /// Assigns values of the context.
    Set(Vec<SetTemplate>),
    /// Lets a plugin make a value of others.
    Transform(Box<TransformStep>),
    /// Lets the run rest.
    Wait(WaitStep),
    /// Sends the end user elsewhere.
    Redirect(RedirectStep),
    /// Asks somebody.
    Prompt(Box<PromptStep>),
    /// Runs branches at the same time.
    Parallel(Box<ParallelStep>),
    /// Runs steps for each item of a list.
    ForEach(Box<ForEachStep>),
    /// Runs another flow.
    CallFlow(Box<CallFlowStep>),
    /// Ends the run as failed.
    Fail {
        /// Why.
        reason: Template,
        /// More of it.
        description: Option<Template>,
    },
    /// Ends the run.
    End,
}

/// A connector call with its hooks.
#[derive(Debug)]
pub struct CallStep {
    /// What to call.
    pub function: FunctionRef,
    /// The arguments; an object of templates.
    pub arguments: ValueTemplate,
    /// Hooks before the call.
    pub pre_call: Vec<HookUse>,
    /// Hooks after the response.
    pub post_response: Vec<HookUse>,
    /// Where the result lands.
    pub context_key: ContextKey,
}

/// A hook of a plugin at one place of a flow.
#[derive(Debug)]
pub struct HookUse {
    /// The plugin and the versions that will do.
    pub plugin: PluginRequirement,
    /// What the hook sees of the context.
    pub input: ValueTemplate,
    /// The plugin's settings here.
    pub config: Value,
    /// What it may call.
    pub grants: Vec<FunctionRef>,
    /// Smaller limits than the host's.
    pub limits: Option<InvocationLimits>,
}

/// One branch of a condition.
#[derive(Debug)]
pub struct Branch {
    /// When it is taken; always, for the last one.
    pub when: Option<Expression>,
    /// Where it leads.
    pub target: Target,
}
