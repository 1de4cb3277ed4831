//! From what an author wrote to what the engine runs.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::{
    BranchDocument, CallDocument, ClaimDocument, ClaimsDocument, ConditionDocument, EndDocument, FailDocument,
    FlowDocument, HookDocument, KINDS, STEPS_MAX,
};
use super::input;
use super::model::{Branch, CallStep, ClaimTemplate, Flow, HookUse, Step, StepKind, Target, Transitions};
use crate::action::ActionTypes;
use crate::document::{Document, Faults, Severity, escape_pointer, list_names, read};
use crate::expression::{Expression, Template, TemplateFault, ValueTemplate};
use crate::ids::StepId;
use crate::run::ContextKey;

/// The longest condition or list of claims.
const ITEMS_MAX: usize = 100;

/// The longest chain of hooks: all that they answer is kept until the step is committed.
const HOOKS_MAX: usize = 10;

/// The most arguments of a call.
const ARGUMENTS_MAX: usize = 100;

pub(super) const SHAPE: &str = "flow.shape";

/// Compiles a document; adds every fault. `None` where a fault leaves nothing to go on with.
pub(super) fn compile(
    document: &Document,
    types: &Arc<ActionTypes>,
    is_save: bool,
    faults: &mut Faults,
) -> Option<Flow> {
    let head: FlowDocument = read(document, "", SHAPE, faults)?;
    if head.steps.is_empty() || head.steps.len() > STEPS_MAX {
        let message = format!("a flow has 1 to {STEPS_MAX} steps, this one has {}", head.steps.len());
        faults.error(document, "/steps", "flow.step-count", message);
        return None;
    }
    if head.deadline.is_zero() {
        faults.error(document, "/deadline", "flow.deadline", "with no time at all every run would end at once");
    }
    let input = head.input.as_ref().and_then(|input| input::compile(document, &input.schema, faults));
    let mut compiler = Compiler { document, types, faults, is_save };
    let names: Vec<Option<StepId>> = head.steps.iter().map(step_id).collect();
    let steps: Vec<Arc<Step>> = (0..head.steps.len())
        .filter_map(|index| compiler.step(index, names.get(index + 1).and_then(Option::as_ref)))
        .map(Arc::new)
        .collect();
    let first = steps.first()?.id.clone();
    Some(Flow {
        name: head.flow,
        trigger: head.trigger.unwrap_or_default(),
        input,
        deadline: head.deadline,
        first,
        steps,
    })
}

/// The hooks around a call.
#[derive(Debug, Default)]
pub struct CallHooks {
    /// Before the call, in order.
    pub pre_call: Vec<HookUse>,
    /// After the response, in order.
    pub post_response: Vec<HookUse>,
}

/// Compiles the hooks of a call that stands in no flow: the members `pre_call` and `post_response` of a document,
/// each a list as a step has it.
pub(crate) fn call_hooks(document: &Document) -> Result<CallHooks, Faults> {
    let mut faults = Faults::default();
    let types = ActionTypes::shipped();
    let mut compiler = Compiler { document, types: &types, faults: &mut faults, is_save: true };
    let mut chain = |pointer: &str| {
        let hooks = compiler.read::<Vec<HookDocument>>(pointer)?;
        compiler.hooks(pointer, hooks)
    };
    let hooks = CallHooks {
        pre_call: chain("/pre_call").unwrap_or_default(),
        post_response: chain("/post_response").unwrap_or_default(),
    };
    if faults.has_errors() { Err(faults.sorted()) } else { Ok(hooks) }
}

fn step_id(step: &Value) -> Option<StepId> {
    step.get("id")?.as_str()?.parse().ok()
}

pub(super) struct Compiler<'a> {
    pub(super) document: &'a Document,
    pub(super) types: &'a Arc<ActionTypes>,
    pub(super) faults: &'a mut Faults,
    /// Whether an author saves the document now. What is stored is held against less: it must load.
    pub(super) is_save: bool,
}

impl Compiler<'_> {
    fn step(&mut self, index: usize, following: Option<&StepId>) -> Option<Step> {
        let pointer = format!("/steps/{index}");
        let node = self.document.value.pointer(&pointer)?;
        let Some(object) = node.as_object() else {
            self.error(&pointer, SHAPE, "a step must be an object with `id` and a kind");
            return None;
        };
        // What an action knows of claims is an object under the name of the step that sets them in a list.
        let has_rules = object.contains_key("action") && object.get("claims").is_some_and(Value::is_object);
        let is_kind = |kind: &&str| object.contains_key(*kind) && !(has_rules && *kind == "claims");
        let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.0).filter(is_kind).collect();
        let [kind] = kinds.as_slice() else {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.0).collect();
            let known = names.join("`, `");
            let message = match kinds.as_slice() {
                [] => "this step has no kind".to_owned(),
                several => format!("this step has more than one kind: `{}`", several.join("`, `")),
            };
            self.faults
                .error(self.document, &pointer, "flow.step-kind", message)
                .help(format!("give it one of `{known}`"));
            return None;
        };
        let following = following.map_or(Target::End, |id| Target::Step(id.clone()));
        let step = match *kind {
            "call" => self.call(&pointer, following),
            "condition" => self.condition(&pointer),
            "action" => self.action(&pointer, following),
            "claims" => self.claims(&pointer, following),
            "fail" => self.fail(&pointer),
            _ => self.end(&pointer),
        }?;
        if step.id.as_str() == "end" {
            self.error(
                &format!("{pointer}/id"),
                "flow.reserved-step",
                "`end` names the end of a run; give the step another id",
            );
        }
        Some(step)
    }

    fn call(&mut self, pointer: &str, following: Target) -> Option<Step> {
        let it: CallDocument = self.read(pointer)?;
        let context_key = match &it.context_key {
            None => format!("connectors.{}", it.id).parse(),
            Some(text) => text.parse(),
        };
        let context_key: Option<ContextKey> = match context_key {
            Ok(key) if ContextKey::parts(&key).0 == "connectors" => Some(key),
            _ => {
                let text = it.context_key.as_deref().unwrap_or_default();
                let message = format!("`{text}` is not a place for a result; write `connectors.NAME`");
                self.error(&format!("{pointer}/context-key"), "flow.context-key", message);
                None
            }
        };
        if it.arguments.len() > ARGUMENTS_MAX {
            let message = format!("a call has at most {ARGUMENTS_MAX} arguments, not {}", it.arguments.len());
            self.error(&format!("{pointer}/arguments"), SHAPE, message);
            return None;
        }
        let arguments = Value::Object(it.arguments.into_iter().collect());
        let arguments = self.values(&format!("{pointer}/arguments"), &arguments);
        let pre_call = self.hooks(&format!("{pointer}/pre-call"), it.pre_call);
        let post_response = self.hooks(&format!("{pointer}/post-response"), it.post_response);
        let transitions = self.transitions(pointer, it.next, following, [it.on_failure, it.on_error]);
        let call = CallStep {
            function: it.call,
            arguments: arguments?,
            pre_call: pre_call?,
            post_response: post_response?,
            context_key: context_key?,
        };
        Some(Step { id: it.id, kind: StepKind::Call(Arc::new(call)), transitions })
    }

    fn condition(&mut self, pointer: &str) -> Option<Step> {
        let it: ConditionDocument = self.read(pointer)?;
        let at = format!("{pointer}/condition");
        self.bound(&at, it.condition.len())?;
        let last = it.condition.len().saturating_sub(1);
        let mut branches = Vec::new();
        for (index, branch) in it.condition.into_iter().enumerate() {
            branches.extend(self.branch(&format!("{at}/{index}"), branch));
        }
        match branches.iter().position(|branch| branch.when.is_none()) {
            None => {
                let fault =
                    self.faults.error(self.document, &at, "flow.missing-otherwise", "no branch holds in every case");
                fault.help("end the list with `- otherwise: STEP`");
            }
            Some(position) if position < last && branches.len() == last + 1 => {
                let at = format!("{at}/{}", position + 1);
                self.error(&at, "flow.unreachable-branch", "this branch stands behind `otherwise` and is never tried");
            }
            Some(_) => {}
        }
        let transitions = self.transitions(pointer, None, Target::End, [None, it.on_error]);
        // Without one of its branches, the steps that it leads to would seem unreachable.
        (branches.len() == last + 1).then_some(Step { id: it.id, kind: StepKind::Condition(branches), transitions })
    }

    fn branch(&mut self, pointer: &str, branch: BranchDocument) -> Option<Branch> {
        match (branch.when, branch.next, branch.otherwise) {
            (Some(when), Some(next), None) => {
                let target = self.target(&format!("{pointer}/next"), &next);
                let when = match Expression::parse(&when) {
                    Ok(expression) => Some(expression),
                    Err(fault) => {
                        let fault = TemplateFault { message: fault.message, offset: fault.offset };
                        self.expression_fault(&format!("{pointer}/when"), &when, &fault);
                        None
                    }
                };
                Some(Branch { when: Some(when?), target: target? })
            }
            (None, None, Some(otherwise)) => {
                let target = self.target(&format!("{pointer}/otherwise"), &otherwise)?;
                Some(Branch { when: None, target })
            }
            _ => {
                let message = "a branch has `when` with `next`, or `otherwise` alone";
                self.error(pointer, SHAPE, message);
                None
            }
        }
    }

    fn claims(&mut self, pointer: &str, following: Target) -> Option<Step> {
        let it: ClaimsDocument = self.read(pointer)?;
        let at = format!("{pointer}/claims");
        self.bound(&at, it.claims.len())?;
        let claims: Vec<Option<ClaimTemplate>> = it
            .claims
            .into_iter()
            .enumerate()
            .map(|(index, claim)| self.claim(&format!("{at}/{index}"), claim))
            .collect();
        let transitions = self.transitions(pointer, it.next, following, [None, it.on_error]);
        let claims = claims.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Step { id: it.id, kind: StepKind::Claims(claims), transitions })
    }

    fn claim(&mut self, pointer: &str, claim: ClaimDocument) -> Option<ClaimTemplate> {
        let context_key = ContextKey::claim(&claim.key);
        if context_key.is_err() {
            let message = "a claim's key has 1 to 256 bytes and no control characters";
            self.error(&format!("{pointer}/key"), "flow.claim-key", message);
        }
        let value = self.values(&format!("{pointer}/value"), &claim.value)?;
        Some(ClaimTemplate { key: claim.key, context_key: context_key.ok()?, kind: claim.kind, value })
    }

    fn fail(&mut self, pointer: &str) -> Option<Step> {
        let it: FailDocument = self.read(pointer)?;
        let reason = self.template(&format!("{pointer}/fail/reason"), &it.fail.reason);
        let description = match &it.fail.description {
            Some(text) => Some(self.template(&format!("{pointer}/fail/description"), text)?),
            None => None,
        };
        let kind = StepKind::Fail { reason: reason?, description };
        Some(Step { id: it.id, kind, transitions: Transitions { next: Target::End, on_failure: None, on_error: None } })
    }

    fn end(&mut self, pointer: &str) -> Option<Step> {
        let it: EndDocument = self.read(pointer)?;
        let transitions = Transitions { next: Target::End, on_failure: None, on_error: None };
        Some(Step { id: it.id, kind: StepKind::End, transitions })
    }

    fn hooks(&mut self, pointer: &str, hooks: Vec<HookDocument>) -> Option<Vec<HookUse>> {
        if hooks.len() > HOOKS_MAX {
            self.error(pointer, SHAPE, format!("a chain has at most {HOOKS_MAX} hooks, not {}", hooks.len()));
            return None;
        }
        let uses: Vec<Option<HookUse>> =
            hooks.into_iter().enumerate().map(|(index, hook)| self.hook(&format!("{pointer}/{index}"), hook)).collect();
        uses.into_iter().collect()
    }

    pub(super) fn hook(&mut self, pointer: &str, hook: HookDocument) -> Option<HookUse> {
        let input = self.values(&format!("{pointer}/input"), &hook.input)?;
        let HookDocument { plugin, config, grants, limits, .. } = hook;
        Some(HookUse { plugin, input, config, grants, limits })
    }

    pub(super) fn transitions(
        &mut self,
        pointer: &str,
        next: Option<String>,
        following: Target,
        caught: [Option<String>; 2],
    ) -> Transitions {
        let next = next.and_then(|text| self.target(&format!("{pointer}/next"), &text));
        let [on_failure, on_error] = caught;
        let on_failure = on_failure.and_then(|text| self.target(&format!("{pointer}/on-failure"), &text));
        let on_error = on_error.and_then(|text| self.target(&format!("{pointer}/on-error"), &text));
        Transitions { next: next.unwrap_or(following), on_failure, on_error }
    }

    fn target(&mut self, pointer: &str, text: &str) -> Option<Target> {
        if text == "end" {
            return Some(Target::End);
        }
        let steps = self.document.value.get("steps").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        match steps.iter().filter_map(step_id).find(|id| id.as_str() == text) {
            Some(id) => Some(Target::Step(id)),
            None => {
                let names: Vec<StepId> = steps.iter().filter_map(step_id).take(50).collect();
                let names = list_names(names.iter().map(StepId::as_str));
                let fault = self.faults.error(
                    self.document,
                    pointer,
                    "flow.unknown-step",
                    format!("there is no step `{text}`"),
                );
                fault.help(format!("write one of {names}, or `end`"));
                None
            }
        }
    }

    fn values(&mut self, pointer: &str, value: &Value) -> Option<ValueTemplate> {
        match ValueTemplate::parse(value) {
            Ok(template) => Some(template),
            Err(faults) => {
                for (inner, fault) in faults {
                    let source = value.pointer(&inner).and_then(Value::as_str).unwrap_or_default();
                    self.expression_fault(&format!("{pointer}{inner}"), source, &fault);
                }
                None
            }
        }
    }

    fn template(&mut self, pointer: &str, source: &str) -> Option<Template> {
        Template::parse(source).map_err(|fault| self.expression_fault(pointer, source, &fault)).ok()
    }

    pub(super) fn expression_fault(&mut self, pointer: &str, source: &str, fault: &TemplateFault) {
        let excerpt: String = source.get(fault.offset..).unwrap_or_default().chars().take(40).collect();
        let at = if excerpt.is_empty() { "at the end".to_owned() } else { format!("at `{excerpt}`") };
        let place = (pointer, fault.offset, excerpt.len());
        let message = format!("{} ({at})", fault.message);
        self.faults.within(self.document, place, Severity::Error, "flow.expression", message);
    }

    fn bound(&mut self, pointer: &str, length: usize) -> Option<()> {
        if (1..=ITEMS_MAX).contains(&length) {
            return Some(());
        }
        self.error(pointer, SHAPE, format!("this list has 1 to {ITEMS_MAX} items, not {length}"));
        None
    }

    pub(super) fn read<T: JsonSchema + DeserializeOwned + 'static>(&mut self, pointer: &str) -> Option<T> {
        read(self.document, pointer, SHAPE, self.faults)
    }

    pub(super) fn error(&mut self, pointer: &str, code: &str, message: impl Into<String>) {
        self.faults.error(self.document, pointer, code, message);
    }

    /// An error of what is saved, which does not keep what is stored from being loaded.
    pub(super) fn error_of_save(&mut self, pointer: &str, code: &str, message: impl Into<String>) {
        if self.is_save {
            self.error(pointer, code, message);
        }
    }
}

/// The pointer of a call's argument.
pub(super) fn argument_pointer(step: usize, argument: &str) -> String {
    format!("/steps/{step}/arguments/{}", escape_pointer(argument))
}
