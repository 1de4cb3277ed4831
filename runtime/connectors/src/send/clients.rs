//! HTTP clients: one for each tenant, origin and connection time-out.
//!
//! A client pools connections, so it must not be shared by callers with different egress rules: a connection that
//! one tenant may open would serve another that may not. And since a client serves one origin, its resolver knows
//! the port that its answers are for.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use weir_engine::connector::Connection;
use weir_engine::ids::TenantId;
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use super::transport::Target;
use crate::egress::EgressPolicy;
use crate::error::error;
use crate::own_addresses;
use crate::resolve::{CheckedResolver, Resolver};
use crate::settings::{Ceilings, ConnectorSettings};

/// Why there can be no connectors.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// Which addresses are this machine's own is not known.
    #[error(
        "the addresses of this machine cannot be read, so calls to it could not be denied; let the process open netlink sockets (`AF_NETLINK`)"
    )]
    OwnAddresses(#[source] io::Error),
}

/// The clients that are in use.
pub(super) struct Clients {
    settings: ConnectorSettings,
    resolver: Arc<dyn Resolver>,
    tls: ClientConfig,
    own_addresses: Arc<[IpAddr]>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    clients: HashMap<ClientKey, (Arc<Client>, u64)>,
    /// Counts uses: the client with the smallest number was used longest ago.
    uses: u64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct ClientKey {
    tenant: TenantId,
    target: Target,
    connect_timeout: Duration,
}

/// An HTTP client for one origin.
pub(super) struct Client {
    pub(super) http: reqwest::Client,
    pub(super) policy: Policy,
}

/// The rules of the client's tenant.
pub(super) struct Policy(Arc<EgressPolicy>);

impl Policy {
    /// Checks a host that is an address: it is dialled without being resolved.
    pub(super) fn check_literal(&self, target: &Target) -> Result<(), ConnectorError> {
        match target.literal() {
            Some(address) => self
                .0
                .check(&target.host, target.port, address)
                .map_err(|denied| error(ConnectorErrorKind::EgressDenied, denied.to_string())),
            None => Ok(()),
        }
    }
}

/// The roots that browsers trust.
pub(super) fn public_roots() -> RootCertStore {
    RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned())
}

/// Ring, named here: whatever default another part of the process installs has no say.
fn tls_config(roots: RootCertStore) -> Result<ClientConfig, SetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(SetupError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

impl Clients {
    pub(super) fn new(
        settings: ConnectorSettings,
        resolver: Arc<dyn Resolver>,
        roots: RootCertStore,
    ) -> Result<Self, SetupError> {
        let own_addresses = own_addresses::read().map_err(SetupError::OwnAddresses)?;
        Ok(Self { settings, resolver, tls: tls_config(roots)?, own_addresses, kept: Mutex::default() })
    }

    /// The client for a tenant's calls to an origin.
    pub(super) fn client(
        &self,
        tenant: &TenantId,
        target: &Target,
        connection: &Connection,
    ) -> Result<Arc<Client>, ConnectorError> {
        let key =
            ClientKey { tenant: tenant.clone(), target: target.clone(), connect_timeout: connection.connect_timeout };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let uses = kept.uses;
        if let Some((client, last_use)) = kept.clients.get_mut(&key) {
            *last_use = uses;
            return Ok(client.clone());
        }
        let client = Arc::new(self.build(&key)?);
        if kept.clients.len() >= usize::from(self.settings.pool.clients_max.max(1)) {
            kept.forget_longest_unused();
        }
        kept.clients.insert(key, (client.clone(), uses));
        Ok(client)
    }

    fn build(&self, key: &ClientKey) -> Result<Client, ConnectorError> {
        let policy = EgressPolicy::of_tenant(&self.settings.egress, &key.tenant);
        let policy = Arc::new(policy.with_own_addresses(self.own_addresses.clone()));
        let resolver = CheckedResolver {
            resolver: self.resolver.clone(),
            policy: policy.clone(),
            tenant: key.tenant.clone(),
            patience: key.connect_timeout / 2,
            port: key.target.port,
        };
        let mut tls = self.tls.clone();
        tls.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        let ceilings = &self.settings.ceilings;
        let pool = &self.settings.pool;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(resolver))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(key.connect_timeout)
            .pool_idle_timeout(pool.idle_timeout)
            .pool_max_idle_per_host(pool.idle_connections_max.into())
            .http1_max_headers(ceilings.response_headers_max.into())
            .http2_max_header_list_size(header_list_size(&self.settings.ceilings))
            .build()
            .map_err(|_| error(ConnectorErrorKind::Connect, "the HTTP client cannot be set up"))?;
        Ok(Client { http, policy: Policy(policy) })
    }
}

/// TLS sessions that a client can take up again.
const SESSIONS_MAX: usize = 8;

/// What HTTP/2 may hold: the ceiling of all documents, so that a response over its own document's limit is still
/// read and named as what it is. RFC 9113 section 6.5.2 counts 32 bytes for each field besides name and value, and
/// `:status` is one more field.
fn header_list_size(ceilings: &Ceilings) -> u32 {
    let ceilings = ceilings.effective();
    let size = ceilings.header_bytes_max + 32 * (u64::from(ceilings.response_headers_max) + 1) + 64;
    u32::try_from(size).unwrap_or(u32::MAX)
}

impl Kept {
    fn forget_longest_unused(&mut self) {
        let oldest = self.clients.iter().min_by_key(|(_, (_, last_use))| *last_use).map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.clients.remove(&key);
        }
    }
}
