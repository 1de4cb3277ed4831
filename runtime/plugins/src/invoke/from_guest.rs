//! The contract's types in ours. A guest's values are checked here and nowhere else: what cannot be represented is
//! refused with words; what may not be done is the engine's to refuse.

use serde_json::Value;
use weir_engine::action::{DESCRIPTION_CHARS_MAX, Operation, REASON_CHARS_MAX};
use weir_engine::connector::{HEADERS_MAX, NotPermitted, check_header};
use weir_engine::message::{Failure, Header, Method, Octets, Request, Response};

use super::bindings::types;

/// Deepest nesting of a JSON value from a guest. The journal keeps such values some levels down in its own documents,
/// which must stay readable within serde_json's 128.
pub(crate) const JSON_DEPTH_MAX: usize = 100;
/// Most values, members and separators of a JSON text. Parsed, each takes up to a few hundred bytes.
const JSON_MARKS_MAX: usize = 200_000;
/// Largest arguments of a call of a connector, in bytes.
const ARGUMENTS_BYTES_MAX: usize = 256 << 10;
/// Most operations of a decision; what the engine applies at most.
const OPERATIONS_MAX: usize = 200;
/// What a header or an operation counts besides its text, in bytes: about what an empty one takes to keep.
const ENTRY_BYTES: usize = 64;
/// Longest piece of a guest's text in our words, in characters.
const QUOTE_CHARS_MAX: usize = 80;

/// Why a value is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// Over the limit of output, in bytes.
    TooLarge { max: u64 },
    /// Not what the contract says.
    Invalid(String),
}

impl Rejected {
    pub(super) fn into_words(self) -> String {
        match self {
            Self::TooLarge { max } => format!("it is larger than {max} bytes"),
            Self::Invalid(words) => words,
        }
    }
}

fn invalid<T>(words: impl Into<String>) -> Result<T, Rejected> {
    Err(Rejected::Invalid(words.into()))
}

/// A guest's text, short and clean enough to be quoted.
fn quote(text: &str) -> String {
    let mut quoted: String = super::log::clean(text).chars().take(QUOTE_CHARS_MAX).collect();
    if text.chars().nth(QUOTE_CHARS_MAX).is_some() {
        quoted.push('…');
    }
    quoted
}

/// The arguments of a call: read before anybody has asked whether the call is granted, and so kept small.
pub(super) fn arguments(text: &str) -> Result<Value, Rejected> {
    if text.len() > ARGUMENTS_BYTES_MAX {
        return invalid(format!("arguments have {} bytes; at most {ARGUMENTS_BYTES_MAX} are taken", text.len()));
    }
    json("arguments", text)
}

/// A JSON value that a guest gave for `what`.
fn json(what: &str, text: &str) -> Result<Value, Rejected> {
    // Before parsing: a value takes many times the bytes of its text.
    let marks = marks(text);
    if marks > JSON_MARKS_MAX {
        return invalid(format!(
            "{what} has {marks} brackets, colons and commas; at most {JSON_MARKS_MAX} are taken, so make it simpler"
        ));
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|error| Rejected::Invalid(format!("{what} is not JSON: {error}; it begins with `{}`", quote(text))))?;
    if depth(&value) > JSON_DEPTH_MAX {
        return invalid(format!("{what} is nested deeper than {JSON_DEPTH_MAX} levels"));
    }
    Ok(value)
}

/// How many `[`, `{`, `:` and `,` a JSON text has outside of strings: at least as many as values, but one.
fn marks(text: &str) -> usize {
    let (mut marks, mut is_string, mut is_escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'[' | b'{' | b':' | b',' if !is_string => marks += 1,
            _ => {}
        }
    }
    marks
}

/// How many arrays and objects lie in one another. serde_json has bounded it before.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Reads a decision and counts its bytes.
pub(crate) struct Reader {
    left: u64,
    max: u64,
}

impl Reader {
    pub(super) fn new(output_bytes: u64) -> Self {
        Self { left: output_bytes, max: output_bytes }
    }

    fn count(&mut self, bytes: usize) -> Result<(), Rejected> {
        self.left = self.left.checked_sub(bytes as u64).ok_or(Rejected::TooLarge { max: self.max })?;
        Ok(())
    }

    pub(super) fn request(&mut self, request: types::Request) -> Result<Request, Rejected> {
        self.count(request.method.len() + request.uri.len())?;
        let Some(method) = Method::parse(&request.method) else {
            return invalid(format!(
                "`{}` is not a method; write GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS",
                quote(&request.method)
            ));
        };
        let uri = url::Url::parse(&request.uri).map_err(|error| {
            let uri = quote(&request.uri);
            Rejected::Invalid(format!(
                "`{uri}` is not an absolute URI ({error}); change path or query of the given one"
            ))
        })?;
        let headers = self.headers(request.headers)?;
        let body = request.body.map(|body| self.octets(body)).transpose()?;
        Ok(Request { method, uri, headers, body })
    }

    pub(super) fn response(&mut self, response: types::Response) -> Result<Response, Rejected> {
        if !(100..=599).contains(&response.status) {
            return invalid(format!("{} is not an HTTP status; write 100 to 599", response.status));
        }
        let headers = self.headers(response.headers)?;
        let body = self.octets(response.body)?;
        let transformed_data =
            response.transformed_data.map(|text| self.json("transformed-data", &text)).transpose()?;
        Ok(Response { status: response.status, headers, body, transformed_data })
    }

    fn octets(&mut self, bytes: Vec<u8>) -> Result<Octets, Rejected> {
        self.count(bytes.len())?;
        Ok(Octets::from(bytes))
    }

    fn json(&mut self, what: &str, text: &str) -> Result<Value, Rejected> {
        self.count(text.len())?;
        json(what, text)
    }

    fn text(&mut self, text: String) -> Result<String, Rejected> {
        self.count(text.len())?;
        Ok(text)
    }

    fn headers(&mut self, headers: Vec<types::Header>) -> Result<Vec<Header>, Rejected> {
        if headers.len() > HEADERS_MAX {
            return invalid(format!("it has {} headers; at most {HEADERS_MAX} are taken", headers.len()));
        }
        headers.into_iter().map(|header| self.header(header)).collect()
    }

    fn header(&mut self, header: types::Header) -> Result<Header, Rejected> {
        self.count(ENTRY_BYTES + header.name.len() + header.value.len())?;
        let header = Header { name: header.name.to_ascii_lowercase(), value: Octets::from(header.value) };
        let checked = match check_header(&header) {
            // A response may well have `content-length`; for a request, the engine refuses it. Its value is checked
            // under a name that is not reserved.
            Err(NotPermitted::ReservedHeader(name)) => {
                check_header(&Header { name: "value".to_owned(), value: header.value.clone() })
                    .map_err(|_| NotPermitted::HeaderValue(name))
            }
            checked => checked,
        };
        checked.map(|()| header).or_else(|error| invalid(quote_words(&error.to_string())))
    }

    fn operation(&mut self, operation: types::Operation) -> Result<Operation, Rejected> {
        self.count(ENTRY_BYTES)?;
        Ok(match operation {
            types::Operation::Add(change) => {
                let (path, value) = self.change(change)?;
                Operation::Add { path, value: Some(value) }
            }
            types::Operation::Replace(change) => {
                let (path, value) = self.change(change)?;
                Operation::Replace { path, value: Some(value) }
            }
            types::Operation::Remove(path) => Operation::Remove { path: self.text(path)? },
            types::Operation::Redirect(url) => Operation::Redirect { url: self.text(url)? },
        })
    }

    pub(super) fn operations(&mut self, operations: Vec<types::Operation>) -> Result<Vec<Operation>, Rejected> {
        if operations.len() > OPERATIONS_MAX {
            return invalid(format!("it has {} operations; at most {OPERATIONS_MAX} are taken", operations.len()));
        }
        operations.into_iter().map(|operation| self.operation(operation)).collect()
    }

    fn change(&mut self, change: types::Change) -> Result<(String, Value), Rejected> {
        let value = self.json(&format!("the value for `{}`", quote(&change.path)), &change.value)?;
        Ok((self.text(change.path)?, value))
    }

    pub(super) fn failure(&mut self, failure: types::Failure) -> Result<Failure, Rejected> {
        let description = failure.description.as_deref().unwrap_or_default();
        for (what, text, max) in
            [("reason", failure.reason.as_str(), REASON_CHARS_MAX), ("description", description, DESCRIPTION_CHARS_MAX)]
        {
            let chars = text.chars().count();
            if chars > max {
                return invalid(format!("the failure's {what} has {chars} characters, at most {max} are allowed"));
            }
        }
        self.count(failure.reason.len() + description.len())?;
        Ok(Failure { reason: failure.reason, description: failure.description })
    }
}

/// Words that may quote a guest, made clean.
fn quote_words(words: &str) -> String {
    super::log::clean(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &[u8]) -> types::Header {
        types::Header { name: name.to_owned(), value: value.to_vec() }
    }

    fn request(method: &str, uri: &str, headers: Vec<types::Header>) -> types::Request {
        types::Request { method: method.to_owned(), uri: uri.to_owned(), headers, body: Some(b"body".to_vec()) }
    }

    fn words<T: std::fmt::Debug>(rejected: Result<T, Rejected>) -> String {
        rejected.unwrap_err().into_words()
    }

    #[test]
    fn json_is_accepted_up_to_the_depth_and_not_beyond() {
        // covers P-05
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(json("x", &nested(JSON_DEPTH_MAX)).is_ok());
        assert!(words(json("x", &nested(JSON_DEPTH_MAX + 1))).contains("nested deeper than 100"));
        assert!(words(json("x", &nested(100_000))).contains("is not JSON"));
        assert!(words(json("x", "{'a'")).contains("it begins with `{'a'`"));
    }

    #[test]
    fn json_has_so_many_values_and_no_more() {
        // keeps S-05
        let list = |items: usize| format!("[{}1]", "1,".repeat(items - 1));
        assert!(json("x", &list(JSON_MARKS_MAX)).is_ok());
        assert!(words(json("x", &list(JSON_MARKS_MAX + 1))).contains("x has 200001 brackets, colons and commas"));
        let text = format!(r#"["{}\"{}\\", {{"a": 1}}]"#, "[{:,".repeat(JSON_MARKS_MAX), ",".repeat(10));
        assert_eq!(marks(&text), 4, "a string's own do not count");
        assert!(json("x", &text).is_ok());
    }

    #[test]
    fn arguments_are_small() {
        // keeps S-05
        let arguments = |bytes: usize| arguments(&format!("{}1", " ".repeat(bytes - 1)));
        assert!(arguments(ARGUMENTS_BYTES_MAX).is_ok());
        assert!(words(arguments(ARGUMENTS_BYTES_MAX + 1)).contains("262145 bytes; at most 262144"));
    }

    #[test]
    fn a_request_is_represented_or_refused() {
        let read = |request| Reader::new(1_000).request(request);
        let good = read(request("POST", "https://api.example.com/x?y", vec![header("X-Sig", b"1")])).unwrap();
        assert_eq!((good.method, good.headers[0].name.as_str()), (Method::Post, "x-sig"));
        assert!(words(read(request("post", "https://a/", vec![]))).contains("`post` is not a method"));
        assert!(words(read(request("GET", "/path", vec![]))).contains("not an absolute URI"));
        for bad in [header("a b", b""), header("", b""), header("x", b"1\r\ny: 2"), header("x", b"\0")] {
            assert!(read(request("GET", "https://a/", vec![bad])).is_err());
        }
        assert!(read(request("GET", "https://a/", vec![header("content-length", b"4")])).is_ok());
        for bad in [&b"4\r\nx: y"[..], b"4\0"] {
            let words = words(read(request("GET", "https://a/", vec![header("Content-Length", bad)])));
            assert!(words.contains("`content-length`") && words.contains("control character"), "{words}");
        }
    }

    #[test]
    fn headers_and_operations_are_counted() {
        // keeps S-05
        let headers = |count| {
            let headers = vec![header("n", b""); count];
            Reader::new(100_000).request(request("GET", "https://a/", headers))
        };
        assert!(headers(HEADERS_MAX).is_ok());
        assert!(words(headers(HEADERS_MAX + 1)).contains("it has 101 headers; at most 100"));
        let operations =
            |count, bytes| Reader::new(bytes).operations(vec![types::Operation::Remove(String::new()); count]);
        assert!(operations(OPERATIONS_MAX, 100_000).is_ok());
        assert!(words(operations(OPERATIONS_MAX + 1, 100_000)).contains("it has 201 operations; at most 200"));
        assert!(operations(2, 128).is_ok());
        assert_eq!(operations(2, 127), Err(Rejected::TooLarge { max: 127 }));
    }

    #[test]
    fn a_response_has_a_status_and_json() {
        let response = |status, data: Option<&str>| {
            let transformed_data = data.map(str::to_owned);
            Reader::new(1_000).response(types::Response { status, headers: vec![], body: vec![], transformed_data })
        };
        assert!(response(100, None).is_ok() && response(599, Some("null")).is_ok());
        assert!(response(99, None).is_err() && response(600, None).is_err());
        assert!(words(response(200, Some("nope"))).contains("transformed-data is not JSON"));
    }

    #[test]
    fn output_is_counted_to_the_byte() {
        // covers P-05
        let whole = || request("GET", "https://a/", vec![header("n", b"v")]);
        let bytes = 3 + 10 + 64 + 2 + 4;
        assert!(Reader::new(bytes).request(whole()).is_ok());
        assert_eq!(Reader::new(bytes - 1).request(whole()), Err(Rejected::TooLarge { max: bytes - 1 }));
    }

    #[test]
    fn a_failure_is_short() {
        // covers A-07
        let failure = |reason: usize, description: usize| {
            let description = Some("ü".repeat(description));
            Reader::new(10_000).failure(types::Failure { reason: "ü".repeat(reason), description })
        };
        assert!(failure(REASON_CHARS_MAX, DESCRIPTION_CHARS_MAX).is_ok());
        assert!(failure(REASON_CHARS_MAX + 1, 0).is_err());
        assert!(failure(0, DESCRIPTION_CHARS_MAX + 1).is_err());
    }
}
