//! Finds names within a text: one pass and no copy, however many names there are.

use aho_corasick::Anchored;
use aho_corasick::automaton::Automaton as _;
use aho_corasick::nfa::contiguous::NFA;

/// Most names that texts are searched for: what finds them takes memory for each of their letters.
pub(super) const NAMES_SOUGHT_MAX: usize = 1_000;

/// What finds some names; nothing where they are too many, which finds one in every text, so that none is shown.
#[derive(Debug)]
pub(super) struct Matcher(Option<NFA>);

impl Matcher {
    /// What finds these names, which are letters and digits in lower case.
    pub(super) fn of<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Self {
        Self(if names.len() > NAMES_SOUGHT_MAX { None } else { NFA::new(names).ok() })
    }

    /// Whether one of them is in the text, whatever its case and whatever other characters are between its own.
    pub(super) fn finds(&self, text: &str) -> bool {
        let Some(nfa) = &self.0 else { return true };
        let Ok(mut state) = nfa.start_state(Anchored::No) else { return true };
        let mut bytes = [0; 4];
        letters(text).any(|letter| {
            letter.encode_utf8(&mut bytes).bytes().any(|byte| {
                state = nfa.next_state(Anchored::No, state, byte);
                nfa.is_match(state)
            })
        })
    }
}

/// Letters and digits, lower case.
pub(super) fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase)
}
