//! A tenant calls a service that asks for client certificates and whose CA nobody knows, with what the command line set.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use weir_tests::paths;

use crate::house::{Api, House, until};

fn pem(label: &str, der: &[u8]) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

fn authority() -> (Issuer<'static, KeyPair>, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "the partner's own CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap().der().clone();
    (Issuer::new(params, key), certificate)
}

/// A certificate that ends soon enough to be warned of, with its key.
fn pair(name: &str, issuer: &Issuer<'_, KeyPair>) -> (CertificateDer<'static>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let week = std::time::Duration::from_secs(7 * 24 * 3600);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + now + week;
    (params.signed_by(&key, issuer).unwrap().der().clone(), key)
}

type Shown = Arc<Mutex<Vec<CertificateDer<'static>>>>;

/// A server that answers whoever shows a certificate of that CA. Its port, and what it was shown.
async fn partner(issuer: &Issuer<'_, KeyPair>, ca: &CertificateDer<'static>) -> (u16, Shown) {
    let (certificate, key) = pair("127.0.0.1", issuer);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shown = Shown::default();
    let kept = shown.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, kept) = (acceptor.clone(), kept.clone());
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let peer = stream.get_ref().1.peer_certificates().and_then(|it| it.first().cloned());
                kept.lock().unwrap().extend(peer.map(CertificateDer::into_owned));
                let mut heard = Vec::new();
                while !heard.ends_with(b"\r\n\r\n") && stream.read_buf(&mut heard).await? > 0 {}
                stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}").await?;
                stream.shutdown().await
            });
        }
    });
    (port, shown)
}

/// The command line with one more variable.
fn cli(house: &House, arguments: &[&str], variable: (&str, &str)) -> String {
    let output = Command::new(paths::weir())
        .args(arguments)
        .env("WEIR_URL", &house.server.url)
        .env("WEIR_API_KEY_FILE", &house.key)
        .env(variable.0, variable.1)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_with_a_ca_of_its_own_is_called_with_a_client_certificate() {
    // covers C-07: set, list, show, use, warn, renew, delete
    let house = House::empty().await;
    let folder = house.folder.path();
    let (issuer, ca) = authority();
    let (port, shown) = partner(&issuer, &ca).await;
    let (own, key) = pair("client.test", &issuer);
    let cert_file = write(folder, "client.pem", &pem("CERTIFICATE", &own));
    let key_file = write(folder, "client.key", &pem("PRIVATE KEY", &key.serialize_der()));
    let ca_file = write(folder, "ca.pem", &pem("CERTIFICATE", &ca));
    let weir = |arguments: &[&str]| house.server.cli(&house.key, arguments).unwrap();
    weir(&["identity", "set", "client", "--cert", &cert_file, "--key", &key_file]);
    weir(&["identity", "set", "partner-ca", "--trust", &ca_file]);
    let connector = json!({
        "connector": "partner",
        "base-url": format!("https://127.0.0.1:{port}"),
        "tls": {"identity": "client", "trusted": ["partner-ca"], "version-min": "1.3"},
        "functions": [{"name": "ping", "endpoint": "/"}],
    });
    weir(&["connector", "apply", &write(folder, "partner.json", &connector.to_string())]);
    let flow = json!({"flow": "ping", "steps": [{"id": "ping", "call": "partner.ping"}, {"id": "done", "end": {}}]});
    weir(&["flow", "apply", &write(folder, "ping.json", &flow.to_string())]);
    let run = house.run("ping", &json!({}));
    assert_eq!(run["state"], "completed", "{run} {}", Value::from(house.journal(&run)));
    assert_eq!(shown.lock().unwrap().as_slice(), std::slice::from_ref(&own));

    let listed = house.server.try_cli(&house.key, &["identity", "list"], "").unwrap();
    let table = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        table.contains("EXPIRES") && table.contains("certificate-and-key") && table.contains("certificates"),
        "{table}"
    );
    let remarks = String::from_utf8_lossy(&listed.stderr).into_owned();
    assert!(remarks.contains("warning: client: the certificate of"), "{remarks}");
    let one = weir(&["identity", "show", "client"]);
    assert!(one.contains("client.test") && one.contains("fingerprint_sha256"), "{one}");
    let doctor = weir(&["doctor"]);
    assert!(doctor.contains("TLS identity: client: the certificate of"), "{doctor}");
    house.server.log_with("a TLS identity was used that has expired or will");

    // Another identity under the same name, out of a PKCS#12 file: the partner does not know its issuer, and its
    // certificate is of X.509 version 1.
    let p12 = paths::root().join("runtime/weir/src/cli/identity_files/partner.p12").display().to_string();
    let set = ["identity", "set", "client", "--pkcs12", &p12, "--password-from-env", "P12_PASSWORD"];
    let saved = cli(&house, &set, ("P12_PASSWORD", "correct-horse"));
    assert!(saved.contains("certificate-and-key") && !saved.contains("PRIVATE"), "{saved}");
    let refused = house.run("ping", &json!({}));
    assert_eq!(refused["state"], "error", "{refused}");
    let journal = Value::from(house.journal(&refused)).to_string();
    assert!(journal.contains("connector.tls") || journal.contains("\"tls\""), "{journal}");
    weir(&["identity", "delete", "client"]);
    let journal = Value::from(house.journal(&house.run("ping", &json!({})))).to_string();
    assert!(journal.contains("the TLS identity `client` does not exist"), "{journal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_are_counted_by_where_they_stand_in_their_time() {
    // covers C-07: counted at the start, here of the second server in the same folder
    let house = House::empty().await;
    let (issuer, ca) = authority();
    let folder = house.folder.path();
    let (own, _) = pair("client.test", &issuer);
    for (name, certificate) in [("soon", &own), ("late", &ca)] {
        let file = write(folder, name, &pem("CERTIFICATE", certificate));
        house.server.cli(&house.key, &["identity", "set", name, "--trust", &file]).unwrap();
    }
    let House { folder, server, .. } = house;
    assert_eq!(server.stop().unwrap(), Some(0));
    let server = weir_tests::server::Server::start(folder.path()).unwrap();
    let api = Api::new(&server.url, &server.operator_key());
    // One state is counted after the other: all of them are there at some time.
    let lines = ["{state=\"valid\"} 1", "{state=\"expiring\"} 1", "{state=\"expired\"} 0"];
    let counted = || {
        let text = api.get("/metrics").text;
        lines.iter().all(|line| text.contains(&format!("weir_identities{line}"))).then_some(())
    };
    until("the count of each state", counted).await;
}
