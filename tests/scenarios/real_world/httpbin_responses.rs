//! Encodings, formats and statuses, as httpbin sends them.

use serde_json::{Value, json};

use super::services::httpbin;
use super::tenant::Tenant;

#[test]
fn compressed_bodies_of_httpbin_are_read() {
    // covers C-13, C-20
    let Some(httpbin) = httpbin() else { return };
    let tenant = Tenant::new();
    let function = |name: &str| format!("\n  - {{ name: {name}, endpoint: /{name} }}");
    let functions = ["gzip", "deflate", "brotli"].map(function).concat();
    tenant.apply(&format!("connector: bin\nbase-url: {}\nfunctions:{functions}\n", httpbin.url));
    for (encoding, sign) in [("gzip", "gzipped"), ("deflate", "deflated"), ("brotli", "brotli")] {
        assert_eq!(tenant.test(&format!("bin.{encoding}"), &[]).body()[sign], true, "{encoding}");
    }
    // At n and n + 1 of the limit for the decompressed body.
    let bytes = |limit: u32| {
        tenant.apply(&format!(
            "connector: small\nbase-url: {}\nconnection: {{ response-bytes-max: {limit} }}\nfunctions:\n  - {{ name: bytes, endpoint: /bytes/1000, response: {{ format: none }} }}\n",
            httpbin.url
        ));
        tenant.test("small.bytes", &[])
    };
    assert_eq!(bytes(1000).outcome, "success");
    assert_eq!(bytes(999).code(), "connector.response-too-large");
}

#[test]
fn formats_are_parsed_as_the_document_says() {
    // covers C-13, C-14, C-15
    let Some(httpbin) = httpbin() else { return };
    let tenant = Tenant::new();
    tenant.apply(&format!(
        "
connector: bin
base-url: {}
functions:
  - name: json
    endpoint: /json
    response:
      schema: {{ type: object, required: [slideshow] }}
      transformation: {{ expression: 'response.body.slideshow.slides.size()' }}
  - name: other-schema
    endpoint: /json
    response: {{ schema: {{ type: object, properties: {{ slideshow: {{ required: [price] }} }} }} }}
  - {{ name: xml, endpoint: /xml, response: {{ format: xml }} }}
  - {{ name: html, endpoint: /html, response: {{ format: string }} }}
  - {{ name: no-json, endpoint: /html }}
  - {{ name: utf8, endpoint: /encoding/utf8, response: {{ format: string }} }}
  - {{ name: lines, endpoint: /stream/3, response: {{ format: string }} }}
  - {{ name: picture, endpoint: /image/png, response: {{ format: none, transformation: {{ expression: \"response.headers['content-type']\" }} }} }}
",
        httpbin.url
    ));
    let json = tenant.test("bin.json", &[]);
    assert_eq!(json.body()["slideshow"]["title"], "Sample Slide Show");
    assert_eq!(json.result()["transformed_data"], json!(2));
    let other = tenant.test("bin.other-schema", &[]);
    assert_eq!(other.code(), "connector.response-schema");
    assert!(other.message().contains("/slideshow"), "{}", other.message());
    let xml = tenant.test("bin.xml", &[]);
    let text = xml.body().to_string();
    for part in ["Sample Slide Show", "Wake up to WonderWidgets!", "Yours Truly"] {
        assert!(xml.body().is_object() && text.contains(part), "{part}: {text}");
    }
    assert!(tenant.test("bin.html", &[]).body().as_str().unwrap().contains("Herman Melville"));
    assert_eq!(tenant.test("bin.no-json", &[]).code(), "connector.invalid-body");
    assert!(tenant.test("bin.utf8", &[]).body().as_str().unwrap().contains("∮ E⋅da = Q"));
    assert_eq!(tenant.test("bin.lines", &[]).body().as_str().unwrap().lines().count(), 3);
    let picture = tenant.test("bin.picture", &[]);
    assert_eq!((picture.body(), &picture.result()["transformed_data"]), (&Value::Null, &json!("image/png")));
}

#[test]
fn statuses_are_failures_where_the_document_says_so() {
    // covers C-12, C-17, C-18
    let Some(httpbin) = httpbin() else { return };
    let tenant = Tenant::new();
    tenant.apply(&format!(
        "
connector: bin
base-url: {}
functions:
  - name: strict
    arguments: [{{ name: status, type: integer }}]
    endpoint: /status/${{args.status}}
    retry: {{ backoff: 1ms }}
    response: {{ format: none }}
  - name: lenient
    arguments: [{{ name: status, type: integer }}]
    endpoint: /status/${{args.status}}
    retry: {{ backoff: 1ms }}
    response: {{ format: none, fail-on-invalid-status: false }}
",
        httpbin.url
    ));
    for (status, outcome, attempts) in
        [(200, "success", 1), (204, "success", 1), (301, "failure", 1), (404, "failure", 1), (503, "failure", 2)]
    {
        let status = status.to_string();
        let argument = format!("status={status}");
        let strict = tenant.test("bin.strict", &[&argument]);
        assert_eq!(strict.outcome, outcome, "{status}");
        assert_eq!(strict.status().map(|it| it.to_string()), Some(status.clone()), "the response is attached");
        assert_eq!(strict.shown["attempts"].as_array().map(Vec::len), Some(attempts), "{status}");
        let lenient = tenant.test("bin.lenient", &[&argument]);
        assert_eq!((lenient.outcome.as_str(), lenient.status().map(|it| it.to_string())), ("success", Some(status)));
    }
}
