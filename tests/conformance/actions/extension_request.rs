//! What flow extensions are asked.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
