//! Tables for people: columns, no lines, safe text.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, ContentArrangement, Row, Table};

use crate::output::{self, Colours, Style, printable};

/// Prints rows under headings. Without rows, says that there are none.
pub(crate) fn print(headings: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        output::remark("(none)");
        return;
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if Colours::of_stdout() == Colours::Off {
        table.force_no_tty();
    }
    table.set_header(headings.iter().map(|heading| Cell::new(heading).add_attribute(Attribute::Bold)));
    for row in rows {
        table.add_row(Row::from(row.iter().map(|text| Cell::new(printable(text)))));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    output::line(&table.trim_fmt());
}

/// Prints names with their values, one a line.
pub(crate) fn facts(facts: &[(&str, String)]) {
    let colours = Colours::of_stdout();
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in facts {
        let name = colours.paint(Style::Dim, &format!("{name:width$}"));
        output::line(&format!("{name}  {}", printable(value)));
    }
}

/// A member of a JSON object as a cell.
pub(crate) fn text(object: &serde_json::Value, member: &str) -> String {
    match object.get(member) {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(", "),
        Some(other) => other.to_string(),
    }
}
