//! The tables of the library against what their functions do.

use std::collections::BTreeSet;

use super::*;
use crate::expression::{Expression, Scope};

#[test]
fn every_example_gives_what_its_row_says() {
    // covers F-04
    let mut wrong = Vec::new();
    for function in GROUPS.iter().flat_map(|group| group.functions) {
        let value = Expression::parse(function.example)
            .map_err(|fault| fault.message)
            .and_then(|expression| expression.evaluate(&Scope::default()).map_err(|error| error.to_string()));
        let expected: serde_json::Value = serde_json::from_str(function.gives).expect(function.name);
        if value != Ok(expected) {
            wrong.push(format!("{}: {} gives {value:?}, not {}", function.name, function.example, function.gives));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_row_is_sound() {
    let mut seen = BTreeSet::new();
    for entry in ENTRIES.iter() {
        let function = entry.function;
        assert!(seen.insert((function.name, entry.signature.form == Form::Member)), "{} stands twice", function.name);
        assert!(function.does.len() > 10 && !function.does.ends_with('.'), "{}", function.name);
        if let Run::Macro = function.run {
            continue;
        }
        let words = function.signature.split(|character: char| !character.is_alphanumeric() && character != '.');
        let name = function.name.rsplit('.').next().unwrap_or_default();
        let unknown: Vec<&str> = words
            .flat_map(|word| word.split('.'))
            .filter(|word| !word.is_empty() && *word != name && !function.name.starts_with(&format!("{word}.")))
            .filter(|word| crate::expression::kinds::Kinds::named(word).is_none())
            .collect();
        assert_eq!(unknown, Vec::<&str>::new(), "{}", function.signature);
        assert!(entry.signature.takes.len() <= 4, "{} takes more than its door lets through", function.name);
    }
}

#[test]
fn unknown_functions_are_told_with_their_place_and_what_was_meant() {
    // covers F-04
    let fault = |source: &str| {
        let fault = Expression::parse(source).expect_err(source);
        (fault.offset, fault.message)
    };
    for (source, offset, says) in [
        ("1 + sise(event.l)", 4, "there is no function `sise`; did you mean `size`?"),
        ("event.name.toLowerCase()", 10, "there is no function `toLowerCase`; did you mean `lower`?"),
        ("event.l.map(x, jsn.parse(x))", 15, "`jsn` is not known here"),
        ("json.prase(event.x)", 4, "there is no function `json.prase`; did you mean `json.parse`?"),
        ("split(event.a, ',')", 0, "`split` is called as `string.split(string, int?) -> list(string)`"),
        ("event.a.split()", 7, "`split` is called as `string.split(string, int?) -> list(string)`"),
        ("event.l.map(x)", 7, "`map` is called as `list|map.map(name, condition?, value) -> list`"),
        ("now()", 0, "`timestamp(run.created_at)`"),
        ("uuid()", 0, "`run.id`"),
        ("hash.hmac('k', event.x)", 4, "its secret would stand in a flow"),
        ("qwertz(1)", 0, "`weir eval --functions`"),
    ] {
        let (found, message) = fault(source);
        assert!(message.contains(says), "{source}: {message}");
        let at = source.get(found..).unwrap_or_default();
        assert!(found.abs_diff(offset) <= 7, "{source}: told at `{at}`");
    }
}

/// The tables of the functions as the README shows them.
fn page() -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let row = |function: &Function| {
        let Function { signature, does, example, gives, cost, .. } = function;
        let (signature, does, gives) = (cell(signature), cell(does), cell(gives));
        format!("| `{signature}` | {does} | `{}` → `{gives}` | {} |\n", cell(example), cost.as_str())
    };
    let table = |group: &Group| {
        let rows: String = group.functions.iter().map(row).collect();
        format!("**{}**\n\n| function | gives | example | cost |\n| --- | --- | --- | --- |\n{rows}\n", group.title)
    };
    GROUPS.iter().map(table).collect()
}

#[test]
fn the_readme_shows_every_function() {
    // covers F-04; `UPDATE_EXPECT=1` writes the tables anew
    let file = expect_test::expect_file!["../../../../../README.md"];
    let readme = file.data();
    let (before, rest) = readme.split_once("<!-- functions -->\n").expect("where the tables begin");
    let (_, after) = rest.split_once("<!-- end of functions -->").expect("where they end");
    file.assert_eq(&format!("{before}<!-- functions -->\n\n{}<!-- end of functions -->{after}", page()));
}
