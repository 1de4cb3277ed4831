//! `weir identity`. Keys and certificates come from files, passwords from variables; what is encrypted is opened here,
//! so that no password ever leaves this machine.

use std::path::PathBuf;

use secrecy::zeroize::Zeroizing;
use serde_json::{Value, json};
use weir_engine::ids::IdentityName;

use super::Common;
use super::error::CliError;
use super::identity_files::{self, Pem};
use crate::client::{Client, Sent};
use crate::exit::Exit;
use crate::output::{self, Format};
use crate::table;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Set an identity: a certificate with its key, certificates to trust, or a key that signs
    Set(Set),
    /// List identities and when they expire; keys are never shown
    List,
    /// Print the certificates of an identity
    Show {
        /// Its name
        name: IdentityName,
    },
    /// Remove an identity
    Delete {
        /// Its name
        name: IdentityName,
    },
}

/// What an identity is made of.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("content").required(true).multiple(true).args(["cert", "key", "pkcs12", "trust"]))]
pub(super) struct Set {
    /// Its name
    name: IdentityName,
    /// Its own certificate, PEM; what follows it in the file is its chain
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key, PEM; without --cert, a key that signs
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The issuers of its certificate, PEM, nearest first
    #[arg(long, value_name = "FILE", requires = "cert")]
    chain: Option<PathBuf>,
    /// Certificate, chain and key from a PKCS#12 file (.p12, .pfx)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cert", "key", "chain"])]
    pkcs12: Option<PathBuf>,
    /// Certificates to trust, PEM: of CAs, or of single servers
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cert", "key", "chain", "pkcs12"])]
    trust: Option<PathBuf>,
    /// The variable with the password of the PKCS#12 file or of the key
    #[arg(long, value_name = "VARIABLE", conflicts_with = "trust")]
    password_from_env: Option<String>,
}

pub(super) fn run(command: Command, common: &Common) -> Result<Exit, CliError> {
    let client = Client::new(&common.server)?;
    match command {
        Command::Set(set) => {
            let name = set.name.clone();
            let pem = content(set)?;
            let mut body = json!({});
            if let Some(members) = body.as_object_mut() {
                members.extend(pem.certificates.map(|text| ("certificates".to_owned(), Value::String(text))));
                let key = pem.key.map(|key| ("private_key".to_owned(), Value::String(key.to_string())));
                members.extend(key);
            }
            let body = Zeroizing::new(body.to_string());
            let sent = Sent::body("application/json", body.as_bytes());
            let (_, saved) = client.call("PUT", &format!("/v1/identities/{name}"), &sent)?;
            show(common, &[saved]);
        }
        Command::List => show(common, &client.list("/v1/identities")?),
        Command::Show { name } => show_one(common, &client.get(&format!("/v1/identities/{name}"))?),
        Command::Delete { name } => {
            client.call("DELETE", &format!("/v1/identities/{name}"), &Sent::default())?;
            output::remark(&format!("removed {name}"));
        }
    }
    Ok(Exit::Done)
}

/// Reads the files and opens what is encrypted.
fn content(set: Set) -> Result<Pem, CliError> {
    let Set { cert, key, chain, pkcs12, trust, password_from_env, .. } = set;
    let password = password_from_env.as_deref().map(password).transpose()?;
    if let Some(file) = pkcs12 {
        let password = password.ok_or_else(|| {
            CliError::usage(
                "a PKCS#12 file has a password; put it into a variable and name that with --password-from-env",
            )
        })?;
        return identity_files::pkcs12(&identity_files::read(&file)?, &password);
    }
    let mut certificates = None;
    for file in [trust, cert, chain].into_iter().flatten() {
        let text = identity_files::read_text(&file)?;
        certificates.get_or_insert_with(String::new).push_str(&format!("{}\n", *text));
    }
    let key = match key {
        None => None,
        Some(file) => Some(identity_files::key(identity_files::read_text(&file)?, password.as_ref())?),
    };
    Ok(Pem { certificates, key })
}

fn password(variable: &str) -> Result<Zeroizing<String>, CliError> {
    let text = std::env::var(variable);
    let text = text.map_err(|_| CliError::usage(format!("the variable `{variable}` is not set, or is not UTF-8")))?;
    Ok(Zeroizing::new(text))
}

fn show(common: &Common, identities: &[Value]) {
    match common.output {
        Format::Json => output::json(&Value::Array(identities.to_vec())),
        Format::Table => {
            let row = |identity: &Value| {
                ["name", "type", "expires_at", "version", "updated_at"]
                    .map(|member| table::text(identity, member))
                    .to_vec()
            };
            table::print(&["NAME", "TYPE", "EXPIRES", "VERSION", "UPDATED"], identities.iter().map(row).collect());
            identities.iter().for_each(warn);
        }
    }
}

fn warn(identity: &Value) {
    let name = table::text(identity, "name");
    for warning in identity.get("warnings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        output::remark(&output::printable(&format!("warning: {name}: {warning}")));
    }
}

fn show_one(common: &Common, identity: &Value) {
    if common.output == Format::Json {
        return output::json(identity);
    }
    let facts = ["name", "type", "key", "expires_at", "version", "updated_at"];
    table::facts(&facts.map(|member| (member, table::text(identity, member))));
    let certificates = identity.get("certificates").and_then(Value::as_array).into_iter().flatten();
    for (index, certificate) in certificates.enumerate() {
        output::line(&format!("\ncertificate {}", index + 1));
        let facts = ["subject", "issuer", "names", "is_ca", "not_before", "not_after", "fingerprint_sha256"];
        table::facts(&facts.map(|member| (member, table::text(certificate, member))));
    }
    warn(identity);
}
