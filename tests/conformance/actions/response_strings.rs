//! Reasons and descriptions.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
