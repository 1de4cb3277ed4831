//! Who calls, and what they may do.

mod key;
mod key_ring;
mod role;

pub(crate) use self::key::{ApiKey, KeyId, NoRandomness, fill_random};
pub(crate) use self::key_ring::{IssueKey, KeyRing, KeyRingError, Refusal, StoredKey};
pub(crate) use self::role::{Permission, Role, SYSTEM_TENANT};

use weir_engine::ids::TenantId;

/// The holder of a valid API key. Handlers get their tenant from here and from nowhere else (T-01).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    /// Whose objects it sees.
    pub(crate) tenant: TenantId,
    /// Its key.
    pub(crate) key: KeyId,
    /// What it may do.
    pub(crate) role: Role,
}
