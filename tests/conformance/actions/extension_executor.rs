//! What a flow does with a flow extension.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
