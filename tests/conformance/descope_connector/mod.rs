//! Descope's generic HTTP connector (C-01, C-05, C-06, C-17, F-08, F-10).

mod authentication; // methods, and which settings they need
mod context; // what a response leaves in the context, and claims made of it
mod endings; // what a call that fails leads to
mod request; // URL and headers
mod signing;

use crate::registry::Runner;
use crate::transmit_function::methods;

/// Tried in order.
pub(crate) const RUNNERS: &[Runner] = &[
    Runner { needs: &["baseUrl"], may: &["endpoint"], expects: &["url"], run: request::url },
    Runner { needs: &["headers"], may: &[], expects: &["stored", "sent"], run: request::headers },
    Runner { needs: &["stored"], may: &[], expects: &["read"], run: request::stored },
    Runner { needs: &["method"], may: &["body"], expects: &["valid", "result"], run: methods::method },
    Runner { needs: &["key", "type", "value"], may: &["context"], expects: &["claims"], run: context::claims },
    Runner {
        needs: &["contextKey", "responseBody", "path"],
        may: &[],
        expects: &["result", "value"],
        run: context::path,
    },
    Runner { needs: &["includeHeadersInContext"], may: &[], expects: &["contextHas"], run: context::headers },
    Runner { needs: &["authentication"], may: &[], expects: &["valid", "method"], run: authentication::method },
    Runner {
        needs: &["aws_auth_type"],
        may: authentication::AWS,
        expects: &["valid", "missing"],
        run: authentication::aws,
    },
    Runner {
        needs: &["read"],
        may: &[],
        expects: &[
            "hmacSecret",
            "awsAccessKeyId",
            "awsSecretAccessKey",
            "rfc9421PrivateKey",
            "bearerToken",
            "password",
            "token",
        ],
        run: authentication::secrets,
    },
    Runner { needs: &[], may: &["insecure"], expects: &["insecure", "valid"], run: authentication::insecure },
    Runner {
        needs: &["hmacSecret"],
        may: &["body", "payload"],
        expects: &["header", "signature", "value"],
        run: signing::hmac,
    },
    Runner {
        needs: &["hmac_secret"],
        may: &["body", "payload"],
        expects: &["header", "signature", "value"],
        run: signing::hmac,
    },
    Runner { needs: &[], may: &[], expects: &["methods"], run: methods::all },
    Runner { needs: &[], may: &[], expects: &["kinds", "automatic", "custom", "ignore"], run: endings::kinds },
];
