//! `weir action`.

use std::str::FromStr;

use serde_json::Value;
use weir_engine::ids::ActionName;

use super::Common;
use super::action_test;
use super::action_type::{check_types, types};
use super::document::{Noun, apply, show_document, show_versions};
use super::error::CliError;
use crate::client::{Client, Sent};
use crate::exit::Exit;
use crate::output;
use crate::table;

const NOUN: Noun = Noun { word: "action", path: "/v1/actions", above: Some("type") };

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Save actions; each file names its own type and name
    Apply {
        /// YAML or JSON documents, `-` for standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
    /// List actions
    List {
        /// Of this type alone
        #[arg(value_name = "TYPE")]
        kind: Option<String>,
    },
    /// Print an action as its author wrote it
    Show {
        /// The action
        action: Which,
        /// This version instead of the live one
        #[arg(long)]
        at: Option<u32>,
    },
    /// List the versions of an action
    Versions {
        /// The action
        action: Which,
    },
    /// Switch an action on
    Activate {
        /// The action
        action: Which,
    },
    /// Switch an action off: steps that use it stop, or pass over it where they say so
    Deactivate {
        /// The action
        action: Which,
    },
    /// Remove an action with all of its versions
    Delete {
        /// The action
        action: Which,
    },
    /// Try one action with an event, and show every step of it
    Test(Box<action_test::Options>),
    /// List the types of actions, or show all that one says
    Types {
        /// The type, such as FLOW_EXTENSION
        name: Option<String>,
    },
    /// For operators: find every fault of files of action types, without a server
    CheckType {
        /// YAML documents, `-` for standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
}

/// An action, as `TYPE/NAME`.
#[derive(Debug, Clone)]
pub(super) struct Which {
    kind: String,
    name: ActionName,
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = |kind: &str| !kind.is_empty() && kind.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
        match text.split_once('/') {
            Some((kind, name)) if is_plain(kind) => {
                let name = name.parse().map_err(|error| format!("{error}"))?;
                Ok(Self { kind: kind.to_owned(), name })
            }
            _ => Err("write TYPE/NAME, such as FLOW_EXTENSION/loyalty".to_owned()),
        }
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.kind, self.name)
    }
}

pub(super) fn run(command: Command, common: &Common) -> Result<Exit, CliError> {
    let client = || Client::new(&common.server);
    match command {
        Command::Apply { files } => return apply(&files, NOUN, common),
        Command::Test(options) => return action_test::run(&options, common),
        Command::Types { name } => return types(name.as_deref(), common),
        Command::CheckType { files } => return check_types(&files),
        Command::List { kind } => {
            let kind = kind.map(|kind| format!("/{kind}")).unwrap_or_default();
            show_actions(client()?.list(&format!("{}{kind}", NOUN.path))?, common);
        }
        Command::Show { action, at } => {
            let version = at.map(|version| format!("?version={version}")).unwrap_or_default();
            show_document(&client()?.get(&format!("{}/{action}{version}", NOUN.path))?, common);
        }
        Command::Versions { action } => {
            show_versions(client()?.list(&format!("{}/{action}/versions", NOUN.path))?, common);
        }
        Command::Activate { action } => {
            client()?.call("POST", &format!("{}/{action}/activate", NOUN.path), &Sent::default())?;
            output::remark(&format!("switched on {action}"));
        }
        Command::Deactivate { action } => {
            client()?.call("POST", &format!("{}/{action}/deactivate", NOUN.path), &Sent::default())?;
            output::remark(&format!("switched off {action}"));
        }
        Command::Delete { action } => {
            client()?.call("DELETE", &format!("{}/{action}", NOUN.path), &Sent::default())?;
            output::remark(&format!("removed {action}"));
        }
    }
    Ok(Exit::Done)
}

fn show_actions(actions: Vec<Value>, common: &Common) {
    match common.output {
        output::Format::Json => output::json(&Value::Array(actions)),
        output::Format::Table => {
            let row = |one: &Value| {
                ["type", "id", "status", "version", "created_at"].map(|member| table::text(one, member)).to_vec()
            };
            table::print(&["TYPE", "NAME", "STATUS", "VERSION", "SAVED"], actions.iter().map(row).collect());
        }
    }
}
