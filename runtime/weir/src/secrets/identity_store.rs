//! The stored TLS identities of all tenants (C-07): sealed like credentials, with what may be told of them beside.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_engine::ids::{IdentityName, TenantId};
use weir_engine::ports::{Definition, DefinitionKind, Expectation, Page, PageRequest, StoreError};
use weir_engine::time::Timestamp;

use super::certificate::Certificate;
use super::expiry::{self, State};
use super::identity::{self, IdentityKind, InvalidIdentity, NewIdentity};
use super::seal::Sealed;
use super::signing::{Jwk, JwkSet};
use super::vault::{Place, Vault, VaultError, not_opened};

/// The most versions of an identity whose keys verify.
const SIGNING_KEYS_MAX: usize = 3;

/// What may be told of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct IdentityMetadata {
    /// Its name.
    pub(crate) name: String,
    /// What it is for.
    #[serde(rename = "type")]
    pub(crate) kind: IdentityKind,
    /// 1 for the first save, one more for each later one.
    pub(crate) version: u32,
    /// When it was saved last.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
    /// When the first of its certificates ceases to hold; nothing for a key alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) expires_at: Option<Timestamp>,
    /// The algorithm and length of its private key, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Its certificates, in order; left out in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) certificates: Vec<Certificate>,
    /// What its owner should know: certificates that have expired, or will within 30 days.
    pub(crate) warnings: Vec<String>,
}

/// What a save gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SavedIdentity {
    /// What may be told of it.
    pub(crate) metadata: IdentityMetadata,
    /// Whether there was none before.
    pub(crate) created: bool,
}

/// Why an identity could not be saved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SaveIdentityError {
    /// It cannot work.
    #[error(transparent)]
    Invalid(#[from] InvalidIdentity),
    /// It could not be sealed or stored.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// An identity opened for one call.
pub(crate) struct OpenedIdentity {
    /// As the connectors take it.
    pub(crate) identity: weir_connectors::Identity,
    /// When the first of its certificates ceases to hold.
    pub(crate) expires_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityRow {
    #[serde(rename = "type")]
    kind: IdentityKind,
    data_key: u32,
    sealed: Sealed,
    certificates: Vec<Certificate>,
    key: Option<String>,
}

impl IdentityRow {
    fn of(definition: &Definition) -> Result<Self, StoreError> {
        Self::deserialize(&definition.body).map_err(|error| StoreError::Corrupt {
            place: format!("identity `{}` of tenant `{}`", definition.name, definition.tenant),
            what: error.to_string(),
        })
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.certificates.iter().map(|certificate| certificate.not_after).min()
    }
}

fn place<'a>(tenant: &'a TenantId, name: &'a IdentityName) -> Place<'a> {
    Place { tenant, kind: DefinitionKind::Identity, noun: "identity", name: name.as_str() }
}

impl Vault {
    /// Checks, seals and saves an identity.
    ///
    /// # Errors
    /// See [`SaveIdentityError`].
    pub(crate) async fn set_identity(
        &self,
        tenant: &TenantId,
        name: &IdentityName,
        new: &NewIdentity,
        expected: Expectation,
    ) -> Result<SavedIdentity, SaveIdentityError> {
        let checked = new.check()?;
        let plain = checked.to_plain().ok_or(InvalidIdentity::KeyKind)?;
        let row = |data_key, sealed| {
            let (certificates, key) = (checked.facts.clone(), checked.key_facts.clone());
            serde_json::json!(IdentityRow { kind: checked.kind, data_key, sealed, certificates, key })
        };
        let (saved, created) = self.seal_and_save(place(tenant, name), &plain, row, expected).await?;
        let metadata = self.told(saved).map_err(VaultError::from)?;
        Ok(SavedIdentity { metadata, created })
    }

    /// What may be told of an identity.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn identity(
        &self,
        tenant: &TenantId,
        name: &IdentityName,
    ) -> Result<Option<IdentityMetadata>, StoreError> {
        let found = self.store.definition(tenant, DefinitionKind::Identity, name.as_str(), None).await?;
        found.map(|found| self.told(found)).transpose()
    }

    /// What may be told of the tenant's identities, by name, without their certificates.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn identities(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> Result<Page<IdentityMetadata>, StoreError> {
        let Page { items, next } = self.store.definitions(tenant, DefinitionKind::Identity, "", page).await?;
        let short =
            |definition| self.told(definition).map(|told| IdentityMetadata { certificates: Vec::new(), ..told });
        Ok(Page { items: items.into_iter().map(short).collect::<Result<_, _>>()?, next })
    }

    /// Removes an identity with all of its versions. `false` where there was none.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn delete_identity(&self, tenant: &TenantId, name: &IdentityName) -> Result<bool, StoreError> {
        self.store.delete_definition(tenant, DefinitionKind::Identity, name.as_str()).await
    }

    /// Opens an identity for one call. `None` where there is none.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub(crate) async fn open_identity(
        &self,
        tenant: &TenantId,
        name: &IdentityName,
    ) -> Result<Option<OpenedIdentity>, VaultError> {
        let found = self.store.definition(tenant, DefinitionKind::Identity, name.as_str(), None).await?;
        let Some(definition) = found else { return Ok(None) };
        let row = IdentityRow::of(&definition)?;
        let plain = self.unseal(place(tenant, name), definition.version, row.data_key, &row.sealed).await?;
        let (certificates, key) =
            identity::from_plain(&plain).ok_or_else(|| not_opened(tenant, "identity", name.as_str()))?;
        let identity = weir_connectors::Identity { version: definition.version, certificates, key: key.map(Arc::new) };
        Ok(Some(OpenedIdentity { identity, expires_at: row.expires_at() }))
    }

    /// The public halves of the keys that an identity signs with: the present one first, then those of a few versions
    /// before, so that what was signed shortly before a change still verifies. `None` where there is no such identity.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub(crate) async fn signing_keys(
        &self,
        tenant: &TenantId,
        name: &IdentityName,
    ) -> Result<Option<JwkSet>, VaultError> {
        let found = self.store.definition(tenant, DefinitionKind::Identity, name.as_str(), None).await?;
        let Some(present) = found else { return Ok(None) };
        let mut keys: Vec<Jwk> = Vec::new();
        for version in (1..=present.version).rev().take(SIGNING_KEYS_MAX) {
            let found = self.store.definition(tenant, DefinitionKind::Identity, name.as_str(), Some(version)).await?;
            let Some(definition) = found else { continue };
            let row = IdentityRow::of(&definition)?;
            let plain = self.unseal(place(tenant, name), version, row.data_key, &row.sealed).await?;
            let key = identity::from_plain(&plain).and_then(|(_, key)| Jwk::of(&key?));
            keys.extend(key.filter(|key| !keys.contains(key)));
        }
        Ok(Some(JwkSet { keys }))
    }

    /// What the time says of an instant at which something expires.
    pub(crate) fn expiry(&self, expires_at: Option<Timestamp>) -> State {
        State::at(expires_at, self.clock.now())
    }

    /// The instant.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn told(&self, definition: Definition) -> Result<IdentityMetadata, StoreError> {
        let row = IdentityRow::of(&definition)?;
        let now = self.clock.now();
        let expires_at = row.expires_at();
        let IdentityRow { kind, key, certificates, .. } = row;
        Ok(IdentityMetadata {
            name: definition.name,
            kind,
            version: definition.version,
            updated_at: definition.created_at,
            expires_at,
            key,
            warnings: certificates.iter().filter_map(|certificate| expiry::warning(certificate, now)).collect(),
            certificates,
        })
    }
}
