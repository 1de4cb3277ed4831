//! Kinds of steps, each with its document, its compilation and what comes of it in one file.

pub(super) mod claims;
pub(super) mod redirect;
pub(super) mod set;
mod set_path; // where a `set` assigns
pub(super) mod signing; // of a claims step
pub(super) mod transform;
pub(super) mod wait;

pub use self::claims::{ClaimTemplate, ClaimsStep};
pub use self::redirect::RedirectStep;
pub use self::set::SetTemplate;
pub use self::set_path::SetPath;
pub use self::signing::{RegisteredClaim, Signing};
pub use self::transform::TransformStep;
pub use self::wait::WaitStep;
