//! One request to its own target: the egress policy, a client of the tenant, the answer within its limits.

use std::sync::Arc;

use tokio::time::timeout_at;
use weir_engine::connector::{Connection, ConnectorDocument, Tls};
use weir_engine::ids::TenantId;
use weir_engine::ports::ConnectorError;

use super::clients::{Client, Clients};
use super::limit::Limit;
use super::read::{self, BodyLimit, Reading};
use super::tls::CallTls;
use super::transport::Target;
use crate::credentials::Credentials;
use crate::settings::Ceilings;

/// The way to outside systems. Nothing leaves but over it.
pub(crate) struct Wire {
    clients: Clients,
    /// For the TLS identities.
    pub(super) credentials: Arc<dyn Credentials>,
    ceilings: Ceilings,
}

/// What a connector says of requests that are not its functions', such as those for tokens.
pub(crate) struct Terms {
    connection: Connection,
    tls: Tls,
    home: Target,
}

impl Terms {
    /// Of a document.
    pub(crate) fn of(document: &ConnectorDocument) -> Self {
        let (connection, tls) = (document.connection.clone(), document.tls.clone());
        Self { connection, tls, home: Target::of(&document.base_url) }
    }
}

/// An answer to a request that is not a function's, such as one for a token. Not masked: it holds secrets.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// After decompression.
    pub(crate) body: Vec<u8>,
}

/// The longest answer to a request that is not a function's, in bytes. A token is long at 16 KiB.
const REPLY_BYTES_MAX: u64 = 64 << 10;

impl Wire {
    pub(super) fn new(clients: Clients, credentials: Arc<dyn Credentials>, ceilings: Ceilings) -> Self {
        Self { clients, credentials, ceilings }
    }

    /// How an answer of a target is read.
    pub(super) fn reading<'a>(&self, target: &'a Target, connection: &'a Connection) -> Reading<'a> {
        let body = BodyLimit::of(connection);
        Reading { target, connection, headers_max: self.ceilings.response_headers_max, body }
    }

    /// The tenant's client for a target, where the egress policy lets it be dialled. `connection` is held to the
    /// ceilings.
    ///
    /// # Errors
    /// `egress-denied` of an address; names are checked once they are resolved. `connect`, `identity`.
    pub(super) fn open(
        &self,
        tenant: &TenantId,
        target: &Target,
        connection: &Connection,
        tls: &CallTls,
    ) -> Result<Arc<Client>, ConnectorError> {
        let client = self.clients.client(tenant, target, connection, tls)?;
        client.policy.check_literal(target)?;
        Ok(client)
    }

    /// Sends a request that is not a function's, such as one for a token, and reads the answer: under the tenant's
    /// egress policy, and under time-outs and limits of the connector; the answer has at most 64 KiB. At the origin of
    /// the connector it is under all of its TLS settings; elsewhere under its oldest version alone, for whom it trusts
    /// says nothing of others.
    ///
    /// # Errors
    /// `egress-denied`, `identity`, `resolve`, `connect-timeout`, `connect`, `tls`, `request-timeout`, `protocol`,
    /// `response-too-large`.
    pub(crate) async fn fetch(
        &self,
        tenant: &TenantId,
        request: reqwest::Request,
        terms: &Terms,
    ) -> Result<Reply, ConnectorError> {
        let connection = self.ceilings.hold(&terms.connection);
        let target = Target::of(request.url());
        let limit = Limit::request_timeout(connection.request_timeout);
        let reply = async {
            let tls = if target == terms.home {
                self.tls_with(tenant, &terms.tls, &target, true).await?
            } else {
                CallTls::of_version(terms.tls.version_min)
            };
            let client = self.open(tenant, &target, &connection, &tls)?;
            let response = client.execute(request, &target, &connection).await.map_err(|no_answer| no_answer.error)?;
            let status = response.status().as_u16();
            let mut reading = self.reading(&target, &connection);
            if reading.body.bytes_max > REPLY_BYTES_MAX {
                let whose = "check that its URL is the right one: a limit of the host, for answers like this one,";
                reading.body = BodyLimit { bytes_max: REPLY_BYTES_MAX, whose };
            }
            let response = read::response(response, &reading).await?;
            Ok(Reply { status, body: response.body.into_bytes().into() })
        };
        timeout_at(limit.at, reply).await.unwrap_or_else(|_| Err(limit.passed(&target)))
    }
}
