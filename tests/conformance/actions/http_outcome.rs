//! What the status, the content type and the body of an answer come to.

use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[];
