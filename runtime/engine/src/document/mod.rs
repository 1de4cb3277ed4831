//! Documents that people write: YAML or JSON, with the position of every node, and the faults found in them.

mod fault;
mod parse;
mod place;
mod render;
mod scalar;
mod shape;

pub(crate) use self::fault::list_names;
pub use self::fault::{Fault, Faults, Severity};
pub use self::parse::{DEPTH_MAX, DOCUMENT_BYTES_MAX, Document, Format};
pub(crate) use self::shape::{Members, read_members};
pub use self::shape::{read, schema_of};

/// A name as a part of a JSON pointer (RFC 6901).
pub fn escape_pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
