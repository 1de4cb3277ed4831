//! `weir flow`.

use serde_json::json;
use weir_engine::catalogue::Catalogue;
use weir_engine::document::Faults;
use weir_engine::flow;
use weir_engine::ids::FlowName;

use super::Common;
use super::document::{Noun, Source, apply, faults_of, show_document, show_versions};
use super::error::CliError;
use crate::client::{Client, Sent};
use crate::exit::Exit;
use crate::output::{self, Format};

const NOUN: Noun = Noun { word: "flow", path: "/v1/flows", above: None };
/// What only a server knows: which connectors and plugins the tenant has, and which types of actions the operator adds.
const NEED_A_SERVER: [&str; 4] =
    ["flow.unknown-connector", "flow.unknown-plugin", "flow.unknown-plugin-version", "flow.unknown-action-type"];

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Find every fault of a flow, and save nothing
    Validate {
        /// A YAML or JSON document, `-` for standard input
        file: String,
        /// Do not ask the server: look at the document alone
        #[arg(long)]
        offline: bool,
    },
    /// Save flows; each file names its own
    Apply {
        /// YAML or JSON documents, `-` for standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
    /// List flows
    List,
    /// Print a flow as its author wrote it
    Show {
        /// The flow
        name: FlowName,
        /// This version instead of the live one
        #[arg(long)]
        at: Option<u32>,
        /// List its versions instead
        #[arg(long, conflicts_with = "at")]
        versions: bool,
    },
    /// Make a version the live one: new runs take it
    Live {
        /// The flow
        name: FlowName,
        /// The version
        #[arg(value_name = "VERSION")]
        number: u32,
    },
}

pub(super) fn run(command: Command, common: &Common) -> Result<Exit, CliError> {
    match command {
        Command::Validate { file, offline } => return validate(&file, offline, common),
        Command::Apply { files } => return apply(&files, NOUN, common),
        Command::List => show_versions(Client::new(&common.server)?.list(NOUN.path)?, common),
        Command::Show { name, versions: true, .. } => {
            show_versions(Client::new(&common.server)?.list(&format!("{}/{name}/versions", NOUN.path))?, common);
        }
        Command::Show { name, at, .. } => {
            let version = at.map(|version| format!("?version={version}")).unwrap_or_default();
            show_document(&Client::new(&common.server)?.get(&format!("{}/{name}{version}", NOUN.path))?, common);
        }
        Command::Live { name, number } => {
            let body = json!({ "version": number }).to_string();
            let sent = Sent::body("application/json", body.as_bytes());
            let (_, live) = Client::new(&common.server)?.call("POST", &format!("{}/{name}/live", NOUN.path), &sent)?;
            show_versions(vec![live], common);
        }
    }
    Ok(Exit::Done)
}

fn validate(file: &str, offline: bool, common: &Common) -> Result<Exit, CliError> {
    let source = Source::read(file)?;
    let client = Client::with_key_if_any(&common.server)?;
    let faults = if offline || !client.has_key() {
        if !offline {
            output::remark(
                "There is no API key, so the document is looked at alone: not which connectors, plugins and codes of `retry` there are.",
            );
        }
        alone(&source)
    } else {
        let sent = Sent::body(source.content_type(), source.text.as_bytes());
        let (_, answer) = client.call("POST", "/v1/flows/validate", &sent)?;
        faults_of(answer.get("faults"))
    };
    match common.output {
        Format::Json => output::json(&json!({ "valid": !faults.has_errors(), "faults": faults })),
        Format::Table if faults.has_errors() => return Err(source.faulty(&faults)),
        Format::Table => {
            source.show(&faults);
            output::line(&format!("{file}: no errors, {} warning(s)", faults.0.len()));
        }
    }
    Ok(if faults.has_errors() { Exit::Failed } else { Exit::Done })
}

/// The faults that the document alone shows.
fn alone(source: &Source) -> Faults {
    let faults = match flow::check(&source.text, source.format, &Catalogue::default()) {
        Ok((_, _, warnings)) => warnings,
        Err(faults) => faults,
    };
    Faults(faults.0.into_iter().filter(|fault| !NEED_A_SERVER.contains(&fault.code.as_str())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_engine::document::Format as DocumentFormat;

    fn check(text: &str) -> Vec<String> {
        let source = Source { name: "f.yaml".to_owned(), text: text.to_owned(), format: DocumentFormat::Yaml };
        alone(&source).0.into_iter().map(|fault| fault.code).collect()
    }

    #[test]
    fn without_a_server_only_the_document_is_looked_at() {
        let good = "flow: f\nsteps:\n  - id: a\n    call: api.get\n    pre-call: [{ plugin: sign@^1 }]\n  - id: b\n    end: {}\n";
        assert_eq!(check(good), Vec::<String>::new());
        let bad = "flow: f\nsteps:\n  - id: a\n    call: api.get\n    next: nowhere\n";
        assert_eq!(check(bad), ["flow.unknown-step"]);
    }

    #[test]
    fn the_left_out_codes_exist() {
        // A code that was renamed in the engine must not come back here as an error.
        let text = "flow: f\nsteps:\n  - id: a\n    call: api.get\n    pre-call: [{ plugin: sign@^1 }]\n";
        let faults = flow::check(text, DocumentFormat::Yaml, &Catalogue::default()).unwrap_err();
        assert!(faults.0.iter().any(|fault| fault.code == NEED_A_SERVER[0]));
        assert!(faults.0.iter().any(|fault| fault.code == NEED_A_SERVER[1]));
    }

    #[test]
    fn faults_survive_the_way_over_the_wire() {
        let text = "flow: f\nsteps:\n  - id: a\n    call: api.get\n";
        let faults = flow::check(text, DocumentFormat::Yaml, &Catalogue::default()).unwrap_err();
        let wire = serde_json::to_value(&faults).unwrap();
        assert_eq!(faults_of(Some(&wire)), faults);
    }
}
