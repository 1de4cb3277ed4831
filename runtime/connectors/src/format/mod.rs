//! Bodies become values, as the function's response format says (C-13).

mod json;
mod text;
mod xml;

use serde_json::Value;
use weir_engine::connector::{PermittedRequest, ResponseFormat};
use weir_engine::expression::type_name;
use weir_engine::message::{Method, Response};

/// How much of a body is read (C-20).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Levels of lists and objects, or of elements.
    pub(crate) depth_max: u16,
    /// Values and names.
    pub(crate) nodes_max: u32,
}

/// The body as a value; `null` where the format reads none, or where HTTP gives none.
///
/// # Errors
/// What is wrong with the body, and where in it.
pub(crate) fn parse(request: &PermittedRequest, response: &Response, limits: Limits) -> Result<Value, String> {
    let body = response.body.as_slice();
    match request.function().response.format {
        ResponseFormat::None => Ok(Value::Null),
        ResponseFormat::String => text::parse(response).map(Value::String),
        _ if has_no_body(request, response) => Ok(Value::Null),
        ResponseFormat::JsonObject => match json::parse(body, limits)? {
            object @ Value::Object(_) => Ok(object),
            other => {
                Err(format!("the body is {}, but the function's response format is `json-object`", type_name(&other)))
            }
        },
        ResponseFormat::JsonArray => match json::parse(body, limits)? {
            array @ Value::Array(_) => Ok(array),
            other => {
                Err(format!("the body is {}, but the function's response format is `json-array`", type_name(&other)))
            }
        },
        ResponseFormat::Xml => xml::parse(response, limits),
    }
}

/// Statuses and methods whose responses never have a body (RFC 9110 section 6.4.1).
pub(crate) fn has_no_body(request: &PermittedRequest, response: &Response) -> bool {
    let never = matches!(response.status, 204 | 205 | 304) || request.request().method == Method::Head;
    never && response.body.is_empty()
}

/// Line and column of a byte, both from 1, as serde_json counts them.
fn place(text: &[u8], index: usize) -> (usize, usize) {
    let before = text.get(..index).unwrap_or(text);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}
