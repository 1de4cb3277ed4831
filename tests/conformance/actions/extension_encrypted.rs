//! What travels encrypted to an extension.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
