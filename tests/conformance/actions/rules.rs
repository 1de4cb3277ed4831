//! When an action runs.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
