//! Transmit's web service functions (C-01 to C-18).

mod request; // what is sent: URI, body, headers, arguments
pub(crate) mod methods; // which methods take a body
mod statuses; // redirects, attempts, and which statuses fail the call
mod response; // formats and transformation
mod settings; // time-outs, kinds of authentication, log levels
mod journeys; // calls in a flow, and the test of a function

use crate::registry::Runner;

/// Tried in order.
pub(crate) const RUNNERS: &[Runner] = &[
    Runner {
        needs: &["uri"],
        may: &["context", "arguments", "call", "method"],
        expects: &["url", "result"],
        run: request::uri,
    },
    Runner {
        needs: &["answers"],
        may: &["followRedirect", "method", "retry"],
        expects: &["responseStatus", "requests", "result"],
        run: statuses::answers,
    },
    Runner {
        needs: &["status"],
        may: &["returnFailureIfInvalid", "followRedirect", "body"],
        expects: &["result", "responseStatus"],
        run: statuses::one_status,
    },
    Runner {
        needs: &["format"],
        may: &["body", "status", "headers", "transformation", "returnFailureIfInvalid"],
        expects: &[
            "parsed",
            "response.has",
            "response.lacks",
            "response",
            "bodyParsed",
            "headersUsable",
            "result",
            "body",
        ],
        run: response::format,
    },
    Runner {
        needs: &["method"],
        may: &["body"],
        expects: &["bodyFieldShown", "bodyRequired", "valid", "result"],
        run: methods::method,
    },
    Runner {
        needs: &[],
        may: &["requestTimeout", "connectionTimeout", "unit"],
        expects: &["millis", "connectMillis", "requestMillis", "requestTimeout", "connectionTimeout", "valid"],
        run: settings::timeouts,
    },
    Runner { needs: &[], may: &[], expects: &["kinds"], run: settings::authentication_kinds },
    Runner { needs: &[], may: &[], expects: &["methods"], run: methods::all },
    Runner {
        needs: &[],
        may: &[],
        expects: &["levels", "logLevels", "default", "defaultLevel", "formats"],
        run: settings::names,
    },
    Runner {
        needs: &["mode"],
        may: &["status", "answers"],
        expects: &["response", "waits", "result"],
        run: journeys::mode,
    },
    Runner { needs: &["functions"], may: &["step"], expects: &["journey"], run: journeys::functions },
    Runner { needs: &["expression"], may: &["context"], expects: &["branch"], run: journeys::condition },
    Runner { needs: &["test"], may: &["status"], expects: &["shows"], run: journeys::test },
    Runner {
        needs: &[],
        may: &["body", "headers", "context", "arguments", "call", "method", "contentType"],
        expects: &["sent", "headers", "result"],
        run: request::message,
    },
];
