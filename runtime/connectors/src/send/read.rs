//! The response, within its limits (C-20, E-03). Nothing is held beyond a limit: reading stops where it is passed.

use weir_engine::message::{Header, Octets, Response};
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use super::{Call, transport};
use crate::error::error;

/// Reads status, headers and body.
///
/// # Errors
/// `response-too-large`, `protocol`.
pub(super) async fn response(mut response: reqwest::Response, call: &Call<'_>) -> Result<Response, ConnectorError> {
    let status = response.status().as_u16();
    if status > 599 {
        let message = format!("`{}` answered with the status {status}; statuses go from 100 to 599", call.target);
        return Err(error(ConnectorErrorKind::Protocol, message));
    }
    let headers = headers(&response, call)?;
    let body = body(&mut response, call).await?;
    if let Some(coding) = headers.iter().find(|header| header.name == "content-encoding").filter(|_| !body.is_empty())
        && !coding.value.as_slice().eq_ignore_ascii_case(b"identity")
    {
        // It could hide a secret from the masking, and no reader could parse it.
        let message = format!(
            "`{}` encoded the body as {:?}; only one of `gzip`, `br`, `zstd` and `deflate` is read",
            call.target, coding.value
        );
        return Err(error(ConnectorErrorKind::Protocol, message));
    }
    Ok(Response { status, headers, body: Octets::from(body), transformed_data: None })
}

fn headers(response: &reqwest::Response, call: &Call<'_>) -> Result<Vec<Header>, ConnectorError> {
    let (count, most) = (response.headers().len(), call.ceilings.response_headers_max);
    if count > usize::from(most) {
        return Err(too_large(call, format!("more than {most} header fields; the operator's ceiling")));
    }
    let bytes: usize = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let most = call.connection.header_bytes_max;
    if bytes as u64 > most {
        return Err(too_large(call, format!("more than {most} bytes of headers; the connector's `header-bytes-max`")));
    }
    Ok(response
        .headers()
        .iter()
        .map(|(name, value)| Header { name: name.as_str().to_owned(), value: Octets::from(value.as_bytes().to_vec()) })
        .collect())
}

/// The body after decompression.
async fn body(response: &mut reqwest::Response, call: &Call<'_>) -> Result<Vec<u8>, ConnectorError> {
    let most = call.connection.response_bytes_max;
    let over = || too_large(call, format!("a body of more than {most} bytes; the connector's `response-bytes-max`"));
    if response.content_length().is_some_and(|length| length > most) {
        return Err(over());
    }
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let Some(chunk) = chunk.map_err(|error| transport::explain(&error, call.target, call.connection))? else {
            return Ok(body);
        };
        if (body.len() + chunk.len()) as u64 > most {
            return Err(over());
        }
        body.extend_from_slice(&chunk);
    }
}

fn too_large(call: &Call<'_>, what: String) -> ConnectorError {
    let message = format!("`{}` answered with {what} decides how many there may be", call.target);
    error(ConnectorErrorKind::ResponseTooLarge, message)
}
