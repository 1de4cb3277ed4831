//! The templates that come with the program.

use std::sync::{Arc, LazyLock};

use super::template::{Origin, Template};

macro_rules! files {
    ($($name:literal)*) => {
        /// Each file with its text; a test holds the list against the folder.
        pub(super) const FILES: &[(&str, &str)] =
            &[$((concat!($name, ".yaml"), include_str!(concat!("../../templates/", $name, ".yaml")))),*];
    };
}

files! {
    "aws-service"
    "breached-passwords"
    "generic-http"
    "identity-provider-token"
    "identity-provider-users"
    "mail-sender"
    "risk-api"
    "scim-directory"
    "signed-webhook"
    "sms-sender"
}

/// Ours, read once. A test proves that none has a fault; one that had would be left out.
pub(super) fn shipped() -> &'static [Arc<Template>] {
    static SHIPPED: LazyLock<Vec<Arc<Template>>> = LazyLock::new(|| {
        let read = |(file, text): &(&str, &str)| match Template::read(text, Origin::Shipped) {
            Ok(template) => Some(Arc::new(template)),
            Err(faults) => {
                tracing::error!(file, %faults, "a template that comes with the program has faults");
                None
            }
        };
        FILES.iter().filter_map(read).collect()
    });
    &SHIPPED
}
