//! Where a request goes, and why it did not get there, in words.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;

use url::Url;
use weir_engine::connector::Connection;
use weir_engine::duration_text;
use weir_engine::ports::{ConnectorError, ConnectorErrorKind as Kind};

use super::tls_fault;
use crate::egress::{Destination, Scheme};
use crate::error::error;
use crate::resolve::NoAddress;

/// Scheme, host and port of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) scheme: Scheme,
    /// As the HTTP client sees it; IPv6 in brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Target {
    /// Of an `http` or `https` URL.
    pub(super) fn of(url: &Url) -> Self {
        Self {
            // Whatever is not `https` is not sent over TLS.
            scheme: if url.scheme() == "https" { Scheme::Https } else { Scheme::Http },
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default().unwrap_or_default(),
        }
    }

    /// As the egress policy sees it.
    pub(super) fn destination(&self) -> Destination<'_> {
        Destination { scheme: self.scheme, host: &self.host, port: self.port }
    }

    /// The address, where the host is one. The URL standard has made every spelling of an address (decimal, octal,
    /// hexadecimal, short, full-width) into the usual one, and what does not parse here is not dialled unresolved.
    pub(super) fn literal(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

/// The port's error for an error of the HTTP client.
pub(super) fn explain(problem: &reqwest::Error, target: &Target, connection: &Connection) -> ConnectorError {
    if let Some(no_address) = find::<NoAddress>(problem) {
        return unresolved(no_address, target);
    }
    if problem.is_connect() && problem.is_timeout() {
        let within = duration_text::to_text(connection.connect_timeout);
        let message = format!(
            "no connection to `{target}` within {within}; check that it is up and reachable from here, or raise the connector's `connect-timeout`"
        );
        return error(Kind::ConnectTimeout, message);
    }
    if let Some(tls) = find::<rustls::Error>(problem) {
        return error(Kind::Tls, tls_fault::explain(tls, target));
    }
    if problem.is_connect() {
        let why = match find::<io::Error>(problem).map(io::Error::kind) {
            None | Some(io::ErrorKind::Other) => one_line(innermost(problem)),
            Some(kind) => kind.to_string(),
        };
        let message = format!("no connection to `{target}`: {why}; check that it is up and reachable from here");
        return error(Kind::Connect, message);
    }
    if find::<hyper::Error>(problem).is_some_and(hyper::Error::is_parse_too_large) {
        let message = format!(
            "`{target}` answered with more headers than are read; the connector's `header-bytes-max` and the operator's ceilings decide how many there may be"
        );
        return error(Kind::ResponseTooLarge, message);
    }
    let what = if problem.is_decode() {
        "its body cannot be decoded"
    } else {
        "it broke the connection or does not speak HTTP"
    };
    let message = format!("`{target}` gave no whole HTTP response: {what} ({})", one_line(innermost(problem)));
    error(Kind::Protocol, message)
}

/// Whether the connection broke, of an error without an answer: the outside system did not say anything wrong, it said
/// nothing.
pub(super) fn is_broken(problem: &reqwest::Error) -> bool {
    let broken =
        |problem: &hyper::Error| problem.is_incomplete_message() || problem.is_closed() || problem.is_canceled();
    !problem.is_connect() && (find::<hyper::Error>(problem).is_some_and(broken) || find::<io::Error>(problem).is_some())
}

/// Whether the connection was gone before anything of the request was written.
pub(super) fn is_unsent(problem: &reqwest::Error) -> bool {
    find::<hyper::Error>(problem).is_some_and(hyper::Error::is_canceled)
}

fn unresolved(no_address: &NoAddress, target: &Target) -> ConnectorError {
    match no_address {
        NoAddress::Denied(denied) => error(Kind::EgressDenied, denied.to_string()),
        NoAddress::Lookup(problem) if problem.kind() == io::ErrorKind::ResourceBusy => {
            let message = format!(
                "the host `{}` was not looked up: too many names are being looked up at once; check that the name server answers, or raise the connector's `connect-timeout`, half of which a name waits for its turn",
                target.host
            );
            error(Kind::Resolve, message)
        }
        NoAddress::Lookup(_) | NoAddress::Empty => {
            let message =
                format!("the host `{}` does not resolve; check its spelling and the name server", target.host);
            error(Kind::Resolve, message)
        }
    }
}

/// The first error of a type in the chain of causes. An `io::Error` hides the error that it wraps from the chain.
fn find<'a, E: Error + 'static>(problem: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(problem);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<E>() {
            return Some(found);
        }
        let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|wrapped| find::<E>(wrapped)) {
            return Some(found);
        }
        next = current.source();
    }
    None
}

/// The innermost error with a text of our side: below one of `hyper` may be the debug data of HTTP/2's GOAWAY, which the
/// other end writes.
fn innermost<'a>(problem: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut current = problem;
    while let Some(source) = current.source().filter(|source| !current.is::<hyper::Error>() || source.is::<io::Error>())
    {
        current = source;
    }
    current
}

/// Text that an outside system may have had a hand in: whole or not at all, for it is masked later, and of half a
/// secret nothing would be found.
pub(super) fn one_line(problem: &dyn Error) -> String {
    let text = problem.to_string();
    if text.chars().count() > TEXT_MAX {
        return format!("the reason has more than {TEXT_MAX} characters");
    }
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// The longest text of an error that is repeated, in characters.
const TEXT_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_whole_or_left_out() {
        // keeps K-02
        let text = |count: usize| one_line(&io::Error::other("x\n".repeat(count / 2)));
        assert_eq!(text(200), "x ".repeat(100));
        assert_eq!(text(202), "the reason has more than 200 characters");
    }
}
