//! `weir credential`. Secrets come from standard input or from variables, never from the command line, which other
//! users of the machine can read. The parts that are no secrets are flags.

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
    /// A user name and a password, for `basic`, `digest` and `oauth2-password`
    Basic,
    /// A token (RFC 6750)
    Bearer,
    /// A key in a header or in the query
    ApiKey,
    /// An OAuth 2 client and its secret
    Oauth2Client,
    /// AWS access keys
    Aws,
    /// A key for signing requests with HMAC
    HmacKey,
}

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum KeyEncoding {
    /// As text
    Text,
    /// In hexadecimal
    Hex,
    /// In base64 of either alphabet
    Base64,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Set a credential; its secret is read from standard input
    Set(Box<Set>),
    /// List credentials; secrets are never shown
    List,
    /// Remove a credential
    Delete {
        /// Its name
        name: CredentialName,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples, each with its secret on standard input:
  weir credential set crm --type basic --username weir < password
  weir credential set directory --type bearer < token
  weir credential set maps --type api-key < key
  weir credential set idp --type oauth2-client --client-id weir < client-secret
  weir credential set bucket --type aws --access-key-id AKIDEXAMPLE < secret-access-key
  weir credential set webhook --type hmac-key --key-encoding hex < key")]
pub(super) struct Set {
    /// Its name
    name: CredentialName,
    /// Its type
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: Kind,
    /// The user name, for `basic`
    #[arg(long, required_if_eq("kind", "basic"))]
    username: Option<String>,
    /// The client's id, for `oauth2-client`
    #[arg(long, required_if_eq("kind", "oauth2-client"))]
    client_id: Option<String>,
    /// The client has no secret, for `oauth2-client`; nothing is read
    #[arg(long, conflicts_with = "from_env")]
    public: bool,
    /// The id of the access key, for `aws`
    #[arg(long, required_if_eq("kind", "aws"))]
    access_key_id: Option<String>,
    /// The variable with the session token of temporary keys, for `aws`
    #[arg(long, value_name = "VARIABLE")]
    session_token_from_env: Option<String>,
    /// How the key is written, for `hmac-key` [default: text]
    #[arg(long, value_enum, value_name = "ENCODING")]
    key_encoding: Option<KeyEncoding>,
    /// Read the secret from this variable instead
    #[arg(long, value_name = "VARIABLE")]
    from_env: Option<String>,
}

pub(super) fn run(command: Command, common: &Common) -> Result<Exit, CliError> {
    let client = Client::new(&common.server)?;
    match command {
        Command::Set(set) => {
            set.refuse_flags_of_other_types()?;
            let body = set.body()?;
            let sent = Sent::body("application/json", body.as_bytes());
            let (_, saved) = client.call("PUT", &format!("/v1/credentials/{}", set.name), &sent)?;
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

impl Set {
    /// A flag that its type does not read would be a part that silently is not stored.
    fn refuse_flags_of_other_types(&self) -> Result<(), CliError> {
        for (given, flag, kind) in [
            (self.username.is_some(), "--username", Kind::Basic),
            (self.client_id.is_some(), "--client-id", Kind::Oauth2Client),
            (self.public, "--public", Kind::Oauth2Client),
            (self.access_key_id.is_some(), "--access-key-id", Kind::Aws),
            (self.session_token_from_env.is_some(), "--session-token-from-env", Kind::Aws),
            (self.key_encoding.is_some(), "--key-encoding", Kind::HmacKey),
        ] {
            if given && self.kind != kind {
                let [wanted, asked] = [kind, self.kind].map(Kind::name);
                let message =
                    format!("`{flag}` belongs to `--type {wanted}`; a credential of type `{asked}` has no use for it");
                return Err(CliError::usage(message));
            }
        }
        Ok(())
    }

    /// The body of the request, with the secrets.
    fn body(&self) -> Result<Zeroizing<String>, CliError> {
        let secret = if self.public { Zeroizing::default() } else { secret(self.from_env.as_deref())? };
        let mut body = match self.kind {
            Kind::Basic => json!({ "username": self.username, "password": *secret }),
            Kind::Bearer => json!({ "token": *secret }),
            Kind::ApiKey => json!({ "key": *secret }),
            Kind::Oauth2Client => json!({ "client_id": self.client_id, "client_secret": *secret }),
            Kind::Aws => {
                let session_token = self.session_token_from_env.as_deref().map(variable).transpose()?;
                let token = session_token.as_ref().map(|token| token.as_str());
                json!({ "access_key_id": self.access_key_id, "secret_access_key": *secret, "session_token": token })
            }
            Kind::HmacKey => {
                let encoding = match self.key_encoding {
                    None | Some(KeyEncoding::Text) => "text",
                    Some(KeyEncoding::Hex) => "hex",
                    Some(KeyEncoding::Base64) => "base64",
                };
                json!({ "key": *secret, "encoding": encoding })
            }
        };
        if let Some(members) = body.as_object_mut() {
            members.insert("type".to_owned(), self.kind.name().into());
        }
        Ok(Zeroizing::new(body.to_string()))
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Bearer => "bearer",
            Self::ApiKey => "api-key",
            Self::Oauth2Client => "oauth2-client",
            Self::Aws => "aws",
            Self::HmacKey => "hmac-key",
        }
    }
}

fn secret(from_env: Option<&str>) -> Result<Zeroizing<String>, CliError> {
    if let Some(name) = from_env {
        return variable(name);
    }
    if std::io::stdin().is_terminal() {
        output::remark("Type the secret, then Enter and Ctrl-D. It shows on the screen; a pipe does not.");
    }
    let text = std::io::read_to_string(std::io::stdin())
        .map_err(|error| CliError::usage(format!("standard input cannot be read: {error}")))?;
    trimmed(&Zeroizing::new(text)).ok_or_else(|| CliError::usage("the secret is empty"))
}

fn variable(name: &str) -> Result<Zeroizing<String>, CliError> {
    let text = std::env::var(name)
        .map_err(|_| CliError::usage(format!("the variable `{name}` is not set, or is not UTF-8")))?;
    trimmed(&Zeroizing::new(text)).ok_or_else(|| CliError::usage(format!("the variable `{name}` is empty")))
}

/// A file or `echo` ends with a line end, which no secret holds.
fn trimmed(text: &str) -> Option<Zeroizing<String>> {
    let secret = text.trim_end_matches(['\n', '\r']);
    (!secret.is_empty()).then(|| Zeroizing::new(secret.to_owned()))
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
