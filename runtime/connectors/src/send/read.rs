//! The response, within its limits (C-20, E-03). Nothing is held beyond a limit: reading stops where it is passed.

use weir_engine::connector::Connection;
use weir_engine::message::{Header, Octets, Response};
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use super::transport::{self, Target};
use crate::error::error;

/// What may be read of an answer.
pub(super) struct Reading<'a> {
    /// Who answers.
    pub(super) target: &'a Target,
    /// The document's limits, held to the ceilings.
    pub(super) connection: &'a Connection,
    /// Most header fields.
    pub(super) headers_max: u16,
    /// Most bytes of the body after decompression.
    pub(super) body: BodyLimit,
}

/// How long a body may be.
#[derive(Clone, Copy)]
pub(super) struct BodyLimit {
    pub(super) bytes_max: u64,
    /// What says so, as the subject of `decides`.
    pub(super) whose: &'static str,
}

impl BodyLimit {
    /// Of a function's response.
    pub(super) fn of(connection: &Connection) -> Self {
        Self { bytes_max: connection.response_bytes_max, whose: "the connector's `response-bytes-max`" }
    }
}

/// Reads status, headers and body.
///
/// # Errors
/// `response-too-large`, `protocol`.
pub(super) async fn response(
    mut response: reqwest::Response,
    reading: &Reading<'_>,
) -> Result<Response, ConnectorError> {
    let status = response.status().as_u16();
    if status > 599 {
        let message = format!("`{}` answered with the status {status}; statuses go from 100 to 599", reading.target);
        return Err(error(ConnectorErrorKind::Protocol, message));
    }
    let headers = headers(&response, reading)?;
    let body = body(&mut response, reading).await?;
    if let Some(coding) = headers.iter().find(|header| header.name == "content-encoding").filter(|_| !body.is_empty())
        && !coding.value.as_slice().eq_ignore_ascii_case(b"identity")
    {
        // It could hide a secret from the masking, and no reader could parse it.
        let message = format!(
            "`{}` encoded the body as {:?}; only one of `gzip`, `br`, `zstd` and `deflate` is read",
            reading.target, coding.value
        );
        return Err(error(ConnectorErrorKind::Protocol, message));
    }
    Ok(Response { status, headers, body: Octets::from(body), transformed_data: None })
}

fn headers(response: &reqwest::Response, reading: &Reading<'_>) -> Result<Vec<Header>, ConnectorError> {
    let (count, most) = (response.headers().len(), reading.headers_max);
    if count > usize::from(most) {
        return Err(too_large(reading, format!("more than {most} header fields; the operator's ceiling")));
    }
    let bytes: usize = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let most = reading.connection.header_bytes_max;
    if bytes as u64 > most {
        return Err(too_large(
            reading,
            format!("more than {most} bytes of headers; the connector's `header-bytes-max`"),
        ));
    }
    Ok(response
        .headers()
        .iter()
        .map(|(name, value)| Header { name: name.as_str().to_owned(), value: Octets::from(value.as_bytes().to_vec()) })
        .collect())
}

/// The body after decompression.
async fn body(response: &mut reqwest::Response, reading: &Reading<'_>) -> Result<Vec<u8>, ConnectorError> {
    let BodyLimit { bytes_max: most, whose } = reading.body;
    let over = || too_large(reading, format!("a body of more than {most} bytes; {whose}"));
    if response.content_length().is_some_and(|length| length > most) {
        return Err(over());
    }
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let Some(chunk) = chunk.map_err(|error| transport::explain(&error, reading.target, reading.connection))? else {
            return Ok(body);
        };
        if (body.len() + chunk.len()) as u64 > most {
            return Err(over());
        }
        body.extend_from_slice(&chunk);
    }
}

fn too_large(reading: &Reading<'_>, what: String) -> ConnectorError {
    let message = format!("`{}` answered with {what} decides how many there may be", reading.target);
    error(ConnectorErrorKind::ResponseTooLarge, message)
}
