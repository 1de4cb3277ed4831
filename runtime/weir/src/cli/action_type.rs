//! `weir action types` and `weir action check-type`.

use serde_json::Value;
use weir_engine::action::ActionTypes;

use super::Common;
use super::document::Source;
use super::error::CliError;
use crate::action_types;
use crate::client::Client;
use crate::exit::Exit;
use crate::output::{self, Format, printable};
use crate::table;

const TYPES: &str = "/v1/action-types";

pub(super) fn types(name: Option<&str>, common: &Common) -> Result<Exit, CliError> {
    let client = Client::new(&common.server)?;
    let Some(name) = name else {
        let answer = client.get(TYPES)?;
        match common.output {
            Format::Json => output::json(&answer),
            Format::Table => {
                let row = |one: &Value| {
                    let [name, title, origin] = ["type", "title", "origin"].map(|member| table::text(one, member));
                    let operations = one.get("operations").and_then(Value::as_array).into_iter().flatten();
                    let operations: Vec<&str> = operations.filter_map(Value::as_str).collect();
                    vec![name, title, operations.join(", "), origin]
                };
                let items = answer.get("items").and_then(Value::as_array).into_iter().flatten();
                table::print(&["TYPE", "TITLE", "OPERATIONS", "FROM"], items.map(row).collect());
            }
        }
        return Ok(Exit::Done);
    };
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name {
        return Err(CliError::usage(format!("`{name}` is no name of a type; write one such as FLOW_EXTENSION")));
    }
    let answer = client.get(&format!("{TYPES}/{name}"))?;
    match common.output {
        Format::Json => output::json(&answer),
        Format::Table => show(&answer),
    }
    Ok(Exit::Done)
}

/// The type as tables, for people: the document itself comes with `-o json`.
fn show(answer: &Value) {
    let document = answer.get("document").unwrap_or(&Value::Null);
    output::line(&printable(&format!(
        "{} ({}): {}",
        table::text(document, "type"),
        table::text(answer, "origin"),
        table::text(document, "title")
    )));
    output::line(&format!("\n{}\n", printable(table::text(document, "description").trim_end())));
    let list = |member: &str| document.get(member).and_then(Value::as_array).cloned().unwrap_or_default();
    let member = |one: &Value| {
        let triggers = one.get("triggers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let triggers = triggers.collect::<Vec<_>>().join(", ");
        let only = if one.get("listed").and_then(Value::as_bool) == Some(true) {
            "where `expose` or `encryption` names it".to_owned()
        } else if triggers.is_empty() {
            String::new()
        } else {
            format!("in flows of {triggers}")
        };
        vec![table::text(one, "to"), table::text(one, "from"), only]
    };
    table::print(&["AN ACTION SEES", "FROM", "ONLY"], list("event").iter().map(member).collect());
    output::line("");
    let fields = document.get("rule-fields").and_then(Value::as_object).cloned().unwrap_or_default();
    let field = |(name, one): (&String, &Value)| {
        let operators = one.get("operators").and_then(Value::as_array).into_iter().flatten();
        let operators: Vec<&str> = operators.filter_map(Value::as_str).collect();
        vec![name.clone(), table::text(one, "from"), operators.join(", ")]
    };
    table::print(&["RULE FIELD", "FROM", "OPERATORS"], fields.iter().map(field).collect());
    output::line("");
    let result = |one: &Value| {
        let status = |of: &str| one.get(of).map(|it| table::text(it, "status")).unwrap_or_default();
        vec![table::text(one, "endpoint"), status("failed"), status("error")]
    };
    table::print(&["CLIENT OF", "FAILED", "ERROR"], list("results").iter().map(result).collect());
}

pub(super) fn check_types(files: &[String]) -> Result<Exit, CliError> {
    for file in files {
        let source = Source::read(file)?;
        let checked = action_types::check(&source.text, &ActionTypes::shipped());
        let kind = checked.map_err(|faults| source.faulty(&faults))?;
        output::line(&format!("{file}: action type {}, no errors", kind.name));
    }
    Ok(Exit::Done)
}
