//! The stored tenants. Only operators see them; they belong to the tenant `system`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_engine::ids::TenantId;
use weir_engine::ports::{
    Clock, Definition, DefinitionKind, Expectation, NewDefinition, Page, PageRequest, Store, StoreError,
};
use weir_engine::time::Timestamp;

use crate::auth::SYSTEM_TENANT;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantBody {
    description: String,
    disabled: bool,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Tenant {
    /// Its name.
    #[schema(value_type = String)]
    pub(crate) tenant: TenantId,
    /// For people.
    pub(crate) description: String,
    /// Whether its keys are refused. Runs that have begun go on.
    pub(crate) disabled: bool,
    /// When it was saved last.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

/// Makes, finds and changes tenants.
#[derive(Clone)]
pub(crate) struct Tenants {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Tenants {
    /// The tenants in that store.
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// The tenant of the operators.
    ///
    /// # Errors
    /// None in truth: the name is a constant, and a test reads it.
    pub(crate) fn system() -> Result<TenantId, StoreError> {
        SYSTEM_TENANT.parse().map_err(|_| StoreError::NotFound("tenant"))
    }

    /// One tenant.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn get(&self, tenant: &TenantId) -> Result<Option<Tenant>, StoreError> {
        let found = self.store.definition(&Self::system()?, DefinitionKind::Tenant, tenant.as_str(), None).await?;
        found.map(tenant_of).transpose()
    }

    /// Every tenant, by name.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn list(&self, page: &PageRequest) -> Result<Page<Tenant>, StoreError> {
        let Page { items, next } = self.store.definitions(&Self::system()?, DefinitionKind::Tenant, "", page).await?;
        Ok(Page { items: items.into_iter().map(tenant_of).collect::<Result<_, _>>()?, next })
    }

    /// Makes a tenant.
    ///
    /// # Errors
    /// A version conflict where there is one; the store's.
    pub(crate) async fn create(&self, tenant: TenantId, description: String) -> Result<Tenant, StoreError> {
        self.save(&tenant, TenantBody { description, disabled: false }, Expectation::Absent).await
    }

    /// Refuses the tenant's keys from now on, or takes them again. `None` where there is no such tenant.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn set_access(&self, tenant: &TenantId, access: Access) -> Result<Option<Tenant>, StoreError> {
        let Some(found) = self.get(tenant).await? else {
            return Ok(None);
        };
        let body = TenantBody { description: found.description, disabled: access == Access::Refused };
        self.save(tenant, body, Expectation::Any).await.map(Some)
    }

    async fn save(&self, tenant: &TenantId, body: TenantBody, expected: Expectation) -> Result<Tenant, StoreError> {
        let new = NewDefinition {
            tenant: Self::system()?,
            kind: DefinitionKind::Tenant,
            name: tenant.to_string(),
            created_at: self.clock.now(),
            body: serde_json::json!(body),
        };
        tenant_of(self.store.put_definition(new, expected).await?)
    }
}

/// Whether a tenant's keys are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// They are.
    Granted,
    /// They are not.
    Refused,
}

fn tenant_of(definition: Definition) -> Result<Tenant, StoreError> {
    let unreadable = |what: String| StoreError::Corrupt { place: format!("tenant `{}`", definition.name), what };
    let body: TenantBody =
        serde_json::from_value(definition.body.clone()).map_err(|error| unreadable(error.to_string()))?;
    let tenant =
        definition.name.parse().map_err(|error: weir_engine::ids::InvalidName| unreadable(error.to_string()))?;
    Ok(Tenant { tenant, description: body.description, disabled: body.disabled, updated_at: definition.created_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_tenant_has_a_good_name() {
        assert!(Tenants::system().is_ok());
    }
}
