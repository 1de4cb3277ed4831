//! Operations on tokens.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
