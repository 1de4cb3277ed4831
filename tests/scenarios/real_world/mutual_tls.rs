//! TLS against nginx: client certificates, trusted authorities, versions.

use super::certificates::{Authority, Issued};
use super::services::{Service, folder, installed};
use super::tenant::Tenant;

/// nginx with a port that asks for a client's certificate, and one that speaks TLS 1.2 at most.
struct Nginx {
    _service: Service,
    asking: u16,
    old: u16,
}

/// Ports that are free now. Should somebody take one before nginx does, nginx says so and the scenario fails.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn nginx(authority: &Authority) -> Option<Nginx> {
    if !installed("nginx") {
        return None;
    }
    let folder = folder();
    let Issued { certificate, key } = authority.server();
    for (name, content) in [("server.pem", &certificate), ("server.key", &key), ("ca.pem", &authority.certificate())] {
        std::fs::write(folder.join(name), content).unwrap();
    }
    let [asking, old] = free_ports();
    let configuration = format!(
        "daemon off; pid nginx.pid; error_log stderr; worker_processes 1;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
            default_type application/json;
            ssl_certificate server.pem;
            ssl_certificate_key server.key;
            server {{
                listen 127.0.0.1:{asking} ssl;
                ssl_protocols TLSv1.2 TLSv1.3;
                ssl_client_certificate ca.pem;
                ssl_verify_client on;
                location / {{ return 200 '{{\"client\":\"$ssl_client_s_dn\",\"protocol\":\"$ssl_protocol\"}}'; }}
            }}
            server {{
                listen 127.0.0.1:{old} ssl;
                ssl_protocols TLSv1.2;
                location / {{ return 200 '{{\"protocol\":\"$ssl_protocol\"}}'; }}
            }}
        }}"
    );
    std::fs::write(folder.join("nginx.conf"), configuration).unwrap();
    Some(Nginx { _service: Service::nginx(folder, &[asking, old]), asking, old })
}

fn connector(name: &str, port: u16, tls: &str) -> String {
    format!(
        "connector: {name}\nbase-url: https://127.0.0.1:{port}\ntls: {tls}\nfunctions:\n  - {{ name: f, response: {{ fail-on-invalid-status: false, format: string }} }}\n"
    )
}

#[test]
fn nginx_takes_the_client_and_nobody_else() {
    // covers C-07
    let ours = Authority::new("Weir scenarios");
    let Some(nginx) = nginx(&ours) else { return };
    let tenant = Tenant::new();
    let identity = |name: &str, issued: &Issued| {
        let certificate = tenant.file(&format!("{name}.pem"), &issued.certificate);
        let key = tenant.file(&format!("{name}.key"), &issued.key);
        tenant.cli(&["identity", "set", name, "--cert", &certificate, "--key", &key], "");
    };
    let others = Authority::new("Somebody else");
    identity("client", &ours.client("weir-client"));
    identity("stranger", &others.client("weir-client"));
    for (name, authority) in [("ours", &ours), ("others", &others)] {
        let file = tenant.file(&format!("{name}-ca.pem"), &authority.certificate());
        tenant.cli(&["identity", "set", name, "--trust", &file], "");
    }
    let test = |name: &str, port: u16, tls: &str| {
        tenant.apply(&connector(name, port, tls));
        tenant.test(&format!("{name}.f"), &[])
    };
    let good = test("good", nginx.asking, "{ identity: client, trusted: [ours] }");
    let body: serde_json::Value = serde_json::from_str(good.body().as_str().unwrap()).unwrap();
    assert_eq!((&body["client"], &body["protocol"]), (&"CN=weir-client".into(), &"TLSv1.3".into()));
    // Several may be trusted; one of them is enough.
    assert_eq!(test("both", nginx.asking, "{ identity: client, trusted: [others, ours] }").status(), Some(200));
    // nginx asks in vain, or does not know who signed.
    for (name, tls) in [("none", "{ trusted: [ours] }"), ("stranger", "{ identity: stranger, trusted: [ours] }")] {
        let refused = test(name, nginx.asking, tls);
        assert_eq!(refused.status(), Some(400), "{name}");
        assert!(refused.body().as_str().unwrap().contains("SSL certificate"), "{refused:?}");
    }
    // Trust is replaced, not extended: neither the public roots nor another authority will do.
    for (name, tls) in [("public", "{ identity: client }"), ("other", "{ identity: client, trusted: [others] }")] {
        assert_eq!(test(name, nginx.asking, tls).code(), "connector.tls", "{name}");
    }
    let old = test("old", nginx.old, "{ trusted: [ours] }");
    assert!(old.body().as_str().unwrap().contains("TLSv1.2"));
    assert_eq!(test("new", nginx.old, "{ trusted: [ours], version-min: '1.3' }").code(), "connector.tls");
}
