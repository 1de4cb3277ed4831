//! Which master key a store belongs to: a server that does not have it must not begin, since each run that needs a
//! stored secret would end as an error.

use std::path::Path;

use weir_engine::ids::TenantId;
use weir_engine::ports::{DefinitionKind, PageRequest, Store, StoreError};

use super::master::{MasterKey, MasterKeyError};
use super::vault::wrapped_with;
use crate::tenants::Tenants;

/// How many tenants are read at a time.
const PAGE: usize = 200;

/// What the store says of its master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyInUse {
    /// It has no tenants: any key will do.
    Free,
    /// It has tenants, and nothing of theirs is wrapped.
    Tenants,
    /// The data key of that tenant is wrapped with the master key of that id.
    Wrapped {
        /// Whose.
        tenant: TenantId,
        /// The key's id.
        key: String,
    },
}

impl KeyInUse {
    /// Looks at one data key, that of the first tenant that has one.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn of(store: &dyn Store) -> Result<Self, StoreError> {
        let system = Tenants::system()?;
        let (mut found, mut after) = (Self::Free, None);
        loop {
            let page = PageRequest { limit: PAGE, after };
            let page = store.definitions(&system, DefinitionKind::Tenant, "", &page).await?;
            for row in page.items {
                // A damaged row is told where it is read.
                let Ok(tenant) = row.name.parse() else { continue };
                if let Some(key) = wrapped_with(store, &tenant).await? {
                    return Ok(Self::Wrapped { tenant, key });
                }
                found = Self::Tenants;
            }
            after = page.next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Whether a key may be made where none is given.
    ///
    /// # Errors
    /// The store belongs to another one already.
    pub(crate) fn may_be_made(&self, path: &Path) -> Result<(), MasterKeyError> {
        match self {
            Self::Free => Ok(()),
            Self::Tenants | Self::Wrapped { .. } => Err(MasterKeyError::Missing { path: path.to_owned() }),
        }
    }

    /// Whether that key opens what is there.
    ///
    /// # Errors
    /// Another one wrapped it.
    pub(crate) fn opens_with(&self, master: &MasterKey) -> Result<(), MasterKeyError> {
        match self {
            Self::Wrapped { tenant, key } if *key != master.id => Err(MasterKeyError::Other {
                tenant: tenant.clone(),
                wrapped_with: key.clone(),
                present: master.id.clone(),
            }),
            Self::Free | Self::Tenants | Self::Wrapped { .. } => Ok(()),
        }
    }
}
