//! `weir eval EXPRESSION`: tries an expression or a template without a server; `weir eval --functions` lists what
//! expressions may call.

use serde_json::{Map, Value, json};
use weir_engine::document::{Fault, Faults, Format, Severity};
use weir_engine::expression::{
    Cost, Evaluation, EvaluationError, Expression, Function, ROOTS, Scope, Template, groups,
};

use super::Common;
use super::document::Source;
use super::error::{CliError, read_text};
use crate::exit::Exit;
use crate::output;
use crate::table;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The expression, such as "event.user.age >= 18"
    #[arg(required_unless_present = "functions")]
    expression: Option<String>,

    /// What it sees as `event`: JSON, or a file with JSON, `-` for standard input
    #[arg(long, value_name = "FILE|JSON")]
    event: Option<String>,

    /// A file with a JSON object of what it sees: `event`, `connectors`, `steps`, `claims`, `args`, `item`, `run`
    #[arg(long, value_name = "FILE")]
    context: Option<String>,

    /// Read it as a text with `${…}` in it, as flows and connectors have them
    #[arg(long)]
    template: bool,

    /// List the functions that expressions may call, or tell about one
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", conflicts_with = "expression")]
    functions: Option<String>,
}

pub(super) fn run(options: &Options, common: &Common) -> Result<Exit, CliError> {
    match (&options.functions, &options.expression) {
        (Some(name), _) => functions(name, common),
        (None, Some(text)) => evaluate(text, options, common),
        (None, None) => Err(CliError::usage("an expression is missing")),
    }
}

fn evaluate(text: &str, options: &Options, common: &Common) -> Result<Exit, CliError> {
    let scope = scope(options)?;
    let source = Source { name: "expression".to_owned(), text: text.to_owned(), format: Format::Json };
    let evaluation = if options.template { of_template(text, &scope) } else { of_expression(text, &scope) };
    let evaluation = evaluation.map_err(|mut fault| {
        if reads_missing_event(text, options) {
            fault.help = Some("`event` was not given, so it is null: give it with --event".to_owned());
        }
        source.faulty(&Faults(vec![*fault]))
    })?;
    let Evaluation { value, kind, cost } = evaluation;
    match common.output {
        output::Format::Json => output::json(&json!({ "value": value, "type": kind, "cost": cost })),
        output::Format::Table => {
            output::json(&value);
            let Cost { operations, built } = cost;
            output::remark(&format!("type {kind}; {operations} operations, {built} bytes built"));
        }
    }
    Ok(Exit::Done)
}

/// Whether the text reads an event that nobody gave: what comes of null is hard to understand otherwise.
fn reads_missing_event(text: &str, options: &Options) -> bool {
    let reads = |expression: &Expression| expression.roots().contains(&"event");
    let is_read = if options.template {
        Template::parse(text).is_ok_and(|template| template.expressions().any(reads))
    } else {
        Expression::parse(text).is_ok_and(|expression| reads(&expression))
    };
    is_read && options.event.is_none() && options.context.is_none()
}

fn scope(options: &Options) -> Result<Scope, CliError> {
    let mut roots = match &options.context {
        None => Map::new(),
        Some(file) => match parsed(&read_text(file)?, file)? {
            Value::Object(roots) => roots,
            _ => return Err(CliError::usage(format!("`{file}` is no JSON object of roots"))),
        },
    };
    if let Some(event) = &options.event {
        let event = match serde_json::from_str(event) {
            Ok(event) => event,
            Err(_) if event.trim_start().starts_with(['{', '[']) => parsed(event, "--event")?,
            Err(_) => parsed(&read_text(event)?, event)?,
        };
        roots.insert("event".to_owned(), event);
    }
    roots.into_iter().try_fold(Scope::default(), |scope, (name, value)| {
        let known = ROOTS.iter().find(|root| **root == name);
        let known = known.ok_or_else(|| {
            CliError::usage(format!("an expression does not see `{name}`; it sees `{}`", ROOTS.join("`, `")))
        })?;
        Ok(scope.with(known, value))
    })
}

fn parsed(text: &str, name: &str) -> Result<Value, CliError> {
    serde_json::from_str(text).map_err(|error| CliError::usage(format!("`{name}` is no JSON: {error}")))
}

fn of_expression(text: &str, scope: &Scope) -> Result<Evaluation, Box<Fault>> {
    let parsed = Expression::parse(text);
    let expression = parsed.map_err(|fault| fault_at(text, fault.offset, "flow.expression", fault.message))?;
    expression.measure(scope).map_err(|error| evaluation_fault(text, 0, error))
}

/// What the parts of a template cost, they cost together.
fn of_template(text: &str, scope: &Scope) -> Result<Evaluation, Box<Fault>> {
    let parsed = Template::parse(text);
    let template = parsed.map_err(|fault| fault_at(text, fault.offset, "flow.expression", fault.message))?;
    let mut cost = Cost::default();
    let mut kind = "string";
    let mut from = 0;
    for expression in template.expressions() {
        let found = text.get(from..).and_then(|rest| rest.find(expression.source())).unwrap_or_default();
        from += found;
        let part = expression.measure(scope).map_err(|error| evaluation_fault(text, from, error))?;
        cost = Cost { operations: cost.operations + part.cost.operations, built: cost.built + part.cost.built };
        kind = part.kind;
    }
    let value = template.evaluate(scope).map_err(|error| evaluation_fault(text, 0, error))?;
    // A template that is more than one expression is text.
    let is_text = !matches!(template.parts(), [weir_engine::expression::Part::Expression(_)]);
    Ok(Evaluation { value, kind: if is_text { "string" } else { kind }, cost })
}

fn evaluation_fault(text: &str, base: usize, error: EvaluationError) -> Box<Fault> {
    let (offset, length) = error.part.as_ref().map_or((0, text.len()), |part| (base + part.offset, part.text.len()));
    let mut fault = fault_at(text, offset, "expression.evaluation", format!("this {}", error.problem));
    let end = position(text, offset.saturating_add(length));
    (fault.end_line, fault.end_column) = end;
    fault
}

fn fault_at(text: &str, offset: usize, code: &str, message: String) -> Box<Fault> {
    let (line, column) = position(text, offset);
    Box::new(Fault {
        code: code.to_owned(),
        severity: Severity::Error,
        pointer: String::new(),
        step: None,
        line,
        column,
        end_line: line,
        end_column: column + 1,
        message,
        help: None,
    })
}

/// Line and column of a byte, in characters, from 1.
fn position(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

fn functions(name: &str, common: &Common) -> Result<Exit, CliError> {
    let all = groups().iter().flat_map(|group| group.functions.iter().map(move |function| (group.title, function)));
    let is_wanted = |function: &Function| {
        name.is_empty() || function.name == name || function.name.rsplit('.').next() == Some(name)
    };
    let found: Vec<(&str, &Function)> = all.filter(|(_, function)| is_wanted(function)).collect();
    if found.is_empty() {
        return Err(CliError::usage(format!("there is no function `{name}`; `weir eval --functions` lists them")));
    }
    match common.output {
        output::Format::Json => {
            output::json(&Value::Array(found.iter().map(|(group, it)| as_json(group, it)).collect()))
        }
        output::Format::Table if name.is_empty() => {
            let row = |(_, it): &(&str, &Function)| vec![it.signature.to_owned(), it.does.to_owned()];
            table::print(&["FUNCTION", "WHAT IT GIVES"], found.iter().map(row).collect());
        }
        output::Format::Table => {
            for (_, function) in found {
                table::facts(&[
                    ("function", function.signature.to_owned()),
                    ("gives", function.does.to_owned()),
                    ("example", format!("{}  →  {}", function.example, function.gives)),
                    ("cost", function.cost.as_str().to_owned()),
                ]);
            }
        }
    }
    Ok(Exit::Done)
}

fn as_json(group: &str, function: &Function) -> Value {
    json!({
        "name": function.name, "signature": function.signature, "does": function.does, "group": group,
        "example": function.example, "gives": parsed(function.gives, function.name).unwrap_or_default(),
        "cost": function.cost,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_stands_at_its_character() {
        // covers F-04
        let fault = |text: &str, template: bool| {
            let scope = Scope::new([("event", json!({"a": 1, "s": "x"}))]);
            let found = if template { of_template(text, &scope) } else { of_expression(text, &scope) };
            let fault = found.expect_err(text);
            (fault.code, fault.line, fault.column, fault.end_column)
        };
        let at = |code: &str, line, column, end| (code.to_owned(), line, column, end);
        assert_eq!(fault("event.a +\n  nope(1)", false), at("flow.expression", 2, 3, 4));
        assert_eq!(fault("1 + event.é", false).1, 1);
        assert_eq!(fault("1 + (event.a - event.s)", false), at("expression.evaluation", 1, 6, 23));
        assert_eq!(fault("${event.a} ${event.s} ${event.a / 0}", true), at("expression.evaluation", 1, 25, 36));
    }

    #[test]
    fn templates_give_text_or_the_value_of_their_only_expression() {
        let evaluation = |text: &str| {
            let found = of_template(text, &Scope::new([("event", json!({"a": 1}))])).expect(text);
            (found.value, found.kind)
        };
        assert_eq!(evaluation("${event.a}"), (json!(1), "int"));
        assert_eq!(evaluation("${event.a}!"), (json!("1!"), "string"));
    }
}
