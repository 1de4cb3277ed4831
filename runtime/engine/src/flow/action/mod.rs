//! Actions as their authors write them: in a step, or saved under a name.

mod check;
mod compile;
mod document;
mod encryption; // what travels encrypted
mod granted;
mod model;

pub use self::check::check_action;
pub(super) use self::check::check_saved;
pub use self::compile::{read_action, read_stored_action};
pub(super) use self::document::ActionDocument;
pub use self::document::{ActionStatus, EncryptionDocument, SavedActionDocument, Sharing, WhenUnavailable};
pub use self::encryption::EncryptionRules;
pub use self::model::{ActionProvider, ActionSetUp, ActionStep, ActionUse, SavedAction};
