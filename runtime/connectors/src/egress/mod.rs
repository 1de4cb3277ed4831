//! Which addresses may be dialled (C-19, E-01). Pure: it resolves nothing and dials nothing.

mod class;
mod policy;
mod rule;

pub use self::class::AddressClass;
pub use self::policy::{Denied, DeniedReason, EgressPolicy, EgressSettings, Reach, TenantEgress};
pub use self::rule::{EgressRule, InvalidRule};
