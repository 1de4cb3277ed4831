//! The verbs of the port `Store`, written once for every back end that keeps rows in order.
//!
//! A verb that writes prepares its values first (JSON, and files for the large ones), in the caller's task; the back
//! end then calls its function on a draft of the rows, and makes the draft durable. A verb that reads takes its rows
//! at one instant and decodes them afterwards.

mod verbs; // the port
mod start; // a run begins
mod claim; // somebody works on it
mod commit; // a step is done
mod intervention; // changes from outside
mod outbox; // calls in the background
mod removal; // runs that have ended go
mod sweep; // large values that nothing names go
mod upgrade; // what an older program wrote otherwise, or not at all
mod standing; // where a run stands for those who work on it
mod reading; // records, contexts, journals, listings
mod definitions; // what tenants and operators define
mod left_out; // what cannot be read among others
mod cursor; // where listings go on
mod backend; // what a back end does
mod rows; // rows and drafts
mod keys; // the layout
mod retention_keys; // that of what is removed one day
mod frame; // format version and checksum
mod parts; // large parts of values
mod pins; // large values that a verb is about to name
mod references; // how many rows name a large value
#[cfg(test)]
mod tests; // what is in the rows after verbs

pub use self::frame::VALUE_BYTES_MAX;
pub use self::verbs::Records;

pub(crate) use self::backend::{Backend, Blobs, RemoveBlob};
pub(crate) use self::frame::{BlobRef, Payload, blobs_named_by, open as open_frame, record};
pub(crate) use self::keys::own as own_record;
pub(crate) use self::pins::{Pinned, Pins};
pub(crate) use self::references::is_count;
pub(crate) use self::rows::{Changes, Draft, Row, Rows, after};
pub(crate) use self::upgrade::{as_written_now, to_format_2, to_format_4};

/// The format of the rows that this program writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 4;
/// Names of the store's own records that belong to the back end which wrote them, and not to its content.
pub(crate) const OWN_OF_BACK_END: [&str; 2] = ["format", "commits"];
