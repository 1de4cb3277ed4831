//! Lists in parts: `limit` items, and a cursor for the rest.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::{Deserialize, Serialize};
use weir_engine::ports::{Cursor, Page, PageRequest};

use crate::problem::{Problem, code};

/// Items of a part without `limit`.
const LIMIT_DEFAULT: usize = 50;
/// Most items of a part.
pub(super) const LIMIT_MAX: usize = 200;
/// Longest cursor accepted, in bytes.
const CURSOR_BYTES_MAX: usize = 1024;

/// Which part of a list.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Items of this part: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// `next_cursor` of the part before.
    cursor: Option<String>,
}

/// One part of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Listing<T> {
    /// In the list's order.
    pub(super) items: Vec<T>,
    /// Where the next part begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

impl PageQuery {
    /// The part as the store knows it.
    ///
    /// # Errors
    /// `request.invalid-query`, `request.invalid-cursor`.
    pub(super) fn request(&self) -> Result<PageRequest, Problem> {
        request(self.limit, self.cursor.as_deref())
    }
}

/// A part as the store knows it.
///
/// # Errors
/// `request.invalid-query`, `request.invalid-cursor`.
pub(super) fn request(limit: Option<usize>, cursor: Option<&str>) -> Result<PageRequest, Problem> {
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::new(&code::INVALID_QUERY, format!("`limit` must be 1 to {LIMIT_MAX}.")));
    }
    let after = cursor.map(read_cursor).transpose()?;
    Ok(PageRequest { limit, after })
}

impl<T> Listing<T> {
    /// A part as clients see it.
    pub(super) fn of<S>(page: Page<S>, view: impl FnMut(S) -> T) -> Self {
        Self {
            items: page.items.into_iter().map(view).collect(),
            next_cursor: page.next.map(|Cursor(text)| BASE64_URL_SAFE_NO_PAD.encode(text)),
        }
    }
}

fn read_cursor(text: &str) -> Result<Cursor, Problem> {
    let bytes = (text.len() <= CURSOR_BYTES_MAX).then(|| BASE64_URL_SAFE_NO_PAD.decode(text).ok()).flatten();
    let cursor = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).map(Cursor);
    cursor.ok_or_else(|| {
        Problem::new(&code::INVALID_CURSOR, "The cursor is not one that this list gave; start again without it.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limits() {
        // keeps A4
        for (limit, good) in [(0, false), (1, true), (200, true), (201, false)] {
            assert_eq!(request(Some(limit), None).is_ok(), good, "{limit}");
        }
        assert_eq!(request(None, None).unwrap().limit, 50);
    }

    proptest! {
        #[test]
        fn cursors_read_back(text in ".{0,60}") {
            let page = Page { items: vec![()], next: Some(Cursor(text.clone())) };
            let listing = Listing::of(page, |()| ());
            prop_assert_eq!(request(None, listing.next_cursor.as_deref()).unwrap().after, Some(Cursor(text)));
        }

        #[test]
        fn any_text_is_a_cursor_or_none(text in ".{0,2000}") {
            let _ = request(None, Some(&text));
        }
    }
}
