//! Actions: what a step allows, what an action asks for, and one function that applies it.

mod apply;
mod operation;
mod path;
mod types;

pub use self::apply::{Applied, NotApplied, apply, check_allowed};
pub use self::operation::{AllowedOperation, Operation, OperationKind};
pub use self::path::{InvalidPath, Path, Segment};
pub use self::types::{ActionType, TYPES, type_of};
