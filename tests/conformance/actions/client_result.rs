//! What the client of a caller gets.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
