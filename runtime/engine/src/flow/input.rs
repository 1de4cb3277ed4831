//! The schema of a flow's event.

use serde_json::Value;

use crate::document::{Document, Faults};
use crate::schema::Schema;

/// Compiles a schema; adds the fault that keeps it from being used.
pub(super) fn compile(document: &Document, schema: &Value, faults: &mut Faults) -> Option<Schema> {
    let compiled = Schema::compile(schema).map_err(|fault| {
        faults.error(document, &format!("/input/schema{}", fault.pointer), "flow.input-schema", fault.message);
    });
    compiled.ok()
}
