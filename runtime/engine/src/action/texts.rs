//! Reasons, messages and descriptions of an answer: how long they may be, and of which characters (A-07). The same for
//! plugins and external services.

use super::profile::Texts;
use crate::message::Failure;

/// Longest reason of a failure and message of an error, in characters (A-07).
pub const REASON_CHARS_MAX: usize = 100;

/// Longest description of either, in characters (A-07).
pub const DESCRIPTION_CHARS_MAX: usize = 300;

/// A text that is refused: it is never cut, for half a sentence may say the opposite of the whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its `{member}` {problem}")]
pub struct InvalidText {
    /// The member of the answer.
    pub member: &'static str,
    /// What is wrong with it, and what it may be.
    pub problem: String,
}

/// Checks the texts of a failure.
///
/// # Errors
/// The first text that is refused.
pub fn check_failure(failure: &Failure, texts: Texts) -> Result<(), InvalidText> {
    check(("failureReason", "failureDescription"), &failure.reason, failure.description.as_deref(), texts)
}

/// Checks the texts of an error, by the same limits.
pub(super) fn check_error(message: &str, description: Option<&str>, texts: Texts) -> Result<(), InvalidText> {
    check(("errorMessage", "errorDescription"), message, description, texts)
}

fn check(
    members: (&'static str, &'static str),
    short: &str,
    long: Option<&str>,
    texts: Texts,
) -> Result<(), InvalidText> {
    text(members.0, short, REASON_CHARS_MAX, texts)?;
    long.map_or(Ok(()), |long| text(members.1, long, DESCRIPTION_CHARS_MAX, texts))
}

fn text(member: &'static str, text: &str, most: usize, texts: Texts) -> Result<(), InvalidText> {
    let refused = |problem: String| Err(InvalidText { member, problem });
    let count = text.chars().count();
    if count == 0 {
        return refused(format!("is empty; it has 1 to {most} characters"));
    }
    if count > most {
        return refused(format!("has {count} characters; at most {most} are taken"));
    }
    let Some((index, character)) = text.chars().enumerate().find(|(_, character)| !takes(texts, *character)) else {
        return Ok(());
    };
    let (character, at) = (character.escape_debug(), index + 1);
    match texts {
        Texts::Unicode => refused(format!("has the control character `{character}` at character {at}")),
        Texts::Plain => refused(format!(
            "has `{character}` at character {at}; letters and digits of ASCII, white space and `-_.!?;:'()[]` are taken, or any text with the action's `settings.texts: unicode`"
        )),
    }
}

fn takes(texts: Texts, character: char) -> bool {
    match texts {
        Texts::Unicode => !character.is_control() || character.is_whitespace(),
        // White space as in the regular expressions of Java, which the source of this rule checks with.
        Texts::Plain => {
            character.is_ascii_alphanumeric()
                || " \t\n\x0b\x0c\r".contains(character)
                || "-_.!?;:'()[]".contains(character)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(reason: &str, description: Option<&str>, texts: Texts) -> Result<(), String> {
        let failure = Failure { reason: reason.to_owned(), description: description.map(str::to_owned) };
        check_failure(&failure, texts).map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn lengths_count_characters_at_n_and_n_plus_1() {
        // covers A-07
        for texts in [Texts::Unicode, Texts::Plain] {
            let of =
                |reason: usize, description: usize| failure(&"a".repeat(reason), Some(&"b".repeat(description)), texts);
            assert_eq!(of(1, 1), Ok(()));
            assert_eq!(of(100, 300), Ok(()));
            assert!(of(101, 1).unwrap_err().contains("`failureReason` has 101 characters; at most 100"));
            assert!(of(1, 301).unwrap_err().contains("`failureDescription` has 301 characters; at most 300"));
            assert!(of(0, 1).unwrap_err().contains("`failureReason` is empty"));
            assert!(of(1, 0).unwrap_err().contains("`failureDescription` is empty"));
            assert_eq!(failure("a", None, texts), Ok(()));
        }
        assert_eq!(failure(&"ü".repeat(100), Some(&"漢".repeat(300)), Texts::Unicode), Ok(()));
    }

    #[test]
    fn each_setting_has_its_characters() {
        // covers A-07
        for taken in ["a-b_c.d!e?f;g:h'i(j)k[l]", "two\nlines\tand\r\x0b\x0c", "flow.ext.denied.reason"] {
            assert_eq!(failure(taken, Some(taken), Texts::Plain), Ok(()), "{taken:?}");
            assert_eq!(failure(taken, Some(taken), Texts::Unicode), Ok(()), "{taken:?}");
        }
        for unicode_only in ["a, b", "N/A", "a@b", "\"a\"", "90%", "{{key}}", "ü", "a\u{a0}b", "a\u{2003}b", "😀"] {
            assert!(failure(unicode_only, None, Texts::Plain).is_err(), "{unicode_only:?}");
            assert_eq!(failure(unicode_only, None, Texts::Unicode), Ok(()), "{unicode_only:?}");
        }
        for never in ["\0", "a\u{1b}[31m", "\u{7f}", "a\u{9b}"] {
            assert!(failure("fine", Some(never), Texts::Plain).is_err(), "{never:?}");
            assert!(failure(never, None, Texts::Unicode).unwrap_err().contains("control character"), "{never:?}");
        }
        assert!(failure("ab\u{1b}", None, Texts::Unicode).unwrap_err().contains("`\\u{1b}` at character 3"));
    }
}
