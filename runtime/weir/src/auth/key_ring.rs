//! The stored API keys.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_engine::digest::Digest;
use weir_engine::ids::TenantId;
use weir_engine::ports::{
    Clock, Cursor, Definition, DefinitionKind, Expectation, NewDefinition, Page, PageRequest, Store, StoreError,
};
use weir_engine::time::Timestamp;

use super::Principal;
use super::key::{ApiKey, KeyId, NoRandomness};
use super::role::{Role, SYSTEM_TENANT};
use crate::tenants::Tenants;

/// What the store keeps of a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyBody {
    hash: Digest,
    role: Role,
    label: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// A stored key, without its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredKey {
    /// Its public part.
    pub(crate) id: String,
    /// What its holder may do.
    pub(crate) role: Role,
    /// For people.
    pub(crate) label: String,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// From then on it is refused.
    pub(crate) expires_at: Option<Timestamp>,
}

/// A key about to be made.
#[derive(Debug, Clone)]
pub(crate) struct IssueKey {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// What its holder may do; fits the tenant.
    pub(crate) role: Role,
    /// For people.
    pub(crate) label: String,
    /// From then on it is refused.
    pub(crate) expires_at: Option<Timestamp>,
}

/// Why a key opens nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Malformed, unknown, wrong, expired or revoked: nobody learns which.
    #[error("the API key is not valid")]
    Invalid,
    /// Its tenant is disabled.
    #[error("the tenant is disabled")]
    TenantDisabled,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a key could not be made or found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyRingError {
    /// No randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored key that cannot be read.
    #[error("the stored key `{id}` cannot be read")]
    Unreadable {
        /// Its id.
        id: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Makes, finds and revokes keys.
#[derive(Clone)]
pub(crate) struct KeyRing {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    tenants: Tenants,
}

impl KeyRing {
    /// The keys in that store.
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let tenants = Tenants::new(Arc::clone(&store), Arc::clone(&clock));
        Self { store, clock, tenants }
    }

    /// Whose key that is.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) async fn principal(&self, key: &ApiKey) -> Result<Principal, Refusal> {
        let found = self.store.definition(&key.tenant, DefinitionKind::ApiKey, key.id.as_str(), None).await?;
        let body: Option<KeyBody> = found.and_then(|definition| serde_json::from_value(definition.body).ok());
        // An unknown key is compared as well, so that it takes as long as a wrong one.
        let stored = body.as_ref().map_or(Digest::of(b""), |body| body.hash);
        let matches = key.matches(&stored);
        let body = body.filter(|_| matches).ok_or(Refusal::Invalid)?;
        let expired = body.expires_at.is_some_and(|end| end <= self.clock.now());
        if expired || !body.role.fits(&key.tenant) {
            return Err(Refusal::Invalid);
        }
        if key.tenant.as_str() != SYSTEM_TENANT {
            let tenant = self.tenants.get(&key.tenant).await?.ok_or(Refusal::Invalid)?;
            if tenant.disabled {
                return Err(Refusal::TenantDisabled);
            }
        }
        Ok(Principal { tenant: key.tenant.clone(), key: key.id.clone(), role: body.role })
    }

    /// Whether a principal is still one: its key is neither revoked nor expired, its role the same, its tenant not
    /// disabled. For what goes on for long after a request was let in.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn still_holds(&self, principal: &Principal) -> Result<bool, StoreError> {
        let Principal { tenant, key, role } = principal;
        let found = self.store.definition(tenant, DefinitionKind::ApiKey, key.as_str(), None).await?;
        let body: Option<KeyBody> = found.and_then(|definition| serde_json::from_value(definition.body).ok());
        let now = self.clock.now();
        if !body.is_some_and(|body| body.role == *role && body.expires_at.is_none_or(|end| end > now)) {
            return Ok(false);
        }
        if tenant.as_str() == SYSTEM_TENANT {
            return Ok(true);
        }
        Ok(self.tenants.get(tenant).await?.is_some_and(|tenant| !tenant.disabled))
    }

    /// Makes a key; only its hash is stored.
    ///
    /// # Errors
    /// No randomness, or the store's.
    pub(crate) async fn issue(&self, issue: IssueKey) -> Result<(ApiKey, StoredKey), KeyRingError> {
        let key = ApiKey::generate(issue.tenant.clone())?;
        let stored = self.import(&key, issue).await?;
        Ok((key, stored))
    }

    /// Stores the hash of a key that somebody else made.
    ///
    /// # Errors
    /// The store's; a version conflict where a key of that id exists.
    pub(crate) async fn import(&self, key: &ApiKey, issue: IssueKey) -> Result<StoredKey, KeyRingError> {
        let body = KeyBody { hash: key.hash(), role: issue.role, label: issue.label, expires_at: issue.expires_at };
        let new = NewDefinition {
            tenant: issue.tenant,
            kind: DefinitionKind::ApiKey,
            name: key.id.to_string(),
            created_at: self.clock.now(),
            body: serde_json::to_value(body)
                .map_err(|source| KeyRingError::Unreadable { id: key.id.to_string(), source })?,
        };
        stored_key(self.store.put_definition(new, Expectation::Absent).await?)
    }

    /// The tenant's keys.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn list(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<StoredKey>, KeyRingError> {
        let Page { items, next } = self.store.definitions(tenant, DefinitionKind::ApiKey, "", page).await?;
        let items = items.into_iter().map(stored_key).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }

    /// Revokes a key at once. `false` where there was none.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn revoke(&self, tenant: &TenantId, id: &KeyId) -> Result<bool, StoreError> {
        self.store.delete_definition(tenant, DefinitionKind::ApiKey, id.as_str()).await
    }

    /// Whether any operator can log in.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn has_operator(&self, system: &TenantId) -> Result<bool, KeyRingError> {
        let mut after: Option<Cursor> = None;
        let now = self.clock.now();
        loop {
            let page = self.list(system, &PageRequest { limit: 200, after }).await?;
            if page.items.iter().any(|key| key.expires_at.is_none_or(|end| end > now)) {
                return Ok(true);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(false),
            }
        }
    }
}

fn stored_key(definition: Definition) -> Result<StoredKey, KeyRingError> {
    let body: KeyBody = serde_json::from_value(definition.body)
        .map_err(|source| KeyRingError::Unreadable { id: definition.name.clone(), source })?;
    Ok(StoredKey {
        id: definition.name,
        role: body.role,
        label: body.label,
        created_at: definition.created_at,
        expires_at: body.expires_at,
    })
}
