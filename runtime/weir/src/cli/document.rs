//! What `weir flow` and `weir connector` have in common: documents in files.

use annotate_snippets::Renderer;
use serde_json::{Value, json};
use weir_engine::document::{Document, Fault, Faults, Format, Severity};

use super::Common;
use super::error::{CliError, read_text};
use crate::client::{Client, ClientError, Sent};
use crate::exit::Exit;
use crate::output::{self, Colours};
use crate::table;

/// A document as its author has it.
pub(super) struct Source {
    /// The file's name, or `-`.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) format: Format,
}

/// `flow` or `connector`: the member that names it, and its path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noun {
    pub(super) word: &'static str,
    pub(super) path: &'static str,
    /// The member that stands before the name in the path, where one does.
    pub(super) above: Option<&'static str>,
}

impl Source {
    /// From a file, or from standard input for `-`. Files that end with `.json` are JSON.
    pub(super) fn read(name: &str) -> Result<Self, CliError> {
        let text = read_text(name)?;
        let is_json = name.ends_with(".json") || (name == "-" && text.trim_start().starts_with('{'));
        let format = if is_json { Format::Json } else { Format::Yaml };
        Ok(Self { name: name.to_owned(), text, format })
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self.format {
            Format::Yaml => "application/yaml",
            Format::Json => "application/json",
        }
    }

    /// The source lines of the faults, with a mark under each.
    pub(super) fn show(&self, faults: &Faults) {
        let is_coloured = Colours::of_stderr() == Colours::On;
        let renderer = if is_coloured { Renderer::styled() } else { Renderer::plain() };
        let text = faults.render(&self.name, &self.text, &renderer);
        // The text of the document is its author's own; only colours may stand in it.
        output::remark(text.trim_end());
    }

    /// Where the document belongs, by what it says itself.
    fn own_path(&self, noun: Noun) -> Result<String, CliError> {
        let document = Document::parse(&self.text, self.format).map_err(|faults| self.faulty(&faults))?;
        let mut path = noun.path.to_owned();
        for member in noun.above.into_iter().chain([noun.word]) {
            path = format!("{path}/{}", self.own_text(&document, member)?);
        }
        Ok(path)
    }

    /// What a member of the document says, where it can stand in a path.
    fn own_text(&self, document: &Document, member: &str) -> Result<String, CliError> {
        let name = document.value.get(member).and_then(Value::as_str);
        let missing =
            || CliError::usage(format!("`{}` has no `{member}: NAME`, so nobody knows what it is", self.name));
        name.filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)))
            .map(str::to_owned)
            .ok_or_else(missing)
    }

    /// Shows the faults and says that there are some.
    pub(super) fn faulty(&self, faults: &Faults) -> CliError {
        self.show(faults);
        let errors = faults.0.iter().filter(|fault| fault.severity == Severity::Error).count();
        CliError::failed(format!("`{}` has {errors} error(s)", self.name))
            .with_problem(json!({ "code": "document.invalid", "errors": faults }))
    }
}

/// Saves the documents of files, one after the other.
pub(super) fn apply(files: &[String], noun: Noun, common: &Common) -> Result<Exit, CliError> {
    let sources = files.iter().map(|file| Source::read(file)).collect::<Result<Vec<_>, _>>()?;
    save(&sources, noun, common)
}

/// Saves documents, one after the other.
pub(super) fn save(sources: &[Source], noun: Noun, common: &Common) -> Result<Exit, CliError> {
    let client = Client::new(&common.server)?;
    let mut saved = Vec::new();
    for source in sources {
        let path = source.own_path(noun)?;
        let sent = Sent::body(source.content_type(), source.text.as_bytes());
        match client.call("PUT", &path, &sent) {
            Ok((_, answer)) => {
                source.show(&faults_of(answer.get("warnings")));
                saved.push(answer);
            }
            Err(ClientError::Problem(problem)) if problem.code == "document.invalid" => {
                return Err(source.faulty(&faults_of(Some(&Value::Array(problem.errors)))));
            }
            Err(error) => return Err(error.into()),
        }
    }
    show_saved(&saved, common);
    Ok(Exit::Done)
}

/// Faults as the API writes them.
pub(super) fn faults_of(value: Option<&Value>) -> Faults {
    let faults = value.and_then(Value::as_array).into_iter().flatten();
    Faults(faults.filter_map(|fault| serde_json::from_value::<Fault>(fault.clone()).ok()).collect())
}

fn show_saved(saved: &[Value], common: &Common) {
    match common.output {
        output::Format::Json => output::json(&Value::Array(saved.to_vec())),
        output::Format::Table => {
            let row = |one: &Value| {
                let change = if one.get("changed") == Some(&Value::Bool(true)) { "saved" } else { "unchanged" };
                vec![table::text(one, "name"), table::text(one, "version"), change.to_owned()]
            };
            table::print(&["NAME", "VERSION", "CHANGE"], saved.iter().map(row).collect());
        }
    }
}

/// Prints a list of versions.
pub(super) fn show_versions(versions: Vec<Value>, common: &Common) {
    match common.output {
        output::Format::Json => output::json(&Value::Array(versions)),
        output::Format::Table => {
            let row = |one: &Value| {
                let live = if one.get("live") == Some(&Value::Bool(true)) { "live" } else { "" };
                vec![
                    table::text(one, "name"),
                    table::text(one, "version"),
                    live.to_owned(),
                    table::text(one, "created_at"),
                ]
            };
            table::print(&["NAME", "VERSION", "", "SAVED"], versions.iter().map(row).collect());
        }
    }
}

/// Prints a document as its author wrote it, or all that is known of it.
pub(super) fn show_document(document: &Value, common: &Common) {
    match common.output {
        output::Format::Json => output::json(document),
        output::Format::Table => output::line(output::printable(&table::text(document, "source")).trim_end()),
    }
}
