//! `weir connector templates`, `new` and `check-template`.

use serde_json::{Map, Value, json};
use weir_engine::connector::ArgumentType;
use weir_engine::document::Format as DocumentFormat;
use weir_engine::ids::ConnectorName;

use super::Common;
use super::arguments::{pair, value};
use super::document::{Source, save};
use super::error::CliError;
use crate::client::{Client, Sent};
use crate::exit::Exit;
use crate::output::{self, Format, printable};
use crate::table;
use crate::templates::{Origin, Template};

const PATH: &str = "/v1/connector-templates";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --apply the document is printed, to be read, changed and saved with `weir connector apply`.

Examples:
  weir connector templates
  weir connector templates mail-sender
  weir connector new mail-sender --name mail --set sender=no-reply@example.com > mail.yaml
  weir connector new breached-passwords --apply")]
pub(super) struct NewOptions {
    /// The template
    template: ConnectorName,
    /// The connector's name; the template's without
    #[arg(long)]
    name: Option<ConnectorName>,
    /// A setting of the template, read by its declared type. Again for each
    #[arg(long = "set", value_name = "SETTING=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Save the connector
    #[arg(long)]
    apply: bool,
}

/// Lists the templates, or shows one with its settings.
pub(super) fn show(template: Option<&ConnectorName>, common: &Common) -> Result<Exit, CliError> {
    let client = Client::new(&common.server)?;
    let path = template.map_or(PATH.to_owned(), |name| format!("{PATH}/{name}"));
    let answer = client.get(&path)?;
    match (common.output, template) {
        (Format::Json, _) => output::json(&answer),
        (Format::Table, None) => {
            let row = |one: &Value| ["name", "title", "origin"].map(|member| table::text(one, member)).to_vec();
            let items = answer.get("items").and_then(Value::as_array).into_iter().flatten();
            table::print(&["TEMPLATE", "TITLE", "FROM"], items.map(row).collect());
        }
        (Format::Table, Some(_)) => show_one(&answer),
    }
    Ok(Exit::Done)
}

fn show_one(template: &Value) {
    output::line(&printable(&table::text(template, "title")));
    output::line(&format!("\n{}\n", printable(table::text(template, "description").trim_end())));
    let row = |setting: &Value| {
        let [name, kind, description] = ["name", "type", "description"].map(|member| table::text(setting, member));
        let default = match (setting.get("default"), setting.get("example")) {
            (Some(_), _) => table::text(setting, "default"),
            (None, Some(_)) => format!("(required) such as {}", table::text(setting, "example")),
            (None, None) => "(required)".to_owned(),
        };
        vec![name, kind, default, description]
    };
    let settings = template.get("settings").and_then(Value::as_array).into_iter().flatten();
    table::print(&["SETTING", "TYPE", "DEFAULT", "MEANS"], settings.map(row).collect());
}

/// Fills a template in; prints or saves what comes of it.
pub(super) fn new(options: &NewOptions, common: &Common) -> Result<Exit, CliError> {
    let client = Client::new(&common.server)?;
    let NewOptions { template, name, set, apply } = options;
    let settings = client.get(&format!("{PATH}/{template}"))?.get_mut("settings").map(Value::take).unwrap_or_default();
    let body = json!({ "name": name, "values": values(set, &settings)? }).to_string();
    let sent = Sent::body("application/json", body.as_bytes());
    let (_, filled) = client.call("POST", &format!("{PATH}/{template}/document"), &sent)?;
    let text = table::text(&filled, "source");
    if *apply {
        let name = format!("{template}.yaml");
        return save(&[Source { name, text, format: DocumentFormat::Yaml }], super::connector::NOUN, common);
    }
    match common.output {
        Format::Json => output::json(&filled),
        Format::Table => output::line(printable(&text).trim_end()),
    }
    Ok(Exit::Done)
}

/// Each value by the declared type of its setting; the server knows which are missing or unknown.
fn values(set: &[(String, String)], settings: &Value) -> Result<Map<String, Value>, CliError> {
    let mut values = Map::new();
    for (name, text) in set {
        let mut settings = settings.as_array().into_iter().flatten();
        let declared = settings.find(|setting| setting.get("name").and_then(Value::as_str) == Some(name));
        let kind: Option<ArgumentType> = declared.and_then(|it| serde_json::from_value(it.get("type")?.clone()).ok());
        let kind = kind.unwrap_or(ArgumentType::String);
        let read = value(kind, text);
        let read =
            read.ok_or_else(|| CliError::usage(format!("--set {name}: `{text}` is not {}", kind.with_article())))?;
        values.insert(name.clone(), read);
    }
    Ok(values)
}

/// Finds every fault of template files, without a server.
pub(super) fn check(files: &[String]) -> Result<Exit, CliError> {
    for file in files {
        let source = Source::read(file)?;
        let template = Template::read(&source.text, Origin::Operator).map_err(|faults| source.faulty(&faults))?;
        output::line(&format!("{file}: template {}, no errors", template.name()));
    }
    Ok(Exit::Done)
}
