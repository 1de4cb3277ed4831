//! Actions: what a step allows, what an action asks for, and one function that applies it.

mod operation;

pub use self::operation::{AllowedOperation, Operation, OperationKind};
