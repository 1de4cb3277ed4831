//! Client certificates, replaced trust, pinned certificates and versions, against real TLS servers (C-07).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use weir_connectors::{Credential, CredentialError, Credentials, Identity, StoredCredential};
use weir_engine::ids::{CredentialName, IdentityName, TenantId};
use weir_engine::message::Response;
use weir_engine::ports::{ConnectorError, ConnectorErrorKind as Kind};

use crate::support::{FakeResolver, Fixture, document, settings, with};
use crate::tls_server::{Authority, Pair, Server, TLS_1_2, self_signed};

/// Identities that a test saves and removes.
#[derive(Default)]
pub(crate) struct Identities(Mutex<HashMap<String, Identity>>);

impl Identities {
    /// Saves one anew.
    fn save(&self, name: &str, certificates: &[CertificateDer<'static>], key: Option<PrivateKeyDer<'static>>) {
        let mut stored = self.0.lock().expect("not poisoned");
        let version = stored.get(name).map_or(1, |stored| stored.version + 1);
        let identity = Identity { version, certificates: certificates.to_vec(), key: key.map(Arc::new) };
        stored.insert(name.to_owned(), identity);
    }

    fn save_pair(&self, name: &str, pair: &Pair) {
        self.save(name, std::slice::from_ref(&pair.certificate), Some(pair.key.clone_key()));
    }

    fn trust(&self, name: &str, certificates: &[&CertificateDer<'static>]) {
        let certificates: Vec<_> = certificates.iter().map(|it| (*it).clone()).collect();
        self.save(name, &certificates, None);
    }
}

#[async_trait]
impl Credentials for Identities {
    async fn credential(&self, _: &TenantId, _: &CredentialName) -> Result<Option<StoredCredential>, CredentialError> {
        let credential = Credential::Oauth2Client { client_id: "weir".into(), client_secret: "cl1ent-s3cret".into() };
        Ok(Some(StoredCredential { version: 1, credential }))
    }

    async fn identity(&self, tenant: &TenantId, name: &IdentityName) -> Result<Option<Identity>, CredentialError> {
        if name.as_str() == "broken" {
            return Err(CredentialError("the master key is another one".into()));
        }
        let stored = self.0.lock().expect("not poisoned");
        Ok(stored.get(name.as_str()).filter(|_| tenant.as_str() == "acme").cloned())
    }
}

struct House {
    identities: Arc<Identities>,
    fixture: Fixture,
}

impl House {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: Value) -> Self {
        let identities = Arc::new(Identities::default());
        let fixture = Fixture::with_credentials(settings, FakeResolver::default(), identities.clone());
        Self { identities, fixture }
    }

    async fn call(&self, port: u16, tls: Value) -> Result<Response, ConnectorError> {
        self.call_as("server.test", port, tls).await
    }

    async fn call_as(&self, host: &str, port: u16, tls: Value) -> Result<Response, ConnectorError> {
        let document = with(document(format!("https://{host}:{port}")), json!({"tls": tls}));
        self.fixture.call(document).await.outcome
    }

    /// The message of the refusal, which must be of that kind.
    async fn refusal(&self, port: u16, tls: Value, kind: Kind) -> String {
        let error = self.call(port, tls).await.expect_err("refused");
        assert_eq!(error.kind, kind, "{}", error.message);
        error.message
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_asked_for() {
    // covers C-07: given, not given, of another issuer; in both versions
    let (authority, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    for versions in [rustls::ALL_VERSIONS, TLS_1_2] {
        let server = Server::start(&authority.pair("server.test"), versions, Some(&clients)).await;
        let house = House::new();
        house.identities.trust("ca", &[&authority.certificate]);
        let own = clients.pair("partner.test");
        house.identities.save_pair("partner", &own);
        house.identities.save_pair("stranger", &others.pair("stranger.test"));

        house.call(server.port, json!({"trusted": ["ca"], "identity": "partner"})).await.expect("a response");
        assert_eq!(server.shown().last(), Some(&Some(own.certificate.clone())));
        let without = house.refusal(server.port, json!({"trusted": ["ca"]}), Kind::Tls).await;
        assert!(without.contains("client certificate") && without.contains("tls.identity"), "{without}");
        let wrong = house.refusal(server.port, json!({"trusted": ["ca"], "identity": "stranger"}), Kind::Tls).await;
        assert!(wrong.contains("it refused the client certificate"), "{wrong}");
        assert_eq!(server.shown().len(), 1);
    }
}

#[tokio::test]
async fn trusted_identities_replace_the_public_roots() {
    // covers C-07; that public roots are no longer trusted is beside `send/tls.rs`, where a test has roots of its own
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::start(&authority.pair("server.test"), rustls::ALL_VERSIONS, None).await;
    let house = House::new();
    house.identities.trust("ca", &[&authority.certificate]);
    house.identities.trust("other", &[&other.certificate]);
    house.identities.trust("both", &[&other.certificate, &authority.certificate]);
    for trusted in [json!(["ca"]), json!(["both"]), json!(["other", "ca"])] {
        house.call(server.port, json!({ "trusted": trusted })).await.expect("a response");
    }
    for trusted in [json!([]), json!(["other"])] {
        let message = house.refusal(server.port, json!({ "trusted": trusted }), Kind::Tls).await;
        assert!(message.contains("nobody that this connector trusts") && message.contains("tls.trusted"), "{message}");
    }
}

#[tokio::test]
async fn a_pinned_certificate_is_taken_exactly() {
    // covers C-07: its issuer is unknown; another certificate of that issuer, another host, another time, another key
    let authority = Authority::new();
    let [pinned, sister] = [authority.pair("server.test"), authority.pair("server.test")];
    let house = House::new();
    house.identities.trust("pin", &[&pinned.certificate]);
    let tls = json!({"trusted": ["pin"]});
    for versions in [rustls::ALL_VERSIONS, TLS_1_2] {
        let server = Server::start(&pinned, versions, None).await;
        house.call(server.port, tls.clone()).await.expect("a response");
        let elsewhere = house.call_as("other.test", server.port, tls.clone()).await.expect_err("another host");
        assert_eq!(elsewhere.kind, Kind::Tls);
        assert!(elsewhere.message.contains("is for other names"), "{}", elsewhere.message);

        let server = Server::start(&sister, versions, None).await;
        let message = house.refusal(server.port, tls.clone(), Kind::Tls).await;
        assert!(message.contains("nobody that this connector trusts"), "{message}");

        let thief = Pair { certificate: pinned.certificate.clone(), key: sister.key.clone_key() };
        let server = Server::start(&thief, versions, None).await;
        house.refusal(server.port, tls.clone(), Kind::Tls).await;
    }
}

#[tokio::test]
async fn a_pinned_certificate_holds_for_its_time() {
    // covers C-07
    let authority = Authority::new();
    for (years, what) in [(1990..1991, "has expired"), (2200..2201, "is not valid yet")] {
        let pair = authority.pair_within("server.test", years);
        let server = Server::start(&pair, rustls::ALL_VERSIONS, None).await;
        let house = House::new();
        house.identities.trust("pin", &[&pair.certificate]);
        let message = house.refusal(server.port, json!({"trusted": ["pin"]}), Kind::Tls).await;
        assert!(message.contains(what), "{message}");
    }
}

#[tokio::test]
async fn a_self_signed_certificate_can_be_trusted_whether_it_says_that_it_is_a_ca_or_not() {
    // covers C-07: `openssl req -x509` makes the one, many others the other
    for is_ca in [true, false] {
        let pair = self_signed("server.test", is_ca);
        let server = Server::start(&pair, rustls::ALL_VERSIONS, None).await;
        let house = House::new();
        house.identities.trust("pin", &[&pair.certificate]);
        house.call(server.port, json!({"trusted": ["pin"]})).await.expect("a response");
    }
}

#[tokio::test]
async fn old_versions_are_refused_where_the_connector_or_the_operator_says_so() {
    // covers C-07
    let authority = Authority::new();
    let server = Server::start(&authority.pair("server.test"), TLS_1_2, None).await;
    let strict = json!({"tls-version-min": "1.3", "egress": {"allow": [{"cidr": "127.0.0.1/32"}]}});
    for (settings, version_min, reaches) in
        [(settings(), "1.2", true), (settings(), "1.3", false), (strict.clone(), "1.2", false), (strict, "1.3", false)]
    {
        let house = House::with(settings);
        house.identities.trust("ca", &[&authority.certificate]);
        let outcome = house.call(server.port, json!({"trusted": ["ca"], "version-min": version_min})).await;
        assert_eq!(outcome.is_ok(), reaches);
        if let Err(error) = outcome {
            assert_eq!(error.kind, Kind::Tls);
            assert!(error.message.contains("tls-version-min"), "{}", error.message);
        }
    }
}

#[tokio::test]
async fn keys_of_every_kind_and_form_work() {
    // covers C-07: PKCS#8, PKCS#1, SEC 1; RSA, P-256, P-384, Ed25519
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = Server::start(&authority.pair("server.test"), rustls::ALL_VERSIONS, Some(&clients)).await;
    let house = House::new();
    house.identities.trust("ca", &[&authority.certificate]);
    for (name, pair) in clients.pairs_of_every_kind("partner.test") {
        house.identities.save_pair("partner", &pair);
        let outcome = house.call(server.port, json!({"trusted": ["ca"], "identity": "partner"})).await;
        outcome.unwrap_or_else(|error| panic!("{name}: {}", error.message));
        assert_eq!(server.shown().last(), Some(&Some(pair.certificate)), "{name}");
    }
}

#[tokio::test]
async fn an_identity_that_was_saved_anew_is_used_at_the_next_call() {
    // covers C-07: connections of the old one are not reused, and what is gone is gone
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = Server::start(&authority.pair("server.test"), rustls::ALL_VERSIONS, Some(&clients)).await;
    let house = House::new();
    house.identities.trust("ca", &[&authority.certificate]);
    let tls = json!({"trusted": ["ca"], "identity": "partner"});
    let [old, new] = [clients.pair("old.test"), clients.pair("new.test")];
    for pair in [&old, &new] {
        house.identities.save_pair("partner", pair);
        for _ in 0..2 {
            house.call(server.port, tls.clone()).await.expect("a response");
        }
    }
    // Two calls on one connection each.
    assert_eq!(server.shown(), [Some(old.certificate), Some(new.certificate)]);
    house.identities.trust("ca", &[&clients.certificate]);
    house.refusal(server.port, tls.clone(), Kind::Tls).await;
    house.identities.0.lock().expect("not poisoned").remove("partner");
    house.refusal(server.port, tls, Kind::Identity).await;
}

#[tokio::test]
async fn an_identity_that_cannot_be_used_says_why() {
    // covers C-07: nothing is dialled
    let clients = Authority::new();
    let server = Server::start(&clients.pair("server.test"), rustls::ALL_VERSIONS, None).await;
    let house = House::new();
    let pair = clients.pair("partner.test");
    house.identities.trust("no-key", &[&pair.certificate]);
    house.identities.save("key-only", &[], Some(pair.key.clone_key()));
    house.identities.save_pair("expired", &clients.pair_within("partner.test", 1990..1991));
    house.identities.save_pair("early", &clients.pair_within("partner.test", 2200..2201));
    let other = clients.pair("other.test");
    house.identities.save("mixed", &[pair.certificate], Some(other.key));
    for (tls, what) in [
        (json!({"identity": "missing"}), "`missing` does not exist"),
        (json!({"identity": "broken"}), "`broken` cannot be read: the master key is another one"),
        (json!({"identity": "no-key"}), "holds no private key"),
        (json!({"identity": "key-only"}), "holds a key alone"),
        (json!({"identity": "expired"}), "has expired"),
        (json!({"identity": "early"}), "is not valid yet"),
        (json!({"identity": "mixed"}), "cannot be used"),
        (json!({"trusted": ["missing"]}), "`missing` does not exist"),
        (json!({"trusted": ["key-only"]}), "holds no certificate"),
    ] {
        let message = house.refusal(server.port, tls, Kind::Identity).await;
        assert!(message.contains(what), "{what}: {message}");
    }
    assert!(server.shown().is_empty());
}

#[tokio::test]
async fn a_token_endpoint_has_the_tls_of_its_connector() {
    // covers C-06, C-07
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = Server::start(&authority.pair("server.test"), rustls::ALL_VERSIONS, Some(&clients)).await;
    let house = House::new();
    house.identities.trust("ca", &[&authority.certificate]);
    let own = clients.pair("partner.test");
    house.identities.save_pair("partner", &own);
    let asking = async |host: &str, port: u16, version_min: &str| {
        let token = json!({"url": format!("https://{host}:{port}/token")});
        let authentication = json!({"type": "oauth2-client-credentials", "client": "client", "token": token});
        let tls = json!({"trusted": ["ca"], "identity": "partner", "version-min": version_min});
        let document = document(format!("https://server.test:{}", server.port));
        house.fixture.call(with(document, json!({"tls": tls, "authentication": authentication}))).await.outcome
    };
    // At its origin all of it.
    asking("server.test", server.port, "1.2").await.expect("a response");
    let shown = server.shown();
    assert!(!shown.is_empty() && shown.iter().all(|it| it.as_ref() == Some(&own.certificate)), "{}", shown.len());
    // Elsewhere the version: no identity, and the public roots.
    let elsewhere = Server::start(&authority.pair("idp.test"), TLS_1_2, None).await;
    for (version_min, says) in [("1.2", "nobody that this connector trusts"), ("1.3", "tls-version-min")] {
        let error = asking("idp.test", elsewhere.port, version_min).await.expect_err("refused");
        assert_eq!(error.kind, Kind::Tls);
        assert!(error.message.contains("the token endpoint: ") && error.message.contains(says), "{}", error.message);
    }
}
