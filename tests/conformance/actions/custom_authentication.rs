//! Authentication by redirect.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
