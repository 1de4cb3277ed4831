//! What is on the list and what is not.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
