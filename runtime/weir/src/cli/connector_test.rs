//! `weir connector test`: tries one call, and shows every step of it.

use serde_json::{Map, Value, json};
use weir_engine::connector::{Argument, ConnectorDocument};
use weir_engine::document::{Document, Faults, read};
use weir_engine::flow::{FunctionRef, PluginRequirement};
use weir_engine::ids::PluginName;

use super::Common;
use super::arguments::{pair, typed};
use super::document::{Source, faults_of};
use super::error::{CliError, read_text};
use super::test_page;
use crate::api::{CallOutcome, TestView};
use crate::client::{Client, ClientError, Sent};
use crate::exit::Exit;
use crate::output::{self, Format};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The call is real: it goes out with the tenant's credentials. No run, journal or context knows of it.

Examples:
  weir connector test risk-api.score --arg email=ann@example.com --arg amount=12.5
  weir connector test risk-api.score --file risk-api.yaml --arg email=ann@example.com
  weir connector test risk-api.score --args-json args.json --context context.json \\
    --pre-call sign@^1 --config 'sign={\"header\": \"x-sig\"}' --input 'sign=${event.user}'

Exits with 0 where a run would go on, with 1 after a failure or an error.")]
pub(super) struct Options {
    /// The connector and its function
    #[arg(value_name = "NAME.FUNCTION")]
    function: FunctionRef,
    /// Try this document, which is not saved, `-` for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
    /// An argument; its value is read by its declared type. Again for each
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = pair)]
    args: Vec<(String, String)>,
    /// All arguments as a JSON object, `-` for standard input; --arg goes before it
    #[arg(long, value_name = "FILE|-")]
    args_json: Option<String>,
    /// What templates and hooks see, as JSON: {"event": …, "connectors": …, "steps": …, "claims": …}
    #[arg(long, value_name = "FILE")]
    context: Option<String>,
    /// A plugin before the call. Again for each, in order
    #[arg(long, value_name = "PLUGIN@RANGE")]
    pre_call: Vec<PluginRequirement>,
    /// A plugin after the response. Again for each, in order
    #[arg(long, value_name = "PLUGIN@RANGE")]
    post_response: Vec<PluginRequirement>,
    /// The settings of a plugin here: JSON, or a file that holds some
    #[arg(long, value_name = "PLUGIN=JSON|FILE", value_parser = pair)]
    config: Vec<(String, String)>,
    /// What a plugin sees of the context: JSON whose texts are templates, a template alone, or a file that holds JSON
    #[arg(long, value_name = "PLUGIN=JSON|FILE", value_parser = pair)]
    input: Vec<(String, String)>,
}

pub(super) fn run(options: &Options, common: &Common) -> Result<Exit, CliError> {
    let client = Client::new(&common.server)?;
    let source = options.file.as_deref().map(Source::read).transpose()?;
    let declared = declared(options, source.as_ref(), &client)?;
    let mut body = body(options, &declared)?;
    let FunctionRef { connector, function } = &options.function;
    let path = match &source {
        None => format!("/v1/connectors/{connector}/functions/{function}/test"),
        Some(source) => {
            body.insert("document".to_owned(), json!(source.text));
            body.insert("function".to_owned(), json!(function));
            "/v1/connector-tests".to_owned()
        }
    };
    let text = Value::Object(body).to_string();
    let answer = client.call("POST", &path, &Sent::body("application/json", text.as_bytes()));
    let (_, answer) = answer.map_err(|error| match (error, &source) {
        (ClientError::Problem(problem), Some(source)) if problem.code == "document.invalid" => {
            source.faulty(&faults_of(Some(&Value::Array(problem.errors))))
        }
        (error, _) => error.into(),
    })?;
    let view: TestView = serde_json::from_value(answer.clone()).map_err(|error| {
        CliError::failed(format!("the answer cannot be read ({error}); is the server of another version?"))
    })?;
    match common.output {
        Format::Json => output::json(&answer),
        Format::Table => test_page::show(&view),
    }
    Ok(if view.outcome == CallOutcome::Success { Exit::Done } else { Exit::Failed })
}

/// The arguments that the function declares.
fn declared(options: &Options, source: Option<&Source>, client: &Client) -> Result<Vec<Argument>, CliError> {
    // Without a text to read by its type nobody has to know them.
    if options.args.is_empty() && source.is_none() {
        return Ok(Vec::new());
    }
    let FunctionRef { connector, function } = &options.function;
    let document: ConnectorDocument = match source {
        Some(source) => read_document(source)?,
        None => {
            let mut saved = client.get(&format!("/v1/connectors/{connector}"))?;
            let document = saved.get_mut("document").map(Value::take).unwrap_or_default();
            serde_json::from_value(document).map_err(|error| {
                CliError::failed(format!("`{connector}` cannot be read ({error}); is the server of another version?"))
            })?
        }
    };
    if document.connector != *connector {
        let message = format!("the document is of connector `{}`, not of `{connector}`", document.connector);
        return Err(CliError::usage(message));
    }
    let found = document.functions.iter().find(|it| it.name == *function);
    found.map(|it| it.arguments.clone()).ok_or_else(|| {
        let known: Vec<&str> = document.functions.iter().map(|it| it.name.as_str()).collect();
        CliError::usage(format!("`{connector}` has no function `{function}`; it has `{}`", known.join("`, `")))
    })
}

fn read_document(source: &Source) -> Result<ConnectorDocument, CliError> {
    let document = Document::parse(&source.text, source.format).map_err(|faults| source.faulty(&faults))?;
    let mut faults = Faults::default();
    read(&document, "", "connector.shape", &mut faults).ok_or_else(|| source.faulty(&faults))
}

/// What the API takes, without the document.
fn body(options: &Options, declared: &[Argument]) -> Result<Map<String, Value>, CliError> {
    let mut arguments = match &options.args_json {
        None => Map::new(),
        Some(file) => match json_of(&read_text(file)?, file)? {
            Value::Object(arguments) => arguments,
            _ => return Err(CliError::usage(format!("--args-json: `{file}` must hold a JSON object"))),
        },
    };
    arguments.extend(typed(&options.args, declared)?);
    let context = options.context.as_deref().map(|file| json_of(&read_text(file)?, file)).transpose()?;
    let members = json!({
        "arguments": arguments,
        "context": context,
        "pre_call": hooks(&options.pre_call, options)?,
        "post_response": hooks(&options.post_response, options)?,
    });
    for (name, _) in options.config.iter().chain(&options.input) {
        let is_used = |it: &PluginRequirement| it.name.as_str() == name;
        if !options.pre_call.iter().chain(&options.post_response).any(is_used) {
            let message = format!("`{name}` is no plugin of this call; name it with --pre-call or --post-response");
            return Err(CliError::usage(message));
        }
    }
    match members {
        Value::Object(members) => Ok(members),
        _ => Ok(Map::new()),
    }
}

fn hooks(plugins: &[PluginRequirement], options: &Options) -> Result<Vec<Value>, CliError> {
    let hook = |plugin: &PluginRequirement| {
        let of = |given: &[(String, String)], is_template| value_of(&plugin.name, given, is_template);
        Ok(json!({ "plugin": plugin, "config": of(&options.config, false)?, "input": of(&options.input, true)? }))
    };
    plugins.iter().map(hook).collect()
}

/// What is given for a plugin; null where nothing is.
fn value_of(plugin: &PluginName, given: &[(String, String)], is_template: bool) -> Result<Value, CliError> {
    let Some((_, text)) = given.iter().find(|(name, _)| name == plugin.as_str()) else { return Ok(Value::Null) };
    if is_template && text.starts_with("${") {
        return Ok(Value::String(text.clone()));
    }
    if text.trim_start().starts_with(['{', '[', '"']) { json_of(text, text) } else { json_of(&read_text(text)?, text) }
}

pub(super) fn json_of(text: &str, place: &str) -> Result<Value, CliError> {
    serde_json::from_str(text).map_err(|error| CliError::usage(format!("`{place}` is not JSON: {error}")))
}
