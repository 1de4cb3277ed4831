//! What the expressions of a flow read of the context, against what its steps leave there (C-14). Only slips of
//! which there is no doubt are told, and as warnings: no step writes the key, or no response of the functions that
//! write it can have the member.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::graph;
use super::kinds::{SetTemplate, WaitStep};
use super::model::{CallStep, Flow, HookUse, Step, StepKind, Target};
use super::reference::FunctionRef;
use super::response_shape::{ResponseShape, Slip};
use crate::catalogue::Catalogue;
use crate::document::{Document, Faults, escape_pointer, list_names};
use crate::expression::{Expression, Member, Read, Template, Type};
use crate::ids::StepId;

/// Adds a warning for each slip.
pub(super) fn check(flow: &Flow, document: &Document, catalogue: &Catalogue, faults: &mut Faults) {
    let mut checker = Checker { writers: writers(flow, catalogue), assigned: assigned(flow), looks_left: LOOKS_MAX };
    for step in &flow.steps {
        let when = step.common.when.iter().map(|when| (format!("{}/when", step.pointer), when));
        for (pointer, expression) in expressions_of(&step.kind, &step.pointer).into_iter().chain(when) {
            for (code, message, help) in checker.expression(step, expression) {
                let fault = faults.warning(document, &pointer, code, message);
                if let Some(help) = help {
                    fault.help(help);
                }
            }
        }
    }
}

/// Most looks at schemas for one flow: reads behind that are not checked.
const LOOKS_MAX: usize = 500_000;

/// A step that writes `connectors.NAME`.
struct Writer<'a> {
    function: &'a FunctionRef,
    shape: ResponseShape<'a>,
    /// Steps that may come after a failure of this one, with a response of an invalid status.
    after_failure: HashSet<&'a StepId>,
}

/// A code, a message, and how to mend it.
type Warning = (&'static str, String, Option<String>);

struct Checker<'a> {
    /// By name.
    writers: HashMap<&'a str, Vec<Writer<'a>>>,
    /// What steps other than calls write: anything may be there.
    assigned: HashSet<&'a str>,
    looks_left: usize,
}

impl Checker<'_> {
    fn expression(&mut self, step: &Step, expression: &Expression) -> Vec<Warning> {
        let reads: Vec<Read> = expression.reads().into_iter().filter(|read| read.root == "connectors").collect();
        let tested: Vec<&[Member]> = reads.iter().filter(|it| it.tested).map(|it| it.members.as_slice()).collect();
        let mut warnings = Vec::new();
        for read in &reads {
            // What an expression asks with `has(…)`, it knows may be missing.
            let members = match (read.tested, read.members.as_slice()) {
                (true, [before @ .., _]) => before,
                (_, members) if tested.iter().any(|path| members.starts_with(path)) => continue,
                (_, members) => members,
            };
            warnings.extend(self.read(step, members));
        }
        warnings.dedup();
        warnings
    }

    fn read(&mut self, step: &Step, members: &[Member]) -> Option<Warning> {
        let [Member::Field(name), members @ ..] = members else { return None };
        if self.assigned.contains(name.as_str()) {
            return None;
        }
        let Some(writers) = self.writers.get(name.as_str()) else {
            return Some(("flow.unwritten-context", format!("no step writes `connectors.{name}`"), None));
        };
        let mut slips = Vec::new();
        for writer in writers {
            let status_is_valid = !writer.after_failure.contains(&step.id);
            slips.push(writer.shape.slip(members, status_is_valid, &mut self.looks_left)?);
        }
        let Slip { at, known } = slips.first()?;
        let before = path(name, members.get(..*at).unwrap_or_default());
        let missing = path(name, members.get(..=*at).unwrap_or_default());
        let functions: BTreeSet<String> = writers.iter().map(|writer| writer.function.to_string()).collect();
        let functions = list_names(functions.iter().map(String::as_str));
        let message = format!("`{missing}` is read here, but what {functions} gives has no such part");
        let help = match known.as_slice() {
            [] => format!("`{before}` has no parts of this kind"),
            known => format!("`{before}` has {}", list_names(known.iter().map(String::as_str))),
        };
        Some(("flow.unknown-response-member", message, Some(help)))
    }
}

fn path(name: &str, members: &[Member]) -> String {
    members.iter().fold(format!("connectors.{name}"), |path, member| match member {
        Member::Field(field) => format!("{path}.{field}"),
        Member::Item => format!("{path}[…]"),
    })
}

fn writers<'a>(flow: &'a Flow, catalogue: &'a Catalogue) -> HashMap<&'a str, Vec<Writer<'a>>> {
    let steps: HashMap<&StepId, &Step> = flow.steps.iter().map(|step| (&step.id, &**step)).collect();
    let mut writers: HashMap<&str, Vec<Writer<'_>>> = HashMap::new();
    for step in &flow.steps {
        let StepKind::Call(call) = &step.kind else { continue };
        let Some(name) = call.context_key.parts().1 else { continue };
        let after_failure = match &step.transitions.on_failure {
            Some(Target::Step(target)) => reachable(&steps, target),
            _ => HashSet::new(),
        };
        let shape = shape(call, catalogue);
        writers.entry(name).or_default().push(Writer { function: &call.function, shape, after_failure });
    }
    writers
}

/// The names below `connectors` that steps other than calls write.
fn assigned(flow: &Flow) -> HashSet<&str> {
    let keys = flow.steps.iter().flat_map(|step| match &step.kind {
        StepKind::Set(templates) => templates.iter().map(|it| &it.path.key).collect(),
        StepKind::Transform(transform) => vec![&transform.context_key],
        _ => Vec::new(),
    });
    keys.filter_map(|key| match key.parts() {
        ("connectors", name) => name,
        _ => None,
    })
    .collect()
}

fn shape<'a>(call: &'a CallStep, catalogue: &'a Catalogue) -> ResponseShape<'a> {
    let connector = catalogue.connector(&call.function.connector);
    let function = connector.and_then(|it| it.document.function(&call.function.function));
    function.map_or_else(ResponseShape::unknown, |function| ResponseShape::of(call, function))
}

fn reachable<'a>(steps: &HashMap<&'a StepId, &'a Step>, first: &'a StepId) -> HashSet<&'a StepId> {
    let mut seen = HashSet::new();
    let mut open = vec![first];
    while let Some(id) = open.pop() {
        if seen.insert(id)
            && let Some(step) = steps.get(id)
        {
            open.extend(graph::targets(step));
        }
    }
    seen
}

/// What `connectors` is for a step, as far as functions say what they answer.
pub(super) fn connectors_at(flow: &Flow, catalogue: &Catalogue, step: &StepId) -> Type {
    let of_name = |(name, writers): (&str, Vec<Writer<'_>>)| {
        let results = writers.iter().map(|writer| writer.shape.result(!writer.after_failure.contains(step)));
        results.reduce(|one, two| one.or(&two)).map(|of| (name.to_owned(), of))
    };
    Type::map(writers(flow, catalogue).into_iter().filter_map(of_name), Some(Type::JSON))
}

/// The expressions of a step, each with the pointer of its text.
pub(super) fn expressions_of<'a>(kind: &'a StepKind, step: &str) -> Vec<(String, &'a Expression)> {
    let of_hooks = |place: &str, hooks: &'a [HookUse]| {
        let at =
            |(index, hook): (usize, &'a HookUse)| hook.input.expressions_at(&format!("{step}/{place}/{index}/input"));
        hooks.iter().enumerate().flat_map(at).collect::<Vec<_>>()
    };
    let of_text = |place: &str, text: &'a Template| {
        let at = format!("{step}/{place}");
        text.expressions().map(move |expression| (at.clone(), expression)).collect::<Vec<_>>()
    };
    match kind {
        StepKind::Call(call) => {
            let arguments = call.arguments.expressions_at(&format!("{step}/arguments"));
            let hooks = [of_hooks("pre-call", &call.pre_call), of_hooks("post-response", &call.post_response)];
            arguments.into_iter().chain(hooks.into_iter().flatten()).collect()
        }
        StepKind::Condition(branches) => {
            let at = |index: usize| format!("{step}/condition/{index}/when");
            let when = branches.iter().enumerate().map(|(index, branch)| (index, branch.when.as_ref()));
            when.filter_map(|(index, when)| Some((at(index), when?))).collect()
        }
        StepKind::Action(action) => {
            let own = action.own();
            let hook = own.and_then(|set_up| set_up.provider.hook());
            let input = hook.map(|hook| hook.input.expressions_at(&format!("{step}/input"))).unwrap_or_default();
            let when = own.and_then(|set_up| set_up.when.as_ref()).map(|when| (format!("{step}/when"), when));
            input.into_iter().chain(when).collect()
        }
        StepKind::Claims(claims) => {
            let at = |index: usize| format!("{step}/claims/{index}/value");
            let values = claims.claims.iter().enumerate();
            let values = values.flat_map(|(index, claim)| claim.value.expressions_at(&at(index)));
            values.chain(claims.sign.iter().flat_map(|sign| sign.expressions_at(&format!("{step}/sign")))).collect()
        }
        StepKind::Set(templates) => {
            let at = |it: &SetTemplate| format!("{step}/set/{}", escape_pointer(&it.name));
            templates.iter().flat_map(|it| it.value.expressions_at(&at(it))).collect()
        }
        StepKind::Transform(transform) => transform.hook.input.expressions_at(&format!("{step}/transform/input")),
        StepKind::Wait(WaitStep::For(_)) => Vec::new(),
        StepKind::Wait(WaitStep::Until(until)) => of_text("wait/until", until),
        StepKind::Redirect(redirect) => of_text("redirect/url", &redirect.url),
        StepKind::Prompt(prompt) => {
            let arguments = prompt
                .calls
                .iter()
                .flat_map(|it| it.call.arguments.expressions_at(&format!("{step}/{}/arguments", it.place)));
            prompt.text.iter().flat_map(|text| of_text("prompt/text", text)).chain(arguments).collect()
        }
        StepKind::Fail { reason, description } => {
            let description = description.iter().flat_map(|text| of_text("fail/description", text));
            of_text("fail/reason", reason).into_iter().chain(description).collect()
        }
        StepKind::End => Vec::new(),
    }
}
