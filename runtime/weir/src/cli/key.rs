//! `weir key`.

use serde_json::{Value, json};
use weir_engine::ids::TenantId;
use weir_engine::time::Timestamp;

use super::Common;
use super::error::CliError;
use crate::auth::Role;
use crate::client::{Client, Sent};
use crate::exit::Exit;
use crate::output::{self, Format};
use crate::table;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a key; it is shown once
    Create {
        /// What its holder may do
        #[arg(long, value_enum)]
        role: Role,
        /// For operators: a key of this tenant
        #[arg(long)]
        tenant: Option<TenantId>,
        /// For people
        #[arg(long, default_value = "")]
        label: String,
        /// From then on it is refused, such as 2026-12-31T00:00:00Z
        #[arg(long, value_parser = timestamp, value_name = "INSTANT")]
        expires_at: Option<Timestamp>,
    },
    /// List keys, without their secrets
    List {
        /// For operators: the keys of this tenant
        #[arg(long)]
        tenant: Option<TenantId>,
    },
    /// Revoke a key at once
    Revoke {
        /// Its public part, the 16 digits
        id: String,
        /// For operators: a key of this tenant
        #[arg(long)]
        tenant: Option<TenantId>,
    },
    /// Say whose key this is and what it may do
    Whoami,
}

fn timestamp(text: &str) -> Result<Timestamp, weir_engine::time::InvalidTimestamp> {
    Timestamp::try_from(text.to_owned())
}

fn path(tenant: Option<&TenantId>) -> String {
    tenant.map_or_else(|| "/v1/keys".to_owned(), |tenant| format!("/v1/tenants/{tenant}/keys"))
}

pub(super) fn run(command: Command, common: &Common) -> Result<Exit, CliError> {
    let client = Client::new(&common.server)?;
    match command {
        Command::Create { role, tenant, label, expires_at } => {
            let body = json!({ "role": role, "label": label, "expires_at": expires_at }).to_string();
            let sent = Sent::body("application/json", body.as_bytes());
            let (_, made) = client.call("POST", &path(tenant.as_ref()), &sent)?;
            match common.output {
                Format::Json => output::json(&made),
                Format::Table => {
                    // The key alone, so that `KEY=$(weir key create …)` works.
                    output::line(&table::text(&made, "key"));
                    output::remark("This key is shown once and never again. Keep it where only its user can read it.");
                }
            }
        }
        Command::List { tenant } => list(common, client.list(&path(tenant.as_ref()))?),
        Command::Revoke { id, tenant } => {
            client.call("DELETE", &format!("{}/{id}", path(tenant.as_ref())), &Sent::default())?;
            output::remark(&format!("revoked {id}"));
        }
        Command::Whoami => {
            let own = client.get("/v1/whoami")?;
            match common.output {
                Format::Json => output::json(&own),
                Format::Table => {
                    let fact = |name: &'static str| (name, table::text(&own, name));
                    table::facts(&[fact("tenant"), fact("key"), fact("role"), fact("permissions")]);
                }
            }
        }
    }
    Ok(Exit::Done)
}

fn list(common: &Common, keys: Vec<Value>) {
    match common.output {
        Format::Json => output::json(&Value::Array(keys)),
        Format::Table => {
            let row = |key: &Value| {
                ["id", "role", "label", "created_at", "expires_at"].map(|member| table::text(key, member)).to_vec()
            };
            table::print(&["ID", "ROLE", "LABEL", "CREATED", "EXPIRES"], keys.iter().map(row).collect());
        }
    }
}
