//! Custom authentication.

use super::authentication_redirect;
use crate::registry::Runner;

pub(crate) const RUNNERS: &[Runner] = &[
    Runner { needs: &["answer"], may: &[], expects: &["userIsSentTo", "note"], run: authentication_redirect::sent_to },
    Runner {
        needs: &["done"],
        may: &[],
        expects: &["userReturnsTo", "thenServerCallsAgain"],
        run: authentication_redirect::called_again,
    },
    Runner {
        needs: &["userReturnsWithoutPin"],
        may: &[],
        expects: &["sampleAnswers"],
        run: authentication_redirect::back_without_finishing,
    },
];
