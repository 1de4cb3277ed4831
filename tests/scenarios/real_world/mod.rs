//! Connectors against systems that others have written: httpbin, a certified OpenID provider, nginx, and botocore's
//! implementation of AWS signatures. All of it goes through the real binary, configured by the command line.
//!
//! `tests/setup.sh` installs them, on the first use if need be. A machine that cannot have one skips its scenarios and
//! says so; where `CI` is set they fail instead.

mod aws; // signatures that botocore verifies
mod certificates; // what nginx shows and asks for
mod encryption; // an action service that encrypts with `jose`
mod httpbin_authentication;
mod httpbin_requests; // methods, headers, bodies, redirects, time-outs
mod httpbin_responses; // encodings, formats, statuses
mod mutual_tls; // nginx
mod openid; // the grants of OAuth 2
mod signing; // claims that `jose` verifies
mod services; // starting them
mod tenant; // a tenant at the command line

pub(crate) use self::certificates::pem;
