//! Templates as files (C-22): ours have no fault, an operator's may.

use std::collections::BTreeSet;
use std::path::Path;

use expect_test::expect;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use weir_engine::connector::ArgumentType;
use weir_engine::document::{Document, Format};

use super::shipped::{FILES, shipped};
use super::template::{Origin, Template};
use super::{FillError, Templates};

const MINIMAL: &str = "\
template: own
title: Own
description: Of the house.
settings:
  - { name: base-url, description: Where, example: \"https://own.test\" }
  - { name: note, description: What, default: none }
  - { name: limit, description: How many, type: integer, default: 3 }
# Kept out of the document.
connector:
  # Kept in the document.
  connector: { $setting: name }
  description: { $setting: note }
  base-url: { $setting: base-url } # where it is
  functions:
    - name: get
      arguments: [{ name: limit, type: integer, default: { $setting: limit } }]
      endpoint: >-
        /items?limit=${args.limit}
";

fn read(text: &str) -> Template {
    Template::read(text, Origin::Operator).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn values(values: Value) -> Map<String, Value> {
    values.as_object().unwrap().clone()
}

#[test]
fn every_file_is_listed_and_has_no_fault() {
    // covers C-22
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let names: BTreeSet<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, FILES.iter().map(|(file, _)| (*file).to_owned()).collect());
    for (file, text) in FILES {
        let template = Template::read(text, Origin::Shipped).unwrap_or_else(|faults| panic!("{file}: {faults:#?}"));
        assert_eq!(format!("{}.yaml", template.name()), *file);
        assert!(template.document.fixture.is_some(), "{file} has no fixture");
    }
    assert_eq!(shipped().len(), FILES.len());
}

#[test]
fn a_filled_template_keeps_its_comments_and_layout() {
    // covers C-22
    let given = values(json!({ "base-url": "https://a.test/v1", "limit": 7 }));
    let filled = read(MINIMAL).fill(&"mine".parse().unwrap(), &given).unwrap();
    expect![[r#"
        # Kept in the document.
        connector: "mine"
        description: "none"
        base-url: "https://a.test/v1" # where it is
        functions:
          - name: get
            arguments: [{ name: limit, type: integer, default: 7 }]
            endpoint: >-
              /items?limit=${args.limit}
    "#]]
    .assert_eq(&filled.source);
    assert_eq!(filled.document["functions"][0]["endpoint"], "/items?limit=${args.limit}");
}

#[test]
fn the_guide_has_a_template_without_faults() {
    let guide = include_str!("../../../../README.md");
    let text = guide.split("```yaml\n").find(|block| block.starts_with("template:")).unwrap();
    read(text.split("```").next().unwrap());
}

#[test]
fn settings_are_checked_before_anything_is_filled() {
    // covers C-22
    let error = read(MINIMAL).fill(&"mine".parse().unwrap(), &values(json!({ "limit": "7", "other": 1 })));
    let Err(FillError::Settings(wrong)) = error else { panic!("{error:?}") };
    let text: Vec<String> = wrong.into_iter().map(|(name, message)| format!("{name} {message}")).collect();
    expect![[r#"
        base-url is missing: Where
        limit must be an integer
        other is no setting of this template; it has `base-url`, `note`, `limit`"#]]
    .assert_eq(&text.join("\n"));
}

#[test]
fn faults_have_their_places() {
    // covers C-22
    let places = |text: &str| {
        let faults = Template::read(text, Origin::Operator).map(|_| ()).unwrap_err();
        let said = faults.0.iter().map(|it| format!("{}:{} {} {}", it.line, it.column, it.code, it.message));
        said.collect::<Vec<_>>().join("\n")
    };
    let with = |from: &str, to: &str| places(&MINIMAL.replacen(from, to, 1));
    let all = [
        with("title: Own", "titel: Own"),
        with("{ $setting: note }", "{ $setting: nothing }"),
        with("description: { $setting: note }", "description:\n    $setting: note"),
        with("default: 3", "default: three"),
        with("example: \"https://own.test\"", "type: string"),
        with("example: \"https://own.test\"", "example: \"ftp://own.test\""),
        with("connector: { $setting: name }", "connector: fixed"),
        with("/items?", "items?"),
        with("name: note", "name: name"),
        MINIMAL.split("connector:\n").next().map(|head| places(&format!("{head}connector: {{ connector: {{ $setting: name }}, description: {{ $setting: note }}, base-url: {{ $setting: base-url }}, functions: [{{ name: get, endpoint: /, arguments: [{{ name: limit, type: integer, default: {{ $setting: limit }} }}] }}] }}\n"))).unwrap(),
        places("template: [\n"),
    ];
    expect![[r#"
        1:1 connector.template.shape `title` is missing
        2:1 connector.template.shape `titel` is not known here
        6:5 connector.template.place no place in the connector takes the setting `note`
        12:16 connector.template.place there is no setting `nothing`
        6:5 connector.template.place no place in the connector takes the setting `note`
        13:5 connector.template.place a place is written in one line, as `{ $setting: NAME }`
        7:67 connector.template.setting this must be an integer
        5:5 connector.template.setting `base-url` has neither a default nor an example to try it with
        13:13 connector.document.base-url the base URL's scheme is `ftp`; write an `https` or `http` URL
        11:14 connector.template.shape write `connector: { $setting: name }`: each tenant names its connector
        18:9 connector.document.endpoint an endpoint begins with `/` or `?`, or is empty
        6:13 connector.template.setting `name` is the connector's own name, which is always filled in
        12:16 connector.template.place there is no setting `note`
        9:12 connector.template.shape the block below `connector:` cannot be cut out; begin it on the next line, indented by spaces
        2:1 document.syntax this is not YAML: while parsing a node, did not find expected node content"#]].assert_eq(&all.join("\n"));
}

#[test]
fn an_operator_adds_changes_and_removes_templates_without_a_restart() {
    // covers C-22
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    let templates = Templates::new(Some(folder.path().to_owned()));
    let names = || {
        let all = templates.all();
        let own = all.iter().filter(|template| template.origin == Origin::Operator);
        own.map(|template| format!("{} {}", template.name(), template.document.title)).collect::<Vec<_>>()
    };
    assert!(names().is_empty());
    assert_eq!(templates.all().len(), FILES.len());
    write("a.yaml", MINIMAL);
    write("faulty.yaml", "template: faulty\n");
    write("notes.txt", "no template");
    write("z.yml", &MINIMAL.replace("title: Own", "title: A second one of the same name"));
    assert_eq!(names(), ["own Own"]);
    write("a.yaml", &MINIMAL.replace("title: Own", "title: Changed"));
    assert_eq!(names(), ["own Changed"]);
    // One of the operator stands before one of ours.
    write("mail.yaml", &MINIMAL.replace("template: own", "template: mail-sender"));
    assert_eq!(names(), ["mail-sender Own", "own Changed"]);
    assert_eq!(templates.all().len(), FILES.len() + 1);
    std::fs::remove_file(folder.path().join("a.yaml")).unwrap();
    assert_eq!(names(), ["mail-sender Own", "own A second one of the same name"]);
    // A folder that is gone takes nothing else with it.
    drop(folder);
    assert_eq!(templates.all().len(), FILES.len());
}

#[test]
fn a_file_has_a_largest_size() {
    // keeps A4
    let folder = tempfile::tempdir().unwrap();
    let templates = Templates::new(Some(folder.path().to_owned()));
    for (bytes, found) in [(256 << 10, 1), ((256 << 10) + 1, 0)] {
        let text = format!("{MINIMAL}#{}", "x".repeat(bytes - MINIMAL.len() - 1));
        std::fs::write(folder.path().join("own.yaml"), text).unwrap();
        assert_eq!(templates.all().len(), FILES.len() + found, "{bytes}");
    }
}

/// Texts that would be something else than a text, if they could.
fn any_text() -> impl Strategy<Value = String> {
    let hostile = r#"( |\n|\r|\t|"|'|\{|\}|\[|\]|:|#|,|&|\*|!|\||>|%|@|`|\\|-|\$|\u{0}|\u{7f}|\u{85}|\u{a0}|\u{2028}|\u{feff}|\u{fffe}|é|😀|a|base-url){0,12}"#;
    prop_oneof![hostile, any::<String>()]
}

proptest! {
    #[test]
    fn a_value_is_never_more_than_a_value(text in any_text()) {
        // covers C-22: a setting cannot add a member, end a text or begin another one
        let given = values(json!({ "base-url": "https://a.test", "note": text }));
        let filled = read(MINIMAL).fill(&"mine".parse().unwrap(), &given).unwrap();
        prop_assert_eq!(&filled.document["description"], &json!(text));
        prop_assert_eq!(filled.document.as_object().unwrap().len(), 4);
        prop_assert_eq!(&Document::parse(&filled.source, Format::Yaml).unwrap().value, &filled.document);
    }

    #[test]
    fn any_file_has_faults_or_none(text in "[a-z:{}$ \n-]{0,200}", cut in 0..MINIMAL.len()) {
        let _ = Template::read(&text, Origin::Operator);
        let _ = Template::read(&MINIMAL[..cut], Origin::Operator);
        let _ = Template::read(&format!("{}{text}{}", &MINIMAL[..cut], &MINIMAL[cut..]), Origin::Operator);
    }
}

#[test]
fn every_type_of_a_setting_takes_its_own_values() {
    for (kind, value) in [
        ("string", json!("x")),
        ("number", json!(1.5)),
        ("boolean", json!(true)),
        ("array", json!([1])),
        ("object", json!({ "a": { "b": null } })),
    ] {
        let text = MINIMAL
            .replace("type: integer, default: 3", &format!("type: {kind}, default: {value}"))
            .replace("type: integer, default: { $setting", &format!("type: {kind}, default: {{ $setting"));
        let template = read(&text);
        assert!(template.document.settings[2].kind.accepts(&value));
        let filled = template.fill(&"mine".parse().unwrap(), &values(json!({ "base-url": "https://a.test" }))).unwrap();
        assert_eq!(filled.document["functions"][0]["arguments"][0]["default"], value);
        assert_eq!(template.document.settings[0].kind, ArgumentType::String);
    }
}
