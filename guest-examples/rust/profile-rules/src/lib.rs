//! An action before a profile is updated: it refuses new values that do not have the form that their claim needs.
//!
//! ```yaml
//! config:
//!   claims:                                    # what each claim must look like; others are none of its business
//!     http://wso2.org/claims/mobile: { form: phone, name: mobile number }
//!     http://wso2.org/claims/country: { form: country, name: country, only: [CH, LI, SE] }
//!     http://wso2.org/claims/dob: { form: date, name: date of birth }
//! ```
//!
//! | form | takes |
//! | --- | --- |
//! | `phone` | an international number (E.164): `+`, then 7 to 15 digits, the first of them not 0 |
//! | `country` | two capital letters (ISO 3166-1), of those in `only` where there is such a list |
//! | `date` | a day that exists, as `YYYY-MM-DD` (RFC 3339), not after the run's own day |
//!
//! An empty value clears a claim and is always taken. What is wrong is told by the claim's `name`, never by its
//! value: the words go to an end user, and into logs on the way.

mod form; // what a value must look like
mod request; // what is to be changed
mod rules; // which claim has which form

use exports::weir::plugin::action::{Decision, Event, Failure, Fault, Guest, Invocation};
use rules::Rules;
use weir::plugin::log::{self, Level};

wit_bindgen::generate!({ path: "../../../wit", world: "action-plugin" });

/// The longest description that callers take, in characters.
const DESCRIPTION_MAX: usize = 300;

struct ProfileRules;
export!(ProfileRules);

impl Guest for ProfileRules {
    fn handle(invocation: Invocation, event: Event) -> Result<Decision, Fault> {
        log_panics();
        let rules = Rules::parse(&invocation.config)?;
        let claims = request::claims(&event.payload)?;
        let complaints = rules.complaints(&claims, today(invocation.started_at));
        let message = if complaints.is_empty() { "the profile is in order" } else { "the profile is refused" };
        let fields: Vec<_> = complaints.iter().map(|it| ("claim".to_owned(), it.uri.to_owned())).collect();
        log::write(Level::Info, message, &fields);
        Ok(decide(complaints.into_iter().map(|it| it.words)))
    }
}

/// The day of an instant in milliseconds, both since 1970 began.
fn today(started_at: u64) -> i64 {
    i64::try_from(started_at / 86_400_000).unwrap_or(i64::MAX)
}

/// Refuses where there is a complaint. Pure, so that plain `cargo test` covers it.
fn decide(complaints: impl IntoIterator<Item = String>) -> Decision {
    let mut description = String::new();
    for complaint in complaints {
        let separator = if description.is_empty() { "" } else { " " };
        if description.chars().count() + separator.len() + complaint.chars().count() > DESCRIPTION_MAX {
            break;
        }
        description.push_str(separator);
        description.push_str(&complaint);
    }
    match description.is_empty() {
        true => Decision::Success(Vec::new()),
        false => Decision::Failed(Failure { reason: "Profile not valid".to_owned(), description: Some(description) }),
    }
}

/// Whatever this plugin cannot work with is a fault: it stands in the diagnostic log, never before an end user.
impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self { message, description: None }
    }
}

/// A panic ends the instance at once, with nothing to catch it; this says why in the run's log before it does.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("panicked");
        log::write(Level::Error, message, &[("panicked-at".to_owned(), place)]);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_complaint_is_a_success() {
        assert!(matches!(decide([]), Decision::Success(none) if none.is_empty()));
    }

    #[test]
    fn complaints_are_told_up_to_the_longest_description() {
        let complaint = |length: usize| "x".repeat(length);
        for (lengths, expected) in
            [(vec![10, 20], 31), (vec![150, 149], 300), (vec![150, 150], 150), (vec![120; 9], 241)]
        {
            let Decision::Failed(failure) = decide(lengths.iter().map(|&length| complaint(length))) else {
                panic!("failed")
            };
            assert_eq!(failure.description.unwrap().chars().count(), expected, "{lengths:?}");
            assert!(failure.reason.chars().count() <= 100);
        }
    }

    #[test]
    fn a_day_ends_at_midnight() {
        assert_eq!([today(0), today(86_399_999), today(86_400_000)], [0, 0, 1]);
    }
}
