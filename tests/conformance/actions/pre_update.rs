//! Before a password or a profile is updated.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
