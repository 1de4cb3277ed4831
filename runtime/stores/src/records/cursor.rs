//! Where listings go on: a letter for the listing, then the last item of the page.

use std::str::FromStr;

use weir_engine::ids::RunId;
use weir_engine::ports::{Cursor, Page, PageRequest, StoreError};

pub(crate) fn of_run(run: RunId) -> Cursor {
    Cursor(format!("r{run}"))
}

pub(crate) fn of_name(name: &str) -> Cursor {
    Cursor(format!("n{}", hex::encode(name)))
}

pub(crate) fn of_version(version: u32) -> Cursor {
    Cursor(format!("v{version}"))
}

pub(crate) fn run(page: &PageRequest) -> Result<Option<RunId>, StoreError> {
    parse(page, 'r')
}

pub(crate) fn version(page: &PageRequest) -> Result<Option<u32>, StoreError> {
    parse(page, 'v')
}

pub(crate) fn name(page: &PageRequest) -> Result<Option<String>, StoreError> {
    let name = |text: String| String::from_utf8(hex::decode(text).ok()?).ok();
    parse::<String>(page, 'n')?.map(|text| name(text).ok_or(StoreError::InvalidCursor)).transpose()
}

fn parse<T: FromStr>(page: &PageRequest, listing: char) -> Result<Option<T>, StoreError> {
    let Some(Cursor(text)) = &page.after else { return Ok(None) };
    let item = text.strip_prefix(listing).and_then(|item| item.parse().ok());
    item.map(Some).ok_or(StoreError::InvalidCursor)
}

/// How many items to look for: one more than the page holds, to know whether there is another page.
pub(crate) fn look_for(page: &PageRequest) -> usize {
    page.limit.max(1).saturating_add(1)
}

/// The page of items, of which there is one more where another page follows.
pub(crate) fn page<T>(mut items: Vec<T>, request: &PageRequest, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
    let limit = request.limit.max(1);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| has_more).map(cursor);
    Page { items, next }
}
