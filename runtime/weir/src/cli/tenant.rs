//! `weir tenant`: for operators.

use serde_json::{Value, json};
use weir_engine::ids::TenantId;

use super::Common;
use super::error::CliError;
use crate::client::{Client, Sent};
use crate::exit::Exit;
use crate::output::{self, Format};
use crate::table;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a tenant
    Create {
        /// Its name
        tenant: TenantId,
        /// For people
        #[arg(long, default_value = "")]
        description: String,
    },
    /// List every tenant
    List,
    /// Refuse the tenant's keys from now on
    Disable {
        /// The tenant
        tenant: TenantId,
    },
    /// Take the tenant's keys again
    Enable {
        /// The tenant
        tenant: TenantId,
    },
}

pub(super) fn run(command: Command, common: &Common) -> Result<Exit, CliError> {
    let client = Client::new(&common.server)?;
    match command {
        Command::Create { tenant, description } => {
            let body = json!({ "tenant": tenant, "description": description }).to_string();
            let (_, made) = client.call("POST", "/v1/tenants", &Sent::body("application/json", body.as_bytes()))?;
            show(common, vec![made]);
        }
        Command::List => show(common, client.list("/v1/tenants")?),
        Command::Disable { tenant } => {
            let path = format!("/v1/tenants/{tenant}/disable");
            show(common, vec![client.call("POST", &path, &Sent::default())?.1]);
        }
        Command::Enable { tenant } => {
            let path = format!("/v1/tenants/{tenant}/enable");
            show(common, vec![client.call("POST", &path, &Sent::default())?.1]);
        }
    }
    Ok(Exit::Done)
}

fn show(common: &Common, tenants: Vec<Value>) {
    match common.output {
        Format::Json => output::json(&Value::Array(tenants)),
        Format::Table => {
            let row = |tenant: &Value| {
                let is_disabled = tenant.get("disabled") == Some(&Value::Bool(true));
                let state = if is_disabled { "disabled" } else { "enabled" };
                vec![table::text(tenant, "tenant"), state.to_owned(), table::text(tenant, "description")]
            };
            table::print(&["TENANT", "STATE", "DESCRIPTION"], tenants.iter().map(row).collect());
        }
    }
}
