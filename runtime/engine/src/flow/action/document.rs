//! What an author writes of an action: in a step, or saved under a name of its own.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::reference::{FunctionRef, PluginRequirement};
use crate::action::{AllowedOperation, ClaimRules, ProfileName, ProfileSettings, Rule};
use crate::ids::{ActionName, IdentityName, StepId};
use crate::ports::InvocationLimits;

/// Declares a document with the fields of a set-up behind its own, and takes the set-up out of it: serde cannot both
/// flatten a struct and refuse unknown fields.
macro_rules! with_set_up {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident { $($(#[$doc:meta])* $own_visibility:vis $own:ident: $kind:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        $visibility struct $name {
            $($(#[$doc])* $own_visibility $own: $kind,)*
            /// The plugin that serves it, and the versions that will do.
            #[serde(default)]
            plugin: Option<PluginRequirement>,
            /// The connector function that serves it: an external service with the same contract.
            #[serde(default)]
            service: Option<FunctionRef>,
            /// What the action may change. Nothing by default.
            #[serde(default)]
            allowed_operations: Vec<AllowedOperation>,
            /// What the plugin sees of the context besides the event; templates.
            #[serde(default)]
            input: Value,
            /// The plugin's settings here; no templates.
            #[serde(default)]
            config: Value,
            /// Functions that the plugin may call through the import `connectors`. None by default.
            #[serde(default)]
            grants: Vec<FunctionRef>,
            /// Smaller limits than the host's, for the plugin.
            #[serde(default)]
            limits: Option<InvocationLimits>,
            /// The named set of rules for answers: `strict` by default.
            #[serde(default)]
            profile: ProfileName,
            /// Rules that differ from the profile.
            #[serde(default)]
            settings: ProfileSettings,
            /// When the action runs, as groups of comparisons. Always by default.
            #[serde(default)]
            rule: Option<Rule>,
            /// When the action runs, as a CEL expression. Always by default.
            #[serde(default)]
            when: Option<String>,
            /// The only paths of the run's event that the action sees, of those that its type grants. All by default.
            #[serde(default)]
            expose: Option<Vec<String>>,
            /// Paths of the run's event that the action does not see.
            #[serde(default)]
            hidden: Vec<String>,
            /// What travels encrypted.
            #[serde(default)]
            encryption: Option<EncryptionDocument>,
            /// How a password travels, for the types that know one: `plain-text` by default.
            #[serde(default)]
            sharing: Sharing,
            /// Which claims there are, and which may not be changed.
            #[serde(default)]
            claims: ClaimRules,
            /// How long a run waits for its end user after a redirect: `10m` by default.
            #[serde(default = "time_to_live", with = "crate::duration_text")]
            #[schemars(with = "String")]
            time_to_live: Duration,
        }

        impl $name {
            /// The part that a step and a saved action have in common.
            pub(in crate::flow) fn set_up(&self) -> SetUpDocument {
                SetUpDocument {
                    plugin: self.plugin.clone(),
                    service: self.service.clone(),
                    allowed_operations: self.allowed_operations.clone(),
                    input: self.input.clone(),
                    config: self.config.clone(),
                    grants: self.grants.clone(),
                    limits: self.limits,
                    profile: self.profile,
                    settings: self.settings,
                    rule: self.rule.clone(),
                    when: self.when.clone(),
                    expose: self.expose.clone(),
                    hidden: self.hidden.clone(),
                    encryption: self.encryption.clone(),
                    sharing: self.sharing,
                    claims: self.claims.clone(),
                    time_to_live: self.time_to_live,
                }
            }
        }
    };
}

with_set_up! {
    /// Hands an event to a plugin or an external service and applies the operations that it answers with.
    pub(in crate::flow) struct ActionDocument {
        /// Its name within the flow.
        pub(in crate::flow) id: StepId,
        /// For people.
        #[serde(default)]
        pub(in crate::flow) description: Option<String>,
        /// The type of the action, such as `FLOW_EXTENSION`.
        pub(in crate::flow) action: String,
        /// The saved action that is meant. Without it, and without `plugin` and `service`, the tenant's only one of the
        /// type is meant.
        #[serde(default)]
        pub(in crate::flow) uses: Option<ActionName>,
        /// What happens where the saved action is switched off or there is none: the run stops by default.
        #[serde(default)]
        pub(in crate::flow) when_unavailable: WhenUnavailable,
        /// The next step, or `end`.
        #[serde(default)]
        pub(in crate::flow) next: Option<String>,
        /// The next step after a business failure.
        #[serde(default)]
        pub(in crate::flow) on_failure: Option<String>,
        /// The next step after a technical error.
        #[serde(default)]
        pub(in crate::flow) on_error: Option<String>,
    }
}

with_set_up! {
    /// An action that is saved under a name, so that flows need not change when its provider does.
    pub struct SavedActionDocument {
        /// Its name within the tenant.
        pub action: ActionName,
        /// Its type, such as `PRE_ISSUE_ACCESS_TOKEN`.
        #[serde(rename = "type")]
        pub kind: String,
        /// For people: its name as they write it. Up to 255 characters.
        #[serde(default)]
        pub title: Option<String>,
        /// For people. Up to 255 characters.
        #[serde(default)]
        pub description: Option<String>,
        /// Whether it runs: `active` by default.
        #[serde(default)]
        pub status: ActionStatus,
    }
}

/// Whether a saved action runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ActionStatus {
    #[default]
    Active,
    Inactive,
}

/// What a step does where its action is switched off or has no provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenUnavailable {
    /// It ends in an error: what should have been checked was not.
    #[default]
    Stop,
    /// It is passed over.
    Skip,
}

/// How a password travels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// As it is.
    #[default]
    PlainText,
    /// As the base64 of its SHA-256.
    Sha256Hashed,
}

/// What travels encrypted: JWE with RSA-OAEP-256 and A256GCM (RFC 7516, RFC 7518).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EncryptionDocument {
    /// The stored TLS identity whose certificate the listed parts of the event are encrypted to.
    /// An empty text is none.
    #[serde(default, deserialize_with = "empty_is_none")]
    #[schemars(with = "Option<String>")]
    pub certificate: Option<IdentityName>,
    /// Paths of the run's event that are encrypted.
    #[serde(default)]
    pub event: Vec<String>,
    /// The stored TLS identity whose private key opens the values of the listed operations.
    #[serde(default)]
    pub key: Option<IdentityName>,
    /// Paths of operations whose values are encrypted.
    #[serde(default)]
    pub operations: Vec<String>,
}

/// Systems that we are compatible with take a certificate away by setting it to an empty text.
fn empty_is_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<IdentityName>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some(name) => name.parse().map(Some).map_err(serde::de::Error::custom),
    }
}

fn time_to_live() -> Duration {
    Duration::from_secs(600)
}

/// The part that a step and a saved action have in common.
#[derive(Debug, Clone)]
pub(in crate::flow) struct SetUpDocument {
    pub(in crate::flow) plugin: Option<PluginRequirement>,
    pub(in crate::flow) service: Option<FunctionRef>,
    pub(in crate::flow) allowed_operations: Vec<AllowedOperation>,
    pub(in crate::flow) input: Value,
    pub(in crate::flow) config: Value,
    pub(in crate::flow) grants: Vec<FunctionRef>,
    pub(in crate::flow) limits: Option<InvocationLimits>,
    pub(in crate::flow) profile: ProfileName,
    pub(in crate::flow) settings: ProfileSettings,
    pub(in crate::flow) rule: Option<Rule>,
    pub(in crate::flow) when: Option<String>,
    pub(in crate::flow) expose: Option<Vec<String>>,
    pub(in crate::flow) hidden: Vec<String>,
    pub(in crate::flow) encryption: Option<EncryptionDocument>,
    pub(in crate::flow) sharing: Sharing,
    pub(in crate::flow) claims: ClaimRules,
    pub(in crate::flow) time_to_live: Duration,
}

impl SetUpDocument {
    /// Whether the author named who serves the action.
    pub(in crate::flow) fn names_provider(&self) -> bool {
        self.plugin.is_some() || self.service.is_some()
    }
}
