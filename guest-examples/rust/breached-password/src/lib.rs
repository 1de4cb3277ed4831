//! An action before a password is updated: it refuses one that is known from a breach.
//!
//! It asks an API that speaks the range protocol of Have I Been Pwned, through a connector from the template
//! `breached-passwords`. The password never leaves: of its SHA-1 hash the first five digits go out, and the rest is
//! looked for among the endings that come back (k-anonymity).
//!
//! ```yaml
//! grants: [passwords.check]
//! config:
//!   function: passwords.check      # this is the default
//!   when_unavailable: refuse       # default: the user is asked to try later; `accept` lets the password through
//!   when_unreadable: error         # default: the step ends in an error; `accept` lets the password through
//! ```
//!
//! A password that comes as a hash (`HASH`: SHA-256) or encrypted cannot be looked up in such an API by anybody: the
//! digest of another hash says nothing about this one. The action says so and stops, rather than look up
//! something else and find nothing. Let the step share the password as plain text, or accept it unchecked on purpose.

mod credential; // the password that is on its way in
mod lookup; // the question to the API, and its answer
mod settings; // what the flow's author wrote

use credential::Credential;
use exports::weir::plugin::action::{Decision, Event, Failure, Fault, Guest, Invocation};
use lookup::Digest;
use settings::{Settings, WhenUnavailable, WhenUnreadable};
use weir::plugin::connectors;
use weir::plugin::log::{self, Level};

wit_bindgen::generate!({ path: "../../../wit", world: "action-plugin" });

struct BreachedPassword;
export!(BreachedPassword);

impl Guest for BreachedPassword {
    fn handle(invocation: Invocation, event: Event) -> Result<Decision, Fault> {
        log_panics();
        let settings = Settings::parse(&invocation.config)?;
        let credential = Credential::parse(&event.payload)?;
        let finding = find(&settings, &credential, |digest| ask(&settings, digest))?;
        log::write(finding.level(), finding.words(), &finding.fields());
        Ok(finding.decision())
    }
}

/// Asks the API, through the connector that the step grants.
fn ask(settings: &Settings, digest: &Digest) -> Result<bool, String> {
    let (connector, function) = settings.function();
    let response = connectors::call(connector, function, &digest.arguments()).map_err(|error| format!("{error:?}"))?;
    lookup::is_breached(digest, response.status, response.transformed_data.as_deref(), &response.body)
}

/// What came out.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    Unknown,
    Breached,
    /// The API could not be asked, and why: let through.
    UncheckedAccepted(String),
    /// The API could not be asked, and why: refused.
    UncheckedRefused(String),
    /// It cannot be looked up: let through.
    UnreadableAccepted,
}

/// Decides. Pure but for `ask`, so that plain `cargo test` covers it.
fn find(
    settings: &Settings,
    credential: &Credential,
    ask: impl FnOnce(&Digest) -> Result<bool, String>,
) -> Result<Finding, String> {
    let password = match credential {
        Credential::PlainText(password) => password,
        Credential::Unreadable(form) => {
            return match settings.when_unreadable {
                WhenUnreadable::Accept => Ok(Finding::UnreadableAccepted),
                WhenUnreadable::Error => Err(format!(
                    "the password comes {form}, and cannot be looked up; let the step share it as plain text, or set \
                     `when_unreadable: accept`"
                )),
            };
        }
    };
    match ask(&Digest::of(password)) {
        Ok(true) => Ok(Finding::Breached),
        Ok(false) => Ok(Finding::Unknown),
        Err(problem) => Ok(match settings.when_unavailable {
            WhenUnavailable::Refuse => Finding::UncheckedRefused(problem),
            WhenUnavailable::Accept => Finding::UncheckedAccepted(problem),
        }),
    }
}

impl Finding {
    /// For the log: nothing of the password is in it.
    fn words(&self) -> &'static str {
        match self {
            Self::Unknown => "the password is in no known breach",
            Self::Breached => "the password is known from a breach: refused",
            Self::UncheckedAccepted(_) => "the password is accepted unchecked, as `when_unavailable` says",
            Self::UncheckedRefused(_) => "the password is refused unchecked, as `when_unavailable` says",
            Self::UnreadableAccepted => "the password is accepted unchecked, as `when_unreadable` says",
        }
    }

    /// What kept the check from being made.
    fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::UncheckedAccepted(problem) | Self::UncheckedRefused(problem) => {
                vec![("problem".to_owned(), problem.clone())]
            }
            Self::Unknown | Self::Breached | Self::UnreadableAccepted => Vec::new(),
        }
    }

    fn level(&self) -> Level {
        match self {
            Self::Unknown | Self::Breached => Level::Info,
            Self::UncheckedAccepted(_) | Self::UncheckedRefused(_) | Self::UnreadableAccepted => Level::Warning,
        }
    }

    fn decision(&self) -> Decision {
        // Plain letters and marks only: some callers take no others.
        let (reason, description) = match self {
            Self::Unknown | Self::UncheckedAccepted(_) | Self::UnreadableAccepted => {
                return Decision::Success(Vec::new());
            }
            Self::Breached => (
                "Password known from a breach",
                "This password has appeared in a data breach. Please choose another one.",
            ),
            Self::UncheckedRefused(_) => {
                ("Password not checked", "We could not check this password just now. Please try again later.")
            }
        };
        Decision::Failed(Failure { reason: reason.to_owned(), description: Some(description.to_owned()) })
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

    fn settings(config: &str) -> Settings {
        Settings::parse(config).unwrap()
    }

    fn password() -> Credential {
        Credential::PlainText("password".to_owned())
    }

    #[test]
    fn what_is_known_from_a_breach_is_refused_and_the_rest_goes_through() {
        for (answer, expected) in [(true, Finding::Breached), (false, Finding::Unknown)] {
            let mut asked = String::new();
            let ask = |digest: &Digest| {
                asked = digest.arguments();
                Ok(answer)
            };
            assert_eq!(find(&settings("null"), &password(), ask).unwrap(), expected);
            assert!(asked.contains("5BAA6") && !asked.contains("password"), "{asked}");
        }
        let Decision::Failed(failure) = Finding::Breached.decision() else { panic!("failed") };
        assert_eq!(failure.reason, "Password known from a breach");
        assert!(matches!(Finding::Unknown.decision(), Decision::Success(none) if none.is_empty()));
    }

    #[test]
    fn without_an_answer_nothing_passes_unless_the_settings_say_so() {
        for (config, expected) in [
            ("null", Finding::UncheckedRefused("timeout".to_owned())),
            (r#"{"when_unavailable": "refuse"}"#, Finding::UncheckedRefused("timeout".to_owned())),
            (r#"{"when_unavailable": "accept"}"#, Finding::UncheckedAccepted("timeout".to_owned())),
        ] {
            let finding = find(&settings(config), &password(), |_| Err("timeout".to_owned())).unwrap();
            assert_eq!(finding, expected, "{config}");
        }
        assert!(matches!(Finding::UncheckedRefused(String::new()).decision(), Decision::Failed(_)));
        assert!(matches!(Finding::UncheckedAccepted(String::new()).decision(), Decision::Success(_)));
    }

    #[test]
    fn what_cannot_be_looked_up_is_never_looked_up() {
        let hash = Credential::Unreadable("as a hash");
        let never = |_: &Digest| panic!("nothing is to be asked");
        let fault = find(&settings("null"), &hash, never).unwrap_err();
        assert!(fault.contains("as a hash") && fault.contains("when_unreadable"), "{fault}");
        let accepted = find(&settings(r#"{"when_unreadable": "accept"}"#), &hash, never).unwrap();
        assert_eq!(accepted, Finding::UnreadableAccepted);
    }

    #[test]
    fn what_an_end_user_reads_has_plain_letters_and_marks_only() {
        for finding in [Finding::Breached, Finding::UncheckedRefused(String::new())] {
            let Decision::Failed(failure) = finding.decision() else { panic!("failed") };
            let text = failure.reason + &failure.description.unwrap();
            assert!(text.chars().all(|it| it.is_ascii_alphanumeric() || " -_.!?;:'()[]".contains(it)), "{text}");
        }
    }
}
