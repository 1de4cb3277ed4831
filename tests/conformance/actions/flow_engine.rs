//! Flows.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
