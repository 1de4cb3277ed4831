//! What went wrong with TLS, and what to do about it, in words.

use rustls::{AlertDescription as Alert, CertificateError, Error};

use super::transport::{Target, one_line};

/// The message for an error of the handshake, or of the connection after it.
pub(super) fn explain(problem: &Error, target: &Target) -> String {
    let host = &target.host;
    let (what, advice) = match problem {
        Error::InvalidCertificate(fault) => of_certificate(fault, host),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::PeerIncompatible(_) => (None, VERSIONS.to_owned()),
        Error::InvalidMessage(_) => (None, "check its port, and that it speaks TLS there".to_owned()),
        _ => (None, "check its certificate, its port and that it speaks TLS".to_owned()),
    };
    let what = what.unwrap_or_else(|| one_line(problem));
    format!("TLS with `{target}` failed: {what}; {advice}")
}

const VERSIONS: &str = "the two sides have no TLS version or cipher suite in common; compare with `tls.version-min` and the operator's `connectors.tls-version-min`";

fn of_certificate(fault: &CertificateError, host: &str) -> (Option<String>, String) {
    let (what, advice) = match fault {
        // A bad signature is that of another issuer with the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "nobody that this connector trusts has issued its certificate",
            "store the certificate of its CA, or its own, with `weir identity set NAME --trust FILE`, and name it in `tls.trusted`".to_owned(),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "its certificate has expired",
            "whoever runs it must renew it".to_owned(),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "its certificate is not valid yet",
            "check the clock of this machine, then that of the other".to_owned(),
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "its certificate is for other names",
            format!("write the host in `base-url` as the certificate names it, or have a certificate made for `{host}`"),
        ),
        _ => return (None, "whoever runs it must have another certificate made; a certificate that says it is a CA works when exactly it is in `tls.trusted`".to_owned()),
    };
    (Some(what.to_owned()), advice)
}

fn of_alert(alert: Alert) -> (Option<String>, String) {
    let (what, advice) = match alert {
        Alert::CertificateRequired | Alert::NoCertificate => (
            "it asks for a client certificate",
            "store one with `weir identity set NAME --cert FILE --key FILE`, and name it as `tls.identity`",
        ),
        Alert::UnknownCA
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::DecryptError
        | Alert::AccessDenied => (
            "it refused the client certificate",
            "check that `tls.identity` names the right one, with its chain, and that the other side knows its issuer",
        ),
        Alert::ProtocolVersion | Alert::InsufficientSecurity => return (None, VERSIONS.to_owned()),
        Alert::HandshakeFailure => {
            return (None, format!("it may want a client certificate (`tls.identity`), or {VERSIONS}"));
        }
        _ => return (None, "what it objects to is in its own log".to_owned()),
    };
    (Some(format!("{what} (alert {alert:?})")), advice.to_owned())
}
