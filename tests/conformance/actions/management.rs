//! Saving actions, and what is wrong with them.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
