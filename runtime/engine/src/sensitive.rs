//! Redaction by name (D-04): what stands under a sensitive name becomes `***`, in headers, queries, JSON, forms, and in
//! JSON and URLs within texts.
//!
//! Secrets of a call are masked by their value before anything here sees them; this is for what the host cannot know to
//! be one. Where a text has no structure that can be read and yet mentions a sensitive name, it is hidden as a whole.
//! The time that it takes is linear in the text, whatever the names are.

mod matcher;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, OnceLock};

use serde_json::Value;
use url::form_urlencoded;

use self::matcher::{Matcher, letters};
use crate::message::{Header, Octets, Request, Response};

/// What stands in the place of a value.
pub const MASK: &str = "***";

/// Most names that one document or setting may mark.
pub const NAMES_MAX: usize = 100;
/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// A name with one of these in it is sensitive by itself. Compared like all names: letters and digits only, lower case.
const STANDARD: [&str; 15] = [
    "token",
    "jwt",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "signature",
    "authorization",
    "cookie",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "assertion",
    "sessionid",
];

static STANDARD_MATCHER: LazyLock<Matcher> = LazyLock::new(|| Matcher::of(STANDARD.into_iter()));

/// How often JSON may hold a text that holds JSON: each level takes another reading.
const TEXTS_WITHIN_MAX: u8 = 4;

/// The names whose values are not shown. Compared without regard to case and to anything but letters and digits:
/// `Date-of-Birth` is `dateOfBirth`.
#[derive(Debug, Clone, Default)]
pub struct SensitiveNames {
    marked: BTreeSet<String>,
    /// Made when a text is searched first, once for all clones.
    matcher: Arc<OnceLock<Matcher>>,
    with_standard: bool,
}

/// Whether a text can be a sensitive name: it has a letter or a digit, and at most [`NAME_BYTES_MAX`] bytes.
pub fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && !plain(name).is_empty()
}

/// Letters and digits, lower case.
fn plain(text: &str) -> String {
    letters(text).collect()
}

impl SensitiveNames {
    /// These names.
    pub fn marked<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let marked = names.into_iter().map(plain).filter(|name| !name.is_empty()).collect();
        Self { marked, matcher: Arc::default(), with_standard: false }
    }

    /// These and those that are sensitive by themselves: `authorization`, `cookie`, and all with `token`, `secret`,
    /// `password`, `signature` and the like in them.
    #[must_use]
    pub fn and_standard(mut self) -> Self {
        self.with_standard = true;
        self
    }

    /// Adds names.
    pub fn mark<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.marked.append(&mut Self::marked(names).marked);
        self.matcher = Arc::default();
    }

    /// Whether no name is sensitive.
    pub fn is_empty(&self) -> bool {
        self.marked.is_empty() && !self.with_standard
    }

    /// Whether a name is sensitive: as a whole, or a part of it as in `user[ssn]`, `user.ssn` and `x:ssn`.
    pub fn has(&self, name: &str) -> bool {
        let whole = plain(name);
        let is_part = || name.split(['[', ']', '.', ':', '/']).any(|part| self.marked.contains(&plain(part)));
        self.marked.contains(&whole)
            || (self.with_standard && STANDARD_MATCHER.finds(name))
            || (!self.marked.is_empty() && is_part())
    }

    /// Whether a text has a sensitive name anywhere, also percent-encoded.
    fn is_mentioned(&self, text: &str) -> bool {
        let is_marked = |text: &str| {
            let matcher = || Matcher::of(self.marked.iter().map(String::as_str).collect::<Vec<_>>().into_iter());
            !self.marked.is_empty() && self.matcher.get_or_init(matcher).finds(text)
        };
        let within = |text: &str| (self.with_standard && STANDARD_MATCHER.finds(text)) || is_marked(text);
        let decoded = || percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        within(text) || (text.contains('%') && within(&decoded()))
    }

    /// Masks every member of a sensitive name, however deep.
    pub fn mask_json(&self, value: &mut Value) {
        self.mask_within(value, TEXTS_WITHIN_MAX);
    }

    /// Masks a run's context (`{event, connectors, steps, claims}`). How people call a connector or a step says nothing
    /// about what it answered: those names hide nothing.
    pub fn mask_context(&self, context: &mut Value) {
        for (root, value) in context.as_object_mut().into_iter().flatten() {
            self.mask_root(root, value);
        }
    }

    /// Masks a root of the context.
    pub(crate) fn mask_root(&self, root: &str, value: &mut Value) {
        match value {
            Value::Object(named) if matches!(root, "connectors" | "steps") => {
                named.values_mut().for_each(|value| self.mask_json(value));
            }
            value => self.mask_json(value),
        }
    }

    /// Whether something was masked.
    fn mask_within(&self, value: &mut Value, texts: u8) -> bool {
        match value {
            Value::Object(object) => {
                // `{name: …, value: …}`, as lists of headers, claims and attributes are written.
                let named = ["name", "key", "uri"].iter().filter_map(|member| object.get(*member)?.as_str());
                let is_pair = object.contains_key("value") && named.into_iter().any(|name| self.has(name));
                object.iter_mut().fold(false, |masked, (name, inner)| {
                    // `updatingValue`: what a claim is to become, beside what it is.
                    let hide = self.has(name) || (is_pair && matches!(name.as_str(), "value" | "updatingValue"));
                    masked | if hide { mask_value(inner) } else { self.mask_within(inner, texts) }
                })
            }
            Value::Array(list) => list.iter_mut().fold(false, |masked, item| masked | self.mask_within(item, texts)),
            Value::String(text) => match self.masked_text(text, texts) {
                Some(masked) => {
                    *text = masked;
                    true
                }
                None => false,
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// The text with what it holds masked, where it is JSON or has a query or a fragment and something in it is to be
    /// masked.
    fn masked_text(&self, text: &str, texts: u8) -> Option<String> {
        if text.trim_start().starts_with(['{', '[']) {
            let read = if texts == 0 { None } else { serde_json::from_str::<Value>(text).ok() };
            return match read {
                Some(mut value) => {
                    (self.mask_within(&mut value, texts - 1) || self.is_hidden_in(text)).then(|| value.to_string())
                }
                None => self.is_hidden_in(text).then(|| MASK.to_owned()),
            };
        }
        let (rest, fragment) = text.split_once('#').map_or((text, None), |(rest, fragment)| (rest, Some(fragment)));
        let masked_rest = rest.split_once('?').and_then(|(before, query)| {
            let query = self.masked_form(query, texts)?;
            Some(format!("{before}?{query}"))
        });
        let masked_fragment = fragment.and_then(|fragment| self.masked_fragment(fragment, texts));
        if masked_rest.is_none() && masked_fragment.is_none() {
            return None;
        }
        let rest = masked_rest.as_deref().unwrap_or(rest);
        Some(match masked_fragment.as_deref().or(fragment) {
            Some(fragment) => format!("{rest}#{fragment}"),
            None => rest.to_owned(),
        })
    }

    /// A fragment may be a form, or a place with a query.
    fn masked_fragment(&self, fragment: &str, texts: u8) -> Option<String> {
        match fragment.split_once('?') {
            Some((before, query)) => self.masked_form(query, texts).map(|query| format!("{before}?{query}")),
            None if fragment.contains('=') => self.masked_form(fragment, texts),
            None => None,
        }
    }

    /// Reading drops a member that comes twice, so that what was masked is not all that was written.
    fn is_hidden_in(&self, json: &str) -> bool {
        json.contains("\\u") || self.is_mentioned(json)
    }

    /// The form or query with what is sensitive masked, also within its values; none where nothing is.
    fn masked_form(&self, text: &str, texts: u8) -> Option<String> {
        let within = |value: &str| match texts.checked_sub(1) {
            Some(texts) => self.masked_text(value, texts),
            None => self.is_hidden_in(value).then(|| MASK.to_owned()),
        };
        let mut form = form_urlencoded::Serializer::new(String::new());
        let mut is_masked = false;
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let masked_name = within(&name);
            let masked_value = if self.has(&name) { Some(MASK.to_owned()) } else { within(&value) };
            is_masked |= masked_name.is_some() || masked_value.is_some();
            form.append_pair(masked_name.as_deref().unwrap_or(&name), masked_value.as_deref().unwrap_or(&value));
        }
        is_masked.then(|| form.finish())
    }

    /// Masks a URL's query and fragment.
    pub fn mask_uri(&self, uri: &mut url::Url) {
        if let Some(masked) = uri.query().and_then(|query| self.masked_form(query, TEXTS_WITHIN_MAX)) {
            uri.set_query(Some(&masked));
        }
        if let Some(masked) = uri.fragment().and_then(|fragment| self.masked_fragment(fragment, TEXTS_WITHIN_MAX)) {
            uri.set_fragment(Some(&masked));
        }
    }

    /// Masks the headers of a sensitive name, and queries and JSON in the values of others.
    pub fn mask_headers(&self, headers: &mut [Header]) {
        for header in headers {
            let masked = match header.value.as_text() {
                _ if self.has(&header.name) => Some(MASK.to_owned()),
                Some(text) => self.masked_text(text, TEXTS_WITHIN_MAX),
                None => None,
            };
            header.value = masked.map_or_else(|| header.value.clone(), Octets::from);
        }
    }

    /// The body, masked. `content_type` is the value of its header.
    pub fn masked_body(&self, body: &Octets, content_type: Option<&str>) -> Octets {
        if self.is_empty() || body.is_empty() {
            return body.clone();
        }
        let kind = content_type.unwrap_or_default().to_ascii_lowercase();
        let hidden = || Octets::from(format!("{MASK} ({} bytes, hidden for a sensitive name in them)", body.len()));
        let Some(text) = body.as_text() else {
            let mentions = self.is_mentioned(&String::from_utf8_lossy(body.as_slice()));
            return if mentions { hidden() } else { body.clone() };
        };
        if text.trim_start().starts_with(['{', '[']) || kind.contains("json") {
            return match serde_json::from_str::<Value>(text) {
                Ok(mut value) => {
                    let masked = self.mask_within(&mut value, TEXTS_WITHIN_MAX) || self.is_hidden_in(text);
                    if masked { value.to_string().into() } else { body.clone() }
                }
                Err(_) if self.is_hidden_in(text) => hidden(),
                Err(_) => body.clone(),
            };
        }
        let form = if kind.contains("x-www-form-urlencoded") { self.masked_form(text, TEXTS_WITHIN_MAX) } else { None };
        match form {
            Some(masked) => masked.into(),
            None if kind.contains("x-www-form-urlencoded") => body.clone(),
            None if self.is_mentioned(text) => hidden(),
            None => body.clone(),
        }
    }

    /// Masks a request.
    pub fn mask_request(&self, request: &mut Request) {
        let kind = request.headers.iter().find(|header| header.name == "content-type");
        let kind = kind.and_then(|header| header.value.as_text()).map(str::to_owned);
        request.body = request.body.as_ref().map(|body| self.masked_body(body, kind.as_deref()));
        self.mask_uri(&mut request.uri);
        self.mask_headers(&mut request.headers);
    }

    /// Masks a response.
    pub fn mask_response(&self, response: &mut Response) {
        response.body = self.masked_body(&response.body, response.header("content-type"));
        self.mask_headers(&mut response.headers);
        response.transformed_data.iter_mut().for_each(|data| self.mask_json(data));
    }
}

/// Whether there was something to hide.
fn mask_value(value: &mut Value) -> bool {
    if value.is_null() || *value == MASK {
        return false;
    }
    *value = Value::String(MASK.to_owned());
    true
}

#[cfg(test)]
mod tests;
