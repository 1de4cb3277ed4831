//! Which addresses may be dialled (C-19, E-01). Pure: it resolves nothing and dials nothing.

mod class;
mod denied; // why not, and what an operator would write
mod policy;
mod rule;

pub use self::class::AddressClass;
pub use self::denied::{Denied, DeniedReason, DenyRule};
pub use self::policy::{EgressPolicy, EgressSettings, Reach, TenantEgress};
pub use self::rule::{Destination, EgressRule, InvalidRule, Scheme};
