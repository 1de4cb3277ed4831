//! The types of a flow's expressions, against what is known of their roots: of `event` by the flow's schema, of
//! `connectors` by what functions say that they answer (F-04). What no event can make right is an error; what only
//! seems wrong is a warning: a branch that may never be taken, or a schema of a response.

use serde_json::Value;

use super::context_check::{connectors_at, expressions_of};
use super::model::{Flow, Step, StepKind};
use crate::catalogue::Catalogue;
use crate::document::{Document, Faults, Severity};
use crate::expression::{Expression, Type, TypeFault, Types, Wanted};

/// Most faults of types that are told of one flow.
const FAULTS_MAX: usize = 50;

/// Adds a fault for each part of an expression that does not fit.
pub(super) fn check(flow: &Flow, document: &Document, catalogue: &Catalogue, faults: &mut Faults) {
    let schema = document.value.pointer("/input/schema").filter(|_| flow.input.is_some());
    let event = schema.map_or(Type::JSON, Type::of_schema);
    let base = Types::default();
    let certain = if flow.steps.iter().all(|step| keeps_event(step)) {
        base.clone().with("event", event.clone())
    } else {
        base.clone()
    };
    let mut told = 0;
    for (index, value) in document.value.get("steps").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let id = value.get("id").and_then(Value::as_str);
        let Some(step) = flow.steps.iter().find(|step| Some(step.id.as_str()) == id) else { continue };
        let expressions = expressions_of(&step.kind, &format!("/steps/{index}"));
        if expressions.is_empty() {
            continue;
        }
        let connectors = connectors_at(flow, catalogue, &step.id);
        let suggested = base.clone().with("event", event.clone()).with("connectors", connectors);
        for (pointer, expression) in expressions {
            let found = of_expression(expression, [&certain, &suggested], wanted(&pointer));
            // Of the same slip, what is not there has been told already.
            let is_told = |fault: &TypeFault| !fault.is_certain && has_fault(faults, &pointer);
            let found: Vec<TypeFault> = found.into_iter().filter(|fault| !is_told(fault)).collect();
            for fault in found.into_iter().take(FAULTS_MAX.saturating_sub(told)) {
                told += 1;
                add(document, &pointer, expression, fault, faults);
            }
        }
    }
}

/// Whether `event` is after the step what it was before.
fn keeps_event(step: &Step) -> bool {
    matches!(
        step.kind,
        StepKind::Call(_) | StepKind::Condition(_) | StepKind::Claims(_) | StepKind::Fail { .. } | StepKind::End
    )
}

/// Conditions stand under `when`.
fn wanted(pointer: &str) -> Wanted {
    if pointer.ends_with("/when") { Wanted::Condition } else { Wanted::Anything }
}

/// What is certain, and what more there would be if everything were as it is said.
fn of_expression(expression: &Expression, [certain, suggested]: [&Types; 2], wanted: Wanted) -> Vec<TypeFault> {
    let mut faults: Vec<TypeFault> =
        expression.type_faults(certain, wanted).into_iter().filter(|fault| fault.is_certain).collect();
    for fault in expression.type_faults(suggested, wanted) {
        if !faults.iter().any(|known| known.part == fault.part) {
            faults.push(TypeFault { is_certain: false, ..fault });
        }
    }
    faults
}

fn has_fault(faults: &Faults, pointer: &str) -> bool {
    faults.0.iter().any(|fault| fault.pointer == pointer && fault.code == "flow.unknown-response-member")
}

fn add(document: &Document, pointer: &str, expression: &Expression, fault: TypeFault, faults: &mut Faults) {
    let text = document.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let before = text.find(expression.source()).unwrap_or_default();
    let place = (pointer, before + fault.part.offset, fault.part.text.len());
    let severity = if fault.is_certain { Severity::Error } else { Severity::Warning };
    faults.within(document, place, severity, "flow.expression-type", fault.message);
}
