//! HTTP clients: one for each tenant, origin, TLS settings and connection time-out.
//!
//! A client pools connections, so it must not be shared by callers with different egress rules: a connection that
//! one tenant may open would serve another that may not. The same holds for TLS: a connection that was opened with
//! another identity, or under other trust, is not one that this call would have opened. And since a client serves one
//! origin, its resolver knows the scheme and the port that its answers are for.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::RootCertStore;
use weir_engine::connector::Connection;
use weir_engine::ids::TenantId;
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use super::timings::TimedLayer;
use super::tls::{CallTls, TlsBase, TlsKey};
use super::transport::{self, Target};
use crate::egress::EgressPolicy;
use crate::error::error;
use crate::own_addresses;
use crate::resolve::{CheckedResolver, Resolver};
use crate::settings::{Ceilings, ConnectorSettings, PoolSettings};

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
    tls: TlsBase,
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
    tls: TlsKey,
}

impl ClientKey {
    /// Whether it is of a stored identity that has been saved anew: its connections are of no more use.
    fn is_superseded_by(&self, newer: &Self) -> bool {
        self.tenant == newer.tenant && self.tls.is_superseded_by(&newer.tls)
    }
}

/// An HTTP client for one origin.
pub(super) struct Client {
    http: reqwest::Client,
    pub(super) policy: Policy,
}

impl Client {
    /// Sends a request to the client's origin; the body of the answer is still to be read.
    ///
    /// # Errors
    /// `egress-denied`, `resolve`, `connect-timeout`, `connect`, `tls`, `protocol`, `response-too-large`.
    pub(super) async fn execute(
        &self,
        request: reqwest::Request,
        target: &Target,
        connection: &Connection,
    ) -> Result<reqwest::Response, NoAnswer> {
        self.http.execute(request).await.map_err(|problem| NoAnswer {
            broke: transport::is_broken(&problem),
            unsent: transport::is_unsent(&problem),
            error: transport::explain(&problem, target, connection),
        })
    }
}

/// Why no answer began.
pub(super) struct NoAnswer {
    pub(super) error: ConnectorError,
    /// The connection broke; the request may have arrived.
    pub(super) broke: bool,
    /// Nothing of the request was sent.
    pub(super) unsent: bool,
}

/// The rules of the client's tenant.
pub(super) struct Policy(Arc<EgressPolicy>);

impl Policy {
    /// Checks a host that is an address: it is dialled without being resolved.
    pub(super) fn check_literal(&self, target: &Target) -> Result<(), ConnectorError> {
        match target.literal() {
            Some(address) => self
                .0
                .check(target.destination(), address)
                .map_err(|denied| error(ConnectorErrorKind::EgressDenied, denied.to_string())),
            None => Ok(()),
        }
    }
}

/// The roots that browsers trust.
pub(super) fn public_roots() -> RootCertStore {
    RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned())
}

impl Clients {
    pub(super) fn new(
        settings: ConnectorSettings,
        resolver: Arc<dyn Resolver>,
        roots: RootCertStore,
    ) -> Result<Self, SetupError> {
        let own_addresses = own_addresses::read().map_err(SetupError::OwnAddresses)?;
        let tls = TlsBase::new(roots, settings.tls_version_min).map_err(SetupError::Tls)?;
        Ok(Self { settings, resolver, tls, own_addresses, kept: Mutex::default() })
    }

    /// The client for a tenant's calls to an origin.
    ///
    /// # Errors
    /// `identity`, where the stored identities cannot be used.
    pub(super) fn client(
        &self,
        tenant: &TenantId,
        target: &Target,
        connection: &Connection,
        tls: &CallTls,
    ) -> Result<Arc<Client>, ConnectorError> {
        let key = ClientKey {
            tenant: tenant.clone(),
            target: target.clone(),
            connect_timeout: connection.connect_timeout,
            tls: tls.key().clone(),
        };
        if let Some(client) = self.kept().used(&key) {
            return Ok(client);
        }
        // Without the lock: building parses roots and sets up TLS, and other tenants must not wait for that.
        let client = Arc::new(self.build(&key, tls)?);
        Ok(self.kept().keep(key, client, &self.settings.pool))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn build(&self, key: &ClientKey, tls: &CallTls) -> Result<Client, ConnectorError> {
        let policy = EgressPolicy::of_tenant(&self.settings.egress, &key.tenant);
        let policy = Arc::new(policy.with_own_addresses(self.own_addresses.clone()));
        let resolver = CheckedResolver {
            resolver: self.resolver.clone(),
            policy: policy.clone(),
            tenant: key.tenant.clone(),
            patience: key.connect_timeout / 2,
            scheme: key.target.scheme,
            port: key.target.port,
        };
        let ceilings = &self.settings.ceilings;
        let pool = &self.settings.pool;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.config(tls)?)
            .dns_resolver(Arc::new(resolver))
            .connector_layer(TimedLayer)
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

/// What HTTP/2 may hold: the ceiling of all documents, so that a response over its own document's limit is still
/// read and named as what it is. RFC 9113 section 6.5.2 counts 32 bytes for each field besides name and value, and
/// `:status` is one more field.
fn header_list_size(ceilings: &Ceilings) -> u32 {
    let ceilings = ceilings.effective();
    let size = ceilings.header_bytes_max + 32 * (u64::from(ceilings.response_headers_max) + 1) + 64;
    u32::try_from(size).unwrap_or(u32::MAX)
}

impl Kept {
    fn used(&mut self, key: &ClientKey) -> Option<Arc<Client>> {
        self.uses += 1;
        let (client, last_use) = self.clients.get_mut(key)?;
        *last_use = self.uses;
        Some(client.clone())
    }

    /// Keeps a client, unless another call has kept one like it meanwhile. A tenant with many origins pushes out its
    /// own clients before those of others.
    fn keep(&mut self, key: ClientKey, client: Arc<Client>, pool: &PoolSettings) -> Arc<Client> {
        if let Some(known) = self.used(&key) {
            return known;
        }
        self.clients.retain(|known, _| !known.is_superseded_by(&key));
        let own = self.clients.keys().filter(|known| known.tenant == key.tenant).count();
        if own >= usize::from(pool.clients_per_tenant_max.max(1)) {
            self.forget_longest_unused(|known| known.tenant == key.tenant);
        } else if self.clients.len() >= usize::from(pool.clients_max.max(1)) {
            self.forget_longest_unused(|_| true);
        }
        self.clients.insert(key, (client.clone(), self.uses));
        client
    }

    fn forget_longest_unused(&mut self, among: impl Fn(&ClientKey) -> bool) {
        let candidates = self.clients.iter().filter(|(key, _)| among(key));
        let oldest = candidates.min_by_key(|(_, (_, last_use))| *last_use).map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.clients.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system_resolver::SystemResolver;

    #[test]
    fn a_tenant_pushes_out_its_own_clients_first() {
        // covers E-03: at N and N + 1, of a tenant and of all
        let pool = PoolSettings { clients_max: 4, clients_per_tenant_max: 2, ..PoolSettings::default() };
        let settings = ConnectorSettings { pool, ..ConnectorSettings::default() };
        let clients = Clients::new(settings, Arc::new(SystemResolver), RootCertStore::empty()).expect("clients");
        let client = |tenant: &str, host: &str| {
            let target = Target::of(&format!("http://{host}").parse().expect("url"));
            let tls = CallTls::default();
            clients.client(&tenant.parse().expect("tenant"), &target, &Connection::default(), &tls).expect("a client")
        };
        let (other, first, second) = (client("other", "a.com"), client("acme", "a.com"), client("acme", "b.com"));
        assert!(Arc::ptr_eq(&first, &client("acme", "a.com")) && Arc::ptr_eq(&second, &client("acme", "b.com")));
        client("acme", "c.com");
        assert!(Arc::ptr_eq(&other, &client("other", "a.com")) && Arc::ptr_eq(&second, &client("acme", "b.com")));
        assert!(!Arc::ptr_eq(&first, &client("acme", "a.com")));
        assert_eq!(clients.kept().clients.len(), 3);
        for tenant in ["t1", "t2", "t3"] {
            client(tenant, "a.com");
        }
        assert_eq!(clients.kept().clients.len(), 4);
    }
}
