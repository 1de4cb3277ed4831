//! `weir credential`. The secret comes from standard input or from a variable, never from the command line, which
//! other users of the machine can read.

use std::io::IsTerminal;

use secrecy::zeroize::Zeroizing;
use serde_json::{Value, json};
use weir_engine::ids::CredentialName;

use super::Common;
use super::error::CliError;
use crate::client::{Client, Sent};
use crate::exit::Exit;
use crate::output::{self, Format};
use crate::table;

/// The types of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    /// A user name and a password (RFC 7617)
    Basic,
    /// A token (RFC 6750)
    Bearer,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Set a credential; its secret is read from standard input
    Set {
        /// Its name
        name: CredentialName,
        /// Its type
        #[arg(long = "type", value_enum, value_name = "TYPE")]
        kind: Kind,
        /// The user name, for `basic`
        #[arg(long, required_if_eq("kind", "basic"))]
        username: Option<String>,
        /// Read the secret from this variable instead
        #[arg(long, value_name = "VARIABLE")]
        from_env: Option<String>,
    },
    /// List credentials; secrets are never shown
    List,
    /// Remove a credential
    Delete {
        /// Its name
        name: CredentialName,
    },
}

pub(super) fn run(command: Command, common: &Common) -> Result<Exit, CliError> {
    let client = Client::new(&common.server)?;
    match command {
        Command::Set { name, kind, username, from_env } => {
            let secret = secret(from_env.as_deref())?;
            let body = match kind {
                Kind::Basic => {
                    json!({ "type": "basic", "username": username.unwrap_or_default(), "password": *secret })
                }
                Kind::Bearer => json!({ "type": "bearer", "token": *secret }),
            };
            let body = Zeroizing::new(body.to_string());
            let sent = Sent::body("application/json", body.as_bytes());
            let (_, saved) = client.call("PUT", &format!("/v1/credentials/{name}"), &sent)?;
            show(common, vec![saved]);
        }
        Command::List => show(common, client.list("/v1/credentials")?),
        Command::Delete { name } => {
            client.call("DELETE", &format!("/v1/credentials/{name}"), &Sent::default())?;
            output::remark(&format!("removed {name}"));
        }
    }
    Ok(Exit::Done)
}

fn secret(variable: Option<&str>) -> Result<Zeroizing<String>, CliError> {
    let text = match variable {
        Some(name) => std::env::var(name)
            .map_err(|_| CliError::usage(format!("the variable `{name}` is not set, or is not UTF-8")))?,
        None => {
            if std::io::stdin().is_terminal() {
                output::remark("Type the secret, then Enter and Ctrl-D. It shows on the screen; a pipe does not.");
            }
            std::io::read_to_string(std::io::stdin())
                .map_err(|error| CliError::usage(format!("standard input cannot be read: {error}")))?
        }
    };
    let text = Zeroizing::new(text);
    // A file or `echo` ends with a line end, which no secret holds.
    let secret = Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned());
    if secret.is_empty() { Err(CliError::usage("the secret is empty")) } else { Ok(secret) }
}

fn show(common: &Common, credentials: Vec<Value>) {
    match common.output {
        Format::Json => output::json(&Value::Array(credentials)),
        Format::Table => {
            let row = |credential: &Value| {
                ["name", "type", "version", "updated_at"].map(|member| table::text(credential, member)).to_vec()
            };
            table::print(&["NAME", "TYPE", "VERSION", "UPDATED"], credentials.iter().map(row).collect());
        }
    }
}
