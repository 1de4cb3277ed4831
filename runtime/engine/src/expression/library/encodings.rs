//! Encodings and hashes. There is no HMAC: its secret would stand in a flow; connectors sign with stored credentials.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use cel::Value;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256, Sha512};

use super::{Function, Run, function, of_bytes, of_text, unfit};
use crate::expression::cost::CostClass;
use crate::expression::meter;

pub(super) static FUNCTIONS: [Function; 10] = [
    function(
        "base64.encode",
        "base64.encode(string|bytes) -> string",
        "Base64 of the bytes, or of the text in UTF-8",
        ["base64.encode('hello?')", "\"aGVsbG8/\""],
        CostClass::Output,
        Run::Here(base64_encode),
    ),
    function(
        "base64.decode",
        "base64.decode(string) -> bytes",
        "The bytes of base64, with or without padding; `string(…)` makes text of them",
        ["string(base64.decode('aGVsbG8'))", "\"hello\""],
        CostClass::Output,
        Run::Here(base64_decode),
    ),
    function(
        "base64url.encode",
        "base64url.encode(string|bytes) -> string",
        "Base64 for URLs (RFC 4648 section 5), without padding",
        ["base64url.encode('hello?')", "\"aGVsbG8_\""],
        CostClass::Output,
        Run::Here(base64url_encode),
    ),
    function(
        "base64url.decode",
        "base64url.decode(string) -> bytes",
        "The bytes of base64 for URLs, with or without padding",
        ["string(base64url.decode('aGVsbG8_'))", "\"hello?\""],
        CostClass::Output,
        Run::Here(base64url_decode),
    ),
    function(
        "hex.encode",
        "hex.encode(string|bytes) -> string",
        "Two hexadecimal digits for each byte, in lower case",
        ["hex.encode('é')", "\"c3a9\""],
        CostClass::Output,
        Run::Here(hex_encode),
    ),
    function(
        "hex.decode",
        "hex.decode(string) -> bytes",
        "The bytes of hexadecimal digits",
        ["string(hex.decode('C3a9'))", "\"é\""],
        CostClass::Output,
        Run::Here(hex_decode),
    ),
    function(
        "url.encode",
        "url.encode(string) -> string",
        "The text percent-encoded as a part of a URL (RFC 3986): all but letters, digits and `-._~`",
        ["url.encode('a b/é')", "\"a%20b%2F%C3%A9\""],
        CostClass::Output,
        Run::Here(url_encode),
    ),
    function(
        "url.decode",
        "url.decode(string) -> string",
        "The text without percent-encoding; `+` stays as it is",
        ["url.decode('a%20b%2F')", "\"a b/\""],
        CostClass::Output,
        Run::Here(url_decode),
    ),
    function(
        "hash.sha256",
        "hash.sha256(string|bytes) -> bytes",
        "The SHA-256 digest of the bytes, or of the text in UTF-8",
        ["hex.encode(hash.sha256('abc')).substring(0, 16)", "\"ba7816bf8f01cfea\""],
        CostClass::Text,
        Run::Here(sha256),
    ),
    function(
        "hash.sha512",
        "hash.sha512(string|bytes) -> bytes",
        "The SHA-512 digest of the bytes, or of the text in UTF-8",
        ["hex.encode(hash.sha512('abc')).substring(0, 16)", "\"ddaf35a193617aba\""],
        CostClass::Text,
        Run::Here(sha512),
    ),
];

/// What RFC 3986 calls unreserved stays as it is.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn bytes_of(given: &[Value]) -> Result<&[u8], String> {
    match given {
        [Value::String(text)] => Ok(text.as_bytes()),
        [Value::Bytes(bytes)] => Ok(bytes),
        _ => Err(unfit()),
    }
}

fn text_of(given: &[Value]) -> Result<&str, String> {
    let [Value::String(text)] = given else { return Err(unfit()) };
    Ok(text)
}

fn base64_encode(given: &[Value]) -> Result<Value, String> {
    Ok(of_text(BASE64_STANDARD.encode(bytes_of(given)?)))
}

fn base64url_encode(given: &[Value]) -> Result<Value, String> {
    Ok(of_text(BASE64_URL_SAFE_NO_PAD.encode(bytes_of(given)?)))
}

fn decode(given: &[Value], engine: &impl Engine, what: &str) -> Result<Value, String> {
    let text: String = text_of(given)?.chars().filter(|character| !"\r\n".contains(*character)).collect();
    let decoded = engine.decode(text.trim_end_matches('=')).map(of_bytes);
    decoded.map_err(|_| format!("is given text that is no {what}"))
}

fn base64_decode(given: &[Value]) -> Result<Value, String> {
    decode(given, &base64::prelude::BASE64_STANDARD_NO_PAD, "base64")
}

fn base64url_decode(given: &[Value]) -> Result<Value, String> {
    decode(given, &BASE64_URL_SAFE_NO_PAD, "base64 for URLs")
}

fn hex_encode(given: &[Value]) -> Result<Value, String> {
    Ok(of_text(hex::encode(bytes_of(given)?)))
}

fn hex_decode(given: &[Value]) -> Result<Value, String> {
    let decoded = hex::decode(text_of(given)?).map(of_bytes);
    decoded.map_err(|_| "is given text that is not pairs of hexadecimal digits".to_owned())
}

fn url_encode(given: &[Value]) -> Result<Value, String> {
    Ok(of_text(utf8_percent_encode(text_of(given)?, &RESERVED).to_string()))
}

fn url_decode(given: &[Value]) -> Result<Value, String> {
    let decoded = percent_decode_str(text_of(given)?).decode_utf8().map(of_text);
    decoded.map_err(|_| "is given text whose bytes are no UTF-8 when they are decoded".to_owned())
}

/// How many bytes a digest takes in for one operation.
const BYTES_PER_OPERATION: u64 = 4;

fn digested(given: &[Value]) -> Result<&[u8], String> {
    let bytes = bytes_of(given)?;
    meter::spend(bytes.len() as u64 / BYTES_PER_OPERATION)?;
    Ok(bytes)
}

fn sha256(given: &[Value]) -> Result<Value, String> {
    Ok(of_bytes(Sha256::digest(digested(given)?).to_vec()))
}

fn sha512(given: &[Value]) -> Result<Value, String> {
    Ok(of_bytes(Sha512::digest(digested(given)?).to_vec()))
}
