//! The stable codes that users meet, each with its page: `codes.md`, compiled in.

const PAGES: &str = include_str!("../codes.md");

/// Every code with its page.
pub(crate) fn pages() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGES.split("\n## ").skip(1).filter_map(|page| page.split_once('\n')).map(|(code, text)| {
        // The heading of the next part of the file is not of this page.
        (code.trim(), text.split("\n# ").next().unwrap_or_default().trim())
    })
}

/// The code that was probably meant; none where no code is near.
pub(crate) fn nearest<'a>(known: impl IntoIterator<Item = &'a str>, meant: &str) -> Option<&'a str> {
    let distances = known.into_iter().map(|known| (strsim::damerau_levenshtein(known, meant), known));
    distances.min().filter(|(distance, known)| *distance <= 1 + known.len() / 4).map(|(_, known)| known)
}
