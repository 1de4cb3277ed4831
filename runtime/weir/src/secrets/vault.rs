//! The stored secrets of all tenants.

use std::collections::HashMap;
use std::sync::Arc;

use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use weir_engine::ids::{CredentialName, TenantId};
use weir_engine::ports::{
    Clock, Definition, DefinitionKind, Expectation, NewDefinition, Page, PageRequest, Store, StoreError,
};
use weir_engine::time::Timestamp;

use super::binding::Binding;
use super::credential::CredentialSecret;
use super::master::MasterKey;
use super::seal::{KEY_BYTES, SealKey, Sealed};
use crate::auth::{NoRandomness, fill_random};

/// The name of a tenant's data key.
const DATA_KEY: &str = "data-key";
/// How often a save is tried again when another one came between.
const SAVE_ATTEMPTS_MAX: usize = 8;

/// What may be told of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct CredentialMetadata {
    /// Its name.
    pub(crate) name: String,
    /// `basic`, `bearer`, `api-key`, `oauth2-client`, `aws` or `hmac-key`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// 1 for the first save, one more for each later one.
    pub(crate) version: u32,
    /// When it was saved last.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

/// What a save gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SavedCredential {
    /// What may be told of it.
    pub(crate) metadata: CredentialMetadata,
    /// Whether there was none before.
    pub(crate) created: bool,
}

/// Why a credential could not be saved or opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    /// The store failed, or the stored version is not the expected one.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The data key was wrapped with another master key.
    #[error("the data key of tenant `{tenant}` was wrapped with master key {wrapped_with}, this server has {present}")]
    OtherMasterKey {
        /// Whose.
        tenant: TenantId,
        /// The id of the key that it needs.
        wrapped_with: String,
        /// The id of the key that is there.
        present: String,
    },
    /// It was changed or moved (K-03).
    #[error("the {kind} `{name}` of tenant `{tenant}` does not open: its record was changed or moved")]
    NotOpened {
        /// Whose.
        tenant: TenantId,
        /// What.
        kind: &'static str,
        /// Which.
        name: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialRow {
    #[serde(rename = "type")]
    kind: String,
    data_key: u32,
    sealed: Sealed,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DataKeyRow {
    master: String,
    wrapped: Sealed,
}

type DataKeys = HashMap<(TenantId, u32), Arc<SealKey>>;

/// Which definition.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// Whose.
    pub(super) tenant: &'a TenantId,
    /// Of what kind.
    pub(super) kind: DefinitionKind,
    /// The kind in the seal's binding, and for people.
    pub(super) noun: &'static str,
    /// Its name.
    pub(super) name: &'a str,
}

/// Seals and opens credentials; identities are in a file of their own.
pub(crate) struct Vault {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    master: MasterKey,
    data_keys: Mutex<DataKeys>,
}

impl Vault {
    /// The credentials in that store, under that master key.
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, master: MasterKey) -> Self {
        Self { store, clock, master, data_keys: Mutex::new(HashMap::new()) }
    }

    /// Seals and saves a credential.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub(crate) async fn set(
        &self,
        tenant: &TenantId,
        name: &CredentialName,
        secret: &CredentialSecret,
        expected: Expectation,
    ) -> Result<SavedCredential, VaultError> {
        let plain = secret.to_plain().map_err(|_| not_opened(tenant, "credential", name.as_str()))?;
        let place = Place { tenant, kind: DefinitionKind::Credential, noun: "credential", name: name.as_str() };
        let row = |data_key, sealed| {
            let row = CredentialRow { kind: secret.kind().to_owned(), data_key, sealed };
            serde_json::json!(row)
        };
        let (saved, created) = self.seal_and_save(place, &plain, row, expected).await?;
        Ok(SavedCredential { metadata: metadata(saved)?, created })
    }

    /// Seals bytes for the next version of a definition, and saves it. Whether there was none before comes with it.
    pub(super) async fn seal_and_save(
        &self,
        place: Place<'_>,
        plain: &[u8],
        row: impl Fn(u32, Sealed) -> serde_json::Value,
        expected: Expectation,
    ) -> Result<(Definition, bool), VaultError> {
        let Place { tenant, kind, noun, name } = place;
        let (data_key, key) = self.current_data_key(tenant).await?;
        let mut stored = self.store.definition(tenant, kind, name, None).await?.map(|row| row.version);
        let created = stored.is_none();
        for _ in 0..SAVE_ATTEMPTS_MAX {
            check(expected, stored, created)?;
            // The version is a part of what is sealed, so it must be known before the save and hold during it.
            let (version, exactly) = match stored {
                None => (1, Expectation::Absent),
                Some(stored) => (stored.saturating_add(1), Expectation::Version(stored)),
            };
            let sealed = key.seal(&Binding { tenant, kind: noun, name, version }, plain)?;
            match self.save(tenant, kind, name, &row(data_key, sealed), exactly).await {
                // A name that was removed goes on with its old numbers: now the next one is known.
                Ok(saved) if saved.version != version => stored = Some(saved.version),
                Err(StoreError::VersionConflict { stored: newest }) => stored = newest,
                saved => return Ok((saved?, created)),
            }
        }
        Err(StoreError::VersionConflict { stored }.into())
    }

    /// Opens what was sealed for a version of a definition.
    pub(super) async fn unseal(
        &self,
        place: Place<'_>,
        version: u32,
        data_key: u32,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let Place { tenant, noun, name, .. } = place;
        let key = self.data_key(tenant, data_key).await?;
        key.open(&Binding { tenant, kind: noun, name, version }, sealed).map_err(|_| not_opened(tenant, noun, name))
    }

    /// What may be told of a credential.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn metadata(
        &self,
        tenant: &TenantId,
        name: &CredentialName,
    ) -> Result<Option<CredentialMetadata>, StoreError> {
        self.row(tenant, name).await?.map(metadata).transpose()
    }

    /// What may be told of the tenant's credentials, by name.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn list(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> Result<Page<CredentialMetadata>, StoreError> {
        let Page { items, next } = self.store.definitions(tenant, DefinitionKind::Credential, "", page).await?;
        Ok(Page { items: items.into_iter().map(metadata).collect::<Result<_, _>>()?, next })
    }

    /// Removes a credential with all of its versions. `false` where there was none.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn delete(&self, tenant: &TenantId, name: &CredentialName) -> Result<bool, StoreError> {
        self.store.delete_definition(tenant, DefinitionKind::Credential, name.as_str()).await
    }

    /// Opens a credential for one call, with its version. `None` where there is none.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub(crate) async fn open(
        &self,
        tenant: &TenantId,
        name: &CredentialName,
    ) -> Result<Option<(u32, CredentialSecret)>, VaultError> {
        let Some(definition) = self.row(tenant, name).await? else {
            return Ok(None);
        };
        let failed = || not_opened(tenant, "credential", name.as_str());
        let row: CredentialRow = serde_json::from_value(definition.body).map_err(|_| failed())?;
        let place = Place { tenant, kind: DefinitionKind::Credential, noun: "credential", name: name.as_str() };
        let plain = self.unseal(place, definition.version, row.data_key, &row.sealed).await?;
        let secret = CredentialSecret::from_plain(&plain).map_err(|_| failed())?;
        Ok(Some((definition.version, secret)))
    }

    async fn row(&self, tenant: &TenantId, name: &CredentialName) -> Result<Option<Definition>, StoreError> {
        self.store.definition(tenant, DefinitionKind::Credential, name.as_str(), None).await
    }

    async fn save(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        row: &impl Serialize,
        expected: Expectation,
    ) -> Result<Definition, StoreError> {
        let new = NewDefinition {
            tenant: tenant.clone(),
            kind,
            name: name.to_owned(),
            created_at: self.clock.now(),
            body: serde_json::json!(row),
        };
        self.store.put_definition(new, expected).await
    }

    /// The tenant's newest data key; made where it has none.
    async fn current_data_key(&self, tenant: &TenantId) -> Result<(u32, Arc<SealKey>), VaultError> {
        if let Some(stored) = self.store.definition(tenant, DefinitionKind::DataKey, DATA_KEY, None).await? {
            return Ok((stored.version, self.data_key(tenant, stored.version).await?));
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        fill_random(bytes.as_mut())?;
        let binding = Binding { tenant, kind: "data-key", name: DATA_KEY, version: 1 };
        let wrapped = self.master.seal.seal(&binding, bytes.as_ref())?;
        let row = DataKeyRow { master: self.master.id.clone(), wrapped };
        match self.save(tenant, DefinitionKind::DataKey, DATA_KEY, &row, Expectation::Absent).await {
            // Somebody else made it in the meantime: theirs holds.
            Ok(_) | Err(StoreError::VersionConflict { .. }) => Ok((1, self.data_key(tenant, 1).await?)),
            Err(error) => Err(error.into()),
        }
    }

    async fn data_key(&self, tenant: &TenantId, version: u32) -> Result<Arc<SealKey>, VaultError> {
        let mut cached = self.data_keys.lock().await;
        let slot = (tenant.clone(), version);
        if let Some(key) = cached.get(&slot) {
            return Ok(Arc::clone(key));
        }
        let failed = || not_opened(tenant, "data key", DATA_KEY);
        let stored = self.store.definition(tenant, DefinitionKind::DataKey, DATA_KEY, Some(version)).await?;
        let row: DataKeyRow = stored.and_then(|stored| serde_json::from_value(stored.body).ok()).ok_or_else(failed)?;
        if row.master != self.master.id {
            let (wrapped_with, present) = (row.master, self.master.id.clone());
            return Err(VaultError::OtherMasterKey { tenant: tenant.clone(), wrapped_with, present });
        }
        let binding = Binding { tenant, kind: "data-key", name: DATA_KEY, version };
        let plain = self.master.seal.open(&binding, &row.wrapped).map_err(|_| failed())?;
        let bytes: &[u8; KEY_BYTES] = plain.as_slice().try_into().map_err(|_| failed())?;
        let key = Arc::new(SealKey::new(bytes));
        cached.insert(slot, Arc::clone(&key));
        Ok(key)
    }
}

/// The id of the master key that a tenant's data key is wrapped with; none where it has none, or none that can be read.
pub(super) async fn wrapped_with(store: &dyn Store, tenant: &TenantId) -> Result<Option<String>, StoreError> {
    let stored = store.definition(tenant, DefinitionKind::DataKey, DATA_KEY, None).await?;
    let row: Option<DataKeyRow> = stored.and_then(|stored| serde_json::from_value(stored.body).ok());
    Ok(row.map(|row| row.master))
}

/// Whether the expectation holds. One that nothing was there holds also after our own first write.
fn check(expected: Expectation, stored: Option<u32>, created: bool) -> Result<(), StoreError> {
    let holds = match expected {
        Expectation::Any => true,
        Expectation::Absent => created,
        Expectation::Version(wanted) => stored == Some(wanted),
    };
    if holds { Ok(()) } else { Err(StoreError::VersionConflict { stored }) }
}

pub(super) fn not_opened(tenant: &TenantId, kind: &'static str, name: &str) -> VaultError {
    VaultError::NotOpened { tenant: tenant.clone(), kind, name: name.to_owned() }
}

fn metadata(definition: Definition) -> Result<CredentialMetadata, StoreError> {
    let row: CredentialRow = serde_json::from_value(definition.body).map_err(|error| StoreError::Corrupt {
        place: format!("credential `{}` of tenant `{}`", definition.name, definition.tenant),
        what: error.to_string(),
    })?;
    Ok(CredentialMetadata {
        name: definition.name,
        kind: row.kind,
        version: definition.version,
        updated_at: definition.created_at,
    })
}
