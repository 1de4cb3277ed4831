//! `weir connector`.

use weir_engine::ids::ConnectorName;

use super::Common;
use super::connector_test;
use super::document::{Noun, apply, show_document, show_versions};
use super::error::CliError;
use super::template;
use crate::client::{Client, Sent};
use crate::exit::Exit;
use crate::output;

pub(super) const NOUN: Noun = Noun { word: "connector", path: "/v1/connectors", above: None };

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Save connectors; each file names its own
    Apply {
        /// YAML or JSON documents, `-` for standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
    /// List connectors
    List,
    /// Print a connector as its author wrote it
    Show {
        /// The connector
        name: ConnectorName,
        /// This version instead of the live one
        #[arg(long)]
        at: Option<u32>,
        /// List its versions instead
        #[arg(long, conflicts_with = "at")]
        versions: bool,
    },
    /// Try one call of a function, and show every step of it
    Test(Box<connector_test::Options>),
    /// List ready-made connectors, or show one with its settings
    Templates {
        /// The template
        template: Option<ConnectorName>,
    },
    /// Make a connector from a template
    New(template::NewOptions),
    /// For operators: find every fault of template files, without a server
    CheckTemplate {
        /// Files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
    /// Remove a connector with all of its versions
    Delete {
        /// The connector
        name: ConnectorName,
    },
}

pub(super) fn run(command: Command, common: &Common) -> Result<Exit, CliError> {
    match command {
        Command::Apply { files } => return apply(&files, NOUN, common),
        Command::List => show_versions(Client::new(&common.server)?.list(NOUN.path)?, common),
        Command::Show { name, versions: true, .. } => {
            show_versions(Client::new(&common.server)?.list(&format!("{}/{name}/versions", NOUN.path))?, common);
        }
        Command::Show { name, at, .. } => {
            let version = at.map(|version| format!("?version={version}")).unwrap_or_default();
            show_document(&Client::new(&common.server)?.get(&format!("{}/{name}{version}", NOUN.path))?, common);
        }
        Command::Test(options) => return connector_test::run(&options, common),
        Command::Templates { template } => return template::show(template.as_ref(), common),
        Command::New(options) => return template::new(&options, common),
        Command::CheckTemplate { files } => return template::check(&files),
        Command::Delete { name } => {
            Client::new(&common.server)?.call("DELETE", &format!("{}/{name}", NOUN.path), &Sent::default())?;
            output::remark(&format!("removed {name}"));
        }
    }
    Ok(Exit::Done)
}
