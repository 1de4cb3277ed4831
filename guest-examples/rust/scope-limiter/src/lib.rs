//! An action before an access token is issued: it takes out every scope that is not on a list, and shortens a long
//! lifetime.
//!
//! Its settings in a flow (`config`):
//!
//! ```yaml
//! keep: [openid, "metrics:*"]      # a `*` at the end stands for any ending; without a list, no scope is kept
//! expires_in_max: 900              # seconds; without it, the lifetime stays as it is
//! when_none_is_left: refuse        # default; `issue` lets a token without scopes go out
//! ```
//!
//! The step must allow the operations, or the host refuses the whole answer:
//!
//! ```yaml
//! allowed-operations:
//!   - { op: remove, paths: [/accessToken/scopes/] }
//!   - { op: replace, paths: [/accessToken/claims/expires_in] }
//! ```
//!
//! Scopes are removed by their index, the last one first. So the answer means the same where each index speaks of the
//! list as the operation before left it (RFC 6902), and where all speak of the list as it was.

mod limits; // what is kept, and for how long
mod token; // the token that is about to be issued

use exports::weir::plugin::action::{Decision, Event, Failure, Fault, Guest, Invocation, Operation};
use limits::{Limits, WhenNoneIsLeft};
use token::Token;
use weir::plugin::log::{self, Level};
use weir::plugin::types::Change;

wit_bindgen::generate!({ path: "../../../wit", world: "action-plugin" });

struct ScopeLimiter;
export!(ScopeLimiter);

impl Guest for ScopeLimiter {
    fn handle(invocation: Invocation, event: Event) -> Result<Decision, Fault> {
        log_panics();
        let limits = Limits::parse(&invocation.config)?;
        let token = Token::parse(&event.payload)?;
        let removed = token.scopes.iter().filter(|scope| !limits.keeps(scope)).cloned().collect::<Vec<_>>();
        if !removed.is_empty() {
            log::write(Level::Info, "scopes are taken out", &[("scopes".to_owned(), removed.join(" "))]);
        }
        Ok(decide(&limits, &token))
    }
}

/// What is to be changed. Pure, so that plain `cargo test` covers it.
fn decide(limits: &Limits, token: &Token) -> Decision {
    let mut operations = Vec::new();
    for (index, scope) in token.scopes.iter().enumerate().rev() {
        if !limits.keeps(scope) {
            operations.push(Operation::Remove(format!("/accessToken/scopes/{index}")));
        }
    }
    if !token.scopes.is_empty()
        && operations.len() == token.scopes.len()
        && limits.when_none_is_left == WhenNoneIsLeft::Refuse
    {
        return Decision::Failed(no_scope());
    }
    if let Some(seconds) = limits.shorter(token.expires_in) {
        let path = "/accessToken/claims/expires_in".to_owned();
        operations.push(Operation::Replace(Change { path, value: seconds.to_string() }));
    }
    Decision::Success(operations)
}

/// What the client gets as OAuth's `error` and `error_description` (RFC 6749 section 5.2).
fn no_scope() -> Failure {
    Failure {
        reason: "invalid_scope".to_owned(),
        description: Some("None of the scopes asked for may be given to this client.".to_owned()),
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

    const CONFIG: &str = r#"{"keep": ["openid", "read:*"], "expires_in_max": 900}"#;

    fn token(scopes: &[&str], expires_in: Option<u64>) -> Token {
        Token { scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(), expires_in }
    }

    fn handle(config: &str, token: &Token) -> Decision {
        decide(&Limits::parse(config).unwrap(), token)
    }

    fn removed(decision: Decision) -> Vec<String> {
        let Decision::Success(operations) = decision else { panic!("success") };
        let path = |operation| if let Operation::Remove(path) = operation { Some(path) } else { None };
        operations.into_iter().filter_map(path).collect()
    }

    #[test]
    fn what_is_not_on_the_list_goes_the_last_first() {
        let token = token(&["write:a", "read:metrics", "write:b", "openid", "reading"], None);
        let expected = ["/accessToken/scopes/4", "/accessToken/scopes/2", "/accessToken/scopes/0"];
        assert_eq!(removed(handle(CONFIG, &token)), expected);
    }

    /// Both ways to read an index leave the scopes of the list, whatever was asked for.
    #[test]
    fn both_ways_to_read_an_index_agree() {
        let all = ["openid", "write:a", "read:b", "write:c"];
        for chosen in 1..16_usize {
            let scopes: Vec<&str> =
                all.into_iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1).map(|(_, it)| it).collect();
            let config = r#"{"keep": ["openid", "read:*"], "when_none_is_left": "issue"}"#;
            let indices: Vec<usize> = removed(handle(config, &token(&scopes, None)))
                .iter()
                .map(|path| path.rsplit('/').next().unwrap().parse().unwrap())
                .collect();
            let mut in_order = scopes.clone();
            for &index in &indices {
                in_order.remove(index);
            }
            let original: Vec<&str> =
                scopes.iter().enumerate().filter(|(at, _)| !indices.contains(at)).map(|(_, it)| *it).collect();
            let kept: Vec<&str> = scopes.iter().copied().filter(|scope| !scope.starts_with("write")).collect();
            assert_eq!((&in_order, &original), (&kept, &kept), "{scopes:?}");
        }
    }

    #[test]
    fn a_long_lifetime_is_shortened_and_a_short_one_stays() {
        for (expires_in, expected) in [(Some(3600), Some("900")), (Some(900), None), (Some(60), None), (None, None)] {
            let Decision::Success(operations) = handle(CONFIG, &token(&["openid"], expires_in)) else {
                panic!("success")
            };
            let value = operations.first().map(|operation| match operation {
                Operation::Replace(change) => change.value.as_str(),
                _ => panic!("a replace"),
            });
            assert_eq!(value, expected, "{expires_in:?}");
        }
    }

    #[test]
    fn a_token_without_any_scope_left_is_refused_unless_the_settings_say_otherwise() {
        let Decision::Failed(failure) = handle(CONFIG, &token(&["write:a"], None)) else { panic!("failed") };
        assert_eq!(failure.reason, "invalid_scope");
        let config = r#"{"keep": [], "when_none_is_left": "issue"}"#;
        assert_eq!(removed(handle(config, &token(&["a", "b"], None))).len(), 2);
        assert!(removed(handle(CONFIG, &token(&[], None))).is_empty(), "a token that had none is none of our business");
    }
}
