//! Which answers of services before an update are taken.

use super::response_strings::a_body;
use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[Runner { needs: &["body"], may: &[], expects: &["bodyAccepted"], run: a_body }];
