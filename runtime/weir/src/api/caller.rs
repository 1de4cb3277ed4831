//! Who calls, and whether they may. A handler that takes a `Caller<P>` runs only for keys that are granted `P`, and
//! gets its tenant from it. It stands first among a handler's arguments, so that nothing is read before.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;
use weir_engine::ids::TenantId;

use super::app::App;
use crate::auth::{ApiKey, Permission, Principal, Refusal};
use crate::problem::{Problem, code};

/// A permission as a type.
pub(super) trait Asks: Send {
    /// Which.
    const PERMISSION: Permission;
}

macro_rules! asks {
    ($($name:ident)*) => {$(
        #[doc = concat!("Asks for `Permission::", stringify!($name), "`.")]
        pub(super) struct $name;
        impl Asks for $name {
            const PERMISSION: Permission = Permission::$name;
        }
    )*};
}

asks! {
    ManageTenants ManageKeys ReadMetrics WriteDefinitions ReadDefinitions WriteCredentials ReadCredentials
    StartRuns ReadRuns InspectRuns MakeBackups
}

/// The holder of a key that is granted `A`.
pub(super) struct Caller<A> {
    /// Who it is.
    pub(super) principal: Principal,
    /// One of the tenant's places; given back when the handler is done.
    _place: OwnedSemaphorePermit,
    asks: PhantomData<A>,
}

/// The holder of any valid key.
pub(super) struct AnyCaller(pub(super) Principal);

impl<A> Caller<A> {
    /// Whose objects it sees.
    pub(super) fn tenant(&self) -> &TenantId {
        &self.principal.tenant
    }

    /// Asks for one more permission.
    ///
    /// # Errors
    /// `auth.not-permitted`.
    pub(super) fn also(&self, permission: Permission) -> Result<(), Problem> {
        permit(&self.principal, permission)
    }
}

fn permit(principal: &Principal, permission: Permission) -> Result<(), Problem> {
    if principal.role.may(permission) {
        return Ok(());
    }
    let detail = format!(
        "A key of role `{}` does not have the permission `{}`. Use a key of a role that has it.",
        principal.role,
        permission.as_str()
    );
    Err(Problem::new(&code::NOT_PERMITTED, detail))
}

impl<A: Asks> FromRequestParts<Arc<App>> for Caller<A> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let principal = principal(parts, app).await?;
        permit(&principal, A::PERMISSION)?;
        let place = app.tenant_requests.take(&principal.tenant).ok_or_else(|| {
            let detail = "As many requests of the tenant as are allowed at once are in hand. Try again in a moment.";
            Problem::new(&code::TOO_MANY_OF_TENANT, detail).with_header(RETRY_AFTER, "1")
        })?;
        Ok(Self { principal, _place: place, asks: PhantomData })
    }
}

impl FromRequestParts<Arc<App>> for AnyCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        principal(parts, app).await.map(Self)
    }
}

async fn principal(parts: &Parts, app: &App) -> Result<Principal, Problem> {
    let Some(value) = parts.headers.get(AUTHORIZATION) else {
        let detail = "Send the header `Authorization: Bearer KEY` with an API key.";
        return Err(Problem::new(&code::MISSING_KEY, detail).with_header(WWW_AUTHENTICATE, "Bearer"));
    };
    let key: ApiKey = value.to_str().ok().and_then(bearer).ok_or_else(invalid_key)?;
    let principal = app.keys.principal(&key).await.map_err(|refusal| match refusal {
        Refusal::Invalid => invalid_key(),
        Refusal::TenantDisabled => {
            Problem::new(&code::TENANT_DISABLED, "The operator has disabled this tenant; its keys are refused.")
        }
        Refusal::Store(error) => error.into(),
    })?;
    tracing::Span::current().record("tenant", principal.tenant.as_str()).record("key", principal.key.as_str());
    Ok(principal)
}

/// The key of `Bearer KEY` (RFC 6750 section 2.1); the scheme's case does not matter (RFC 9110 section 11.1).
fn bearer(value: &str) -> Option<ApiKey> {
    let (scheme, key) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") { key.parse().ok() } else { None }
}

fn invalid_key() -> Problem {
    let detail =
        "The key is malformed, unknown, wrong, expired or revoked. Ask an admin of the tenant for another one.";
    Problem::new(&code::INVALID_KEY, detail).with_header(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
}
