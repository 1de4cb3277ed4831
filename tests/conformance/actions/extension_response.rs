//! Answers to flow extensions.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
