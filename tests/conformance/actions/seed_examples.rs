//! The worked examples of the four pages.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
