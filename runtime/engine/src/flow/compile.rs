//! From what an author wrote to what the engine runs.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::block::Blocks;
use super::common::{MEMBERS, is_common};
use super::cycle::repeated;
use super::document::{
    BranchDocument, CallDocument, ConditionDocument, EndDocument, FailDocument, FlowDocument, HookDocument, KINDS,
};
use super::input;
use super::model::{Branch, CallStep, Flow, HookUse, Step, StepKind, Target, Transitions};
use crate::action::ActionTypes;
use crate::document::{Document, Faults, Members, Severity, escape_pointer, read, read_members};
use crate::expression::{Template, TemplateFault, ValueTemplate};
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
) -> Option<Compiled> {
    let head: FlowDocument = read(document, "", SHAPE, faults)?;
    if head.deadline.is_zero() {
        faults.error(document, "/deadline", "flow.deadline", "with no time at all every run would end at once");
    }
    if head.compensation_deadline.is_some_and(|deadline| deadline.is_zero()) {
        let message = "with no time at all nothing could be taken back";
        faults.error(document, "/compensation-deadline", "flow.deadline", message);
    }
    let input = head.input.as_ref().and_then(|input| input::compile(document, &input.schema, faults));
    let mut compiler = Compiler::new(document, types, is_save, faults);
    let main = compiler.block("/steps")?;
    let is_whole = compiler.is_whole();
    let steps = compiler.into_steps();
    let repeated = repeated(&steps);
    let flow = Flow {
        name: head.flow,
        trigger: head.trigger.unwrap_or_default(),
        input,
        deadline: head.deadline,
        compensation_deadline: head.compensation_deadline.unwrap_or(head.deadline),
        main,
        steps,
        repeated,
    };
    Some(Compiled { flow, is_whole })
}

/// A flow, and whether each of its steps could be read.
pub(super) struct Compiled {
    pub(super) flow: Flow,
    pub(super) is_whole: bool,
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
    let mut compiler = Compiler::new(document, &types, true, &mut faults);
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

/// What a kind of step says of it: its id, what it does, where it leads.
pub(super) type Parts = (StepId, StepKind, Transitions);

pub(super) struct Compiler<'a> {
    pub(super) document: &'a Document,
    pub(super) types: &'a Arc<ActionTypes>,
    pub(super) faults: &'a mut Faults,
    /// Whether an author saves the document now. What is stored is held against less: it must load.
    pub(super) is_save: bool,
    pub(super) blocks: Blocks,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(
        document: &'a Document,
        types: &'a Arc<ActionTypes>,
        is_save: bool,
        faults: &'a mut Faults,
    ) -> Self {
        Self { document, types, faults, is_save, blocks: Blocks::default() }
    }

    /// The step at that pointer; `following` is where it leads by default.
    pub(super) fn step(&mut self, pointer: &str, following: Target) -> Option<Step> {
        let node = self.document.value.pointer(pointer)?;
        let Some(object) = node.as_object() else {
            self.error(pointer, SHAPE, "a step must be an object with `id` and a kind");
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
                .error(self.document, pointer, "flow.step-kind", message)
                .help(format!("give it one of `{known}`"));
            return None;
        };
        let kind = *kind;
        let common = self.common(pointer);
        let (id, kind, transitions) = match kind {
            "call" => self.call(pointer, following),
            "condition" => self.condition(pointer, following),
            "action" => self.action(pointer, following),
            "claims" => self.claims(pointer, following),
            "set" => self.set(pointer, following),
            "transform" => self.transform(pointer, following),
            "wait" => self.wait(pointer, following),
            "redirect" => self.redirect(pointer, following),
            "prompt" => self.prompt(pointer, following),
            "parallel" => self.parallel(pointer, following),
            "for-each" => self.for_each(pointer, following),
            "call-flow" => self.call_flow(pointer, following),
            "fail" => self.fail(pointer, following),
            _ => self.end(pointer, following),
        }?;
        if id.as_str() == "end" {
            self.error(
                &format!("{pointer}/id"),
                "flow.reserved-step",
                "`end` names the end of a run; give the step another id",
            );
        }
        let common = common?;
        self.needs_retry(pointer, &kind, &common);
        Some(Step { id, pointer: pointer.to_owned(), kind, transitions, common })
    }

    fn call(&mut self, pointer: &str, following: Target) -> Option<Parts> {
        let it: CallDocument = self.read_kind(pointer)?;
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
        Some((it.id, StepKind::Call(Arc::new(call)), transitions))
    }

    fn condition(&mut self, pointer: &str, following: Target) -> Option<Parts> {
        let it: ConditionDocument = self.read_kind(pointer)?;
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
        let transitions = self.transitions(pointer, None, following, [None, it.on_error]);
        // Without one of its branches, the steps that it leads to would seem unreachable.
        (branches.len() == last + 1).then_some((it.id, StepKind::Condition(branches), transitions))
    }

    fn branch(&mut self, pointer: &str, branch: BranchDocument) -> Option<Branch> {
        match (branch.when, branch.next, branch.otherwise) {
            (Some(when), Some(next), None) => {
                let target = self.target(&format!("{pointer}/next"), &next);
                let when = self.expression(&format!("{pointer}/when"), &when);
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

    fn fail(&mut self, pointer: &str, following: Target) -> Option<Parts> {
        let it: FailDocument = self.read_kind(pointer)?;
        let reason = self.template(&format!("{pointer}/fail/reason"), &it.fail.reason);
        let description = match &it.fail.description {
            Some(text) => Some(self.template(&format!("{pointer}/fail/description"), text)?),
            None => None,
        };
        let kind = StepKind::Fail { reason: reason?, description };
        Some((it.id, kind, Transitions { next: following, ..Transitions::NOWHERE }))
    }

    fn end(&mut self, pointer: &str, following: Target) -> Option<Parts> {
        let it: EndDocument = self.read_kind(pointer)?;
        Some((it.id, StepKind::End, Transitions { next: following, ..Transitions::NOWHERE }))
    }

    pub(super) fn hooks(&mut self, pointer: &str, hooks: Vec<HookDocument>) -> Option<Vec<HookUse>> {
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
        Transitions { next: next.unwrap_or(following), on_failure, on_error, on_expiry: None }
    }

    pub(super) fn values(&mut self, pointer: &str, value: &Value) -> Option<ValueTemplate> {
        self.parsed_values(pointer, value, ValueTemplate::parse(value))
    }

    pub(super) fn parsed_values(
        &mut self,
        pointer: &str,
        value: &Value,
        parsed: Result<ValueTemplate, Vec<(String, TemplateFault)>>,
    ) -> Option<ValueTemplate> {
        match parsed {
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

    pub(super) fn template(&mut self, pointer: &str, source: &str) -> Option<Template> {
        Template::parse(source).map_err(|fault| self.expression_fault(pointer, source, &fault)).ok()
    }

    pub(super) fn expression_fault(&mut self, pointer: &str, source: &str, fault: &TemplateFault) {
        let excerpt: String = source.get(fault.offset..).unwrap_or_default().chars().take(40).collect();
        let at = if excerpt.is_empty() { "at the end".to_owned() } else { format!("at `{excerpt}`") };
        let place = (pointer, fault.offset, excerpt.len());
        let message = format!("{} ({at})", fault.message);
        self.faults.within(self.document, place, Severity::Error, "flow.expression", message);
    }

    pub(super) fn bound(&mut self, pointer: &str, length: usize) -> Option<()> {
        if (1..=ITEMS_MAX).contains(&length) {
            return Some(());
        }
        self.error(pointer, SHAPE, format!("this list has 1 to {ITEMS_MAX} items, not {length}"));
        None
    }

    pub(super) fn read<T: JsonSchema + DeserializeOwned + 'static>(&mut self, pointer: &str) -> Option<T> {
        read(self.document, pointer, SHAPE, self.faults)
    }

    /// Reads what is the own of a kind of step.
    pub(super) fn read_kind<T: JsonSchema + DeserializeOwned + 'static>(&mut self, pointer: &str) -> Option<T> {
        let says_when = self.says_when(pointer);
        let is_own = |member: &str| !is_common(member, says_when);
        read_members(self.document, pointer, &Members { are: &is_own, others: &MEMBERS }, SHAPE, self.faults)
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
pub(super) fn argument_pointer(step: &str, argument: &str) -> String {
    format!("{step}/arguments/{}", escape_pointer(argument))
}
