//! Roles, permissions, and the table between them (T-02).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use weir_engine::ids::TenantId;

/// The tenant of the operators. It has no flows and no runs.
pub(crate) const SYSTEM_TENANT: &str = "system";

/// What the holder of an API key is to its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Runs the host: tenants, their first keys, metrics, backups. Reads no tenant's flows, credentials or runs through
    /// the API; a backup holds them.
    Operator,
    /// Everything within one tenant.
    Admin,
    /// Writes plugins, connectors and flows, and tries them out. Sets no credentials and no keys.
    Author,
    /// Starts runs and reads their results, and asks plugins as action services; sees no journal, no context and no text of a technical error.
    Runner,
    /// Reads everything that is no secret, and changes nothing.
    Viewer,
}

/// What a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Permission {
    /// Tenants and the keys of any tenant.
    ManageTenants,
    /// The keys of the own tenant.
    ManageKeys,
    /// Metrics of the host.
    ReadMetrics,
    /// Backups of everything that is stored.
    MakeBackups,
    /// Plugins, connectors and flows: change.
    WriteDefinitions,
    /// Plugins, connectors and flows: read.
    ReadDefinitions,
    /// Credentials: set and delete. Nobody reads them.
    WriteCredentials,
    /// Credentials: names, types and dates.
    ReadCredentials,
    /// Start runs.
    StartRuns,
    /// State and result of runs.
    ReadRuns,
    /// Journal, context, background calls and technical errors of runs.
    InspectRuns,
    /// Ask plugins as external action services.
    ServeActions,
}

impl Role {
    /// Every role.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] = [Self::Operator, Self::Admin, Self::Author, Self::Runner, Self::Viewer];

    /// The table.
    pub(crate) fn permissions(self) -> &'static [Permission] {
        use Permission as P;
        match self {
            Self::Operator => &[P::ManageTenants, P::ManageKeys, P::ReadMetrics, P::MakeBackups],
            Self::Admin => &[
                P::ManageKeys,
                P::WriteDefinitions,
                P::ReadDefinitions,
                P::WriteCredentials,
                P::ReadCredentials,
                P::StartRuns,
                P::ReadRuns,
                P::InspectRuns,
                P::ServeActions,
            ],
            Self::Author => &[
                P::WriteDefinitions,
                P::ReadDefinitions,
                P::ReadCredentials,
                P::StartRuns,
                P::ReadRuns,
                P::InspectRuns,
                P::ServeActions,
            ],
            Self::Runner => &[P::StartRuns, P::ReadRuns, P::ServeActions],
            Self::Viewer => &[P::ReadDefinitions, P::ReadCredentials, P::ReadRuns, P::InspectRuns],
        }
    }

    /// Whether the table grants it.
    pub(crate) fn may(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }

    /// Whether a key of that tenant can have this role: operators belong to `system`, and nobody else does.
    pub(crate) fn fits(self, tenant: &TenantId) -> bool {
        (self == Self::Operator) == (tenant.as_str() == SYSTEM_TENANT)
    }

    /// The name as the API writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Author => "author",
            Self::Runner => "runner",
            Self::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Permission {
    /// Every permission.
    pub(crate) const ALL: [Self; 12] = [
        Self::ManageTenants,
        Self::ManageKeys,
        Self::ReadMetrics,
        Self::MakeBackups,
        Self::WriteDefinitions,
        Self::ReadDefinitions,
        Self::WriteCredentials,
        Self::ReadCredentials,
        Self::StartRuns,
        Self::ReadRuns,
        Self::InspectRuns,
        Self::ServeActions,
    ];

    /// The name as OpenAPI and problems write it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ManageTenants => "tenants.manage",
            Self::ManageKeys => "keys.manage",
            Self::ReadMetrics => "metrics.read",
            Self::MakeBackups => "backups.make",
            Self::WriteDefinitions => "definitions.write",
            Self::ReadDefinitions => "definitions.read",
            Self::WriteCredentials => "credentials.write",
            Self::ReadCredentials => "credentials.read",
            Self::StartRuns => "runs.start",
            Self::ReadRuns => "runs.read",
            Self::InspectRuns => "runs.inspect",
            Self::ServeActions => "actions.serve",
        }
    }
}

impl FromStr for Permission {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        // covers T-02
        let table: Vec<String> = Permission::ALL
            .iter()
            .map(|permission| {
                let who: Vec<_> = Role::ALL.iter().filter(|role| role.may(*permission)).map(|r| r.as_str()).collect();
                format!("{}: {}", permission.as_str(), who.join(" "))
            })
            .collect();
        expect_test::expect![[r#"
            tenants.manage: operator
            keys.manage: operator admin
            metrics.read: operator
            backups.make: operator
            definitions.write: admin author
            definitions.read: admin author viewer
            credentials.write: admin
            credentials.read: admin author viewer
            runs.start: admin author runner
            runs.read: admin author runner viewer
            runs.inspect: admin author viewer
            actions.serve: admin author runner"#]]
        .assert_eq(&table.join("\n"));
    }

    #[test]
    fn operators_and_only_they_belong_to_system() {
        let (system, acme) = ("system".parse().unwrap(), "acme".parse().unwrap());
        for role in Role::ALL {
            assert_eq!(role.fits(&system), role == Role::Operator);
            assert_eq!(role.fits(&acme), role != Role::Operator);
        }
    }

    #[test]
    fn names_read_back() {
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(permission));
        }
    }
}
