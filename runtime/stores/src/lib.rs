//! Durable records: what survives a crash, behind the engine's port `Store`.
//!
//! The verbs of the port are written once, on rows in the order of their keys (`records`); a back end keeps the rows,
//! applies the changes of a verb all or none, and says so only when they are durable.
//!
//! Invariant: nothing here knows what a record means, beyond what its verb needs; the only crate that names sled.

pub mod settings; // what an operator can choose
mod causes; // errors in one line
mod records; // the verbs, for every back end
mod backup; // a whole store in one file
mod memory; // rows in memory
mod sled_store; // rows in sled, large values in files

pub use self::backup::{BackupError, Backups, Dumped, PART_BYTES_MAX, Report, verify};
pub use self::memory::MemoryStore;
pub use self::records::{Records, VALUE_BYTES_MAX};
pub use self::settings::SledSettings;
pub use self::sled_store::{OpenError, SledStore};
