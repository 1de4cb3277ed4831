//! Encrypted paths of flow extensions.

use anyhow::bail;
use serde_json::{Map, Value};

use crate::world::Running;

/// The members of the step for paths that travel encrypted, and the response with every `<JWE of "x">` made real.
pub(crate) fn prepare(_: &Running, _: &Value, _: &Value) -> anyhow::Result<(Map<String, Value>, Value)> {
    bail!("nothing encrypts yet")
}
