//! What may be exposed and changed.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
