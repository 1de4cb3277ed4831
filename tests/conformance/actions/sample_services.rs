//! Services that others have written.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
