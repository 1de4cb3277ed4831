//! Schemas and transformations of responses (C-14, C-15).

use serde_json::{Value, json};
use weir_engine::message::{Header, Response};
use weir_engine::ports::{ConnectorError, ConnectorErrorKind as Kind, Connectors as _, ReadResponse};

use crate::support::{Fixture, Upstream, answer, document, with_function};

/// Reads an answer of the function with these response settings, called with `q: "asked"`.
async fn read(settings: Value, status: u16, body: &str) -> Result<ReadResponse, ConnectorError> {
    read_with(settings, status, body, None).await
}

async fn read_with(
    settings: Value,
    status: u16,
    body: &str,
    transformed_data: Option<Value>,
) -> Result<ReadResponse, ConnectorError> {
    let fixture = Fixture::new();
    let arguments = json!([{"name": "q", "type": "string"}, {"name": "n", "type": "integer", "default": 7}]);
    let function = with_function(document("http://a.test"), json!({"response": settings, "arguments": arguments}));
    let request = fixture.bind(function, &json!({"q": "asked"})).expect("binds");
    let headers = vec![Header::new("x-a", "1"), Header::new("x-a", "2")];
    let response = Response { status, headers, body: body.to_owned().into(), transformed_data };
    let read = fixture.connectors.read_response(&request, &response, 12_345).await?;
    let transformed_data = read.transformed_data.clone().or(response.transformed_data.clone());
    let last = Response { transformed_data, ..response };
    let body = fixture.connectors.conclude_response(&request, &last, Some(read.body.clone())).await?;
    assert_eq!(body, read.body);
    Ok(read)
}

fn error(outcome: Result<ReadResponse, ConnectorError>, kind: Kind) -> String {
    let error = outcome.expect_err("an error");
    assert_eq!(error.kind, kind, "{}", error.message);
    error.message
}

fn person() -> Value {
    json!({
        "format": "json-object",
        "schema": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"$ref": "#/$defs/text"}, "tags": {"items": {"type": "string"}}},
            "$defs": {"text": {"type": "string", "maxLength": 5}},
        },
    })
}

#[tokio::test]
async fn a_body_must_fulfil_its_schema() {
    // covers C-14
    let good = read(person(), 200, r#"{"name": "Ada", "tags": ["x"]}"#).await.expect("fulfils");
    assert_eq!(good, ReadResponse { body: json!({"name": "Ada", "tags": ["x"]}), transformed_data: None });
    let told =
        error(read(person(), 200, r#"{"name": "Ada Lovelace", "tags": ["x", 7, 8]}"#).await, Kind::ResponseSchema);
    assert!(
        told.starts_with("`api.f`: the body does not fulfil the function's `response.schema`: at `/name`: "),
        "{told}"
    );
    assert!(told.contains("; at `/tags/1`: value is not of type \"string\"; at `/tags/2`: "), "{told}");
    assert!(!told.contains("Lovelace"), "an error names no value: {told}");
    let told = error(read(person(), 200, "{}").await, Kind::ResponseSchema);
    assert!(told.contains("as a whole: \"name\" is a required property"), "{told}");
    assert!(error(read(person(), 200, "[]").await, Kind::InvalidBody).contains("the body is a list"));
}

#[tokio::test]
async fn a_schema_is_for_valid_statuses_and_for_bodies_that_there_are() {
    // covers C-12, C-14
    assert_eq!(read(person(), 404, "{}").await.expect("not held against it").body, json!({}));
    assert_eq!(read(person(), 204, "").await.expect("no body").body, Value::Null);
    let mut widened = person();
    widened["valid-statuses"] = json!("200-299,404");
    error(read(widened, 404, "{}").await, Kind::ResponseSchema);
    let xml = json!({"format": "xml", "schema": {"properties": {"a": {"type": "string"}}}});
    assert_eq!(read(xml.clone(), 200, "<a>1</a>").await.expect("fulfils").body, json!({"a": "1"}));
    assert!(error(read(xml, 200, "<a><b/></a>").await, Kind::ResponseSchema).contains("at `/a`: "));
}

#[tokio::test]
async fn violations_are_bounded() {
    // covers C-14, keeps S-10
    let settings = json!({"format": "json-array", "schema": {"items": {"type": "string"}}});
    let few = error(read(settings.clone(), 200, &Value::from(vec![1; 100]).to_string()).await, Kind::ResponseSchema);
    assert_eq!(few.matches("is not of type").count(), 10, "{few}");
    let many = error(read(settings, 200, &Value::from(vec![1; 90_000]).to_string()).await, Kind::ResponseSchema);
    assert!(many.len() < 500 && many.contains("at `/0`: "), "{many}");
}

#[tokio::test]
async fn an_expression_makes_transformed_data_for_every_format() {
    // covers C-15
    let seen =
        "{'s': response.status, 'h': response.headers['x-a'], 'ms': response.elapsed_ms, 'q': args.q, 'n': args.n}";
    let expected = json!({"s": 201, "h": "1, 2", "ms": 12, "q": "asked", "n": 7});
    for (format, body, value, expression, also) in [
        ("none", "{", json!(null), "response.body == null", json!(true)),
        ("string", "text", json!("text"), "response.body + '!'", json!("text!")),
        ("json-object", r#"{"a": 1}"#, json!({"a": 1}), "response.body.a + 1", json!(2)),
        ("json-array", "[1, 2]", json!([1, 2]), "response.body.map(x, x * 2)", json!([2, 4])),
        ("xml", "<a><b>1</b></a>", json!({"a": {"b": "1"}}), "int(response.body.a.b)", json!(1)),
    ] {
        let settings = |expression: &str| json!({"format": format, "transformation": {"expression": expression}});
        let read_all = read(settings(seen), 201, body).await.expect(format);
        assert_eq!(read_all, ReadResponse { body: value, transformed_data: Some(expected.clone()) });
        let read_body = read(settings(expression), 200, body).await.expect(format);
        assert_eq!(read_body.transformed_data, Some(also), "{format}");
    }
}

#[tokio::test]
async fn a_transformation_is_for_valid_statuses_and_stands_aside() {
    // covers C-15
    let settings = json!({"format": "json-object", "transformation": {"expression": "response.body.a"}});
    assert_eq!(read(settings.clone(), 404, r#"{"a": 1}"#).await.expect("reads").transformed_data, None);
    let cached = read_with(settings.clone(), 200, "{}", Some(json!("a hook's"))).await.expect("reads");
    assert_eq!(cached.transformed_data, None, "what a pre-call hook answered with stays");
    let told = error(read(settings, 200, r#"{"b": "secret"}"#).await, Kind::Transformation);
    assert_eq!(
        told,
        "`api.f`: the function's `response.transformation`: `response.body.a` reads the field `a`, which is not there; test it with has(…) first"
    );
}

#[tokio::test]
async fn transformed_data_has_a_schema_of_its_own() {
    // covers C-15
    let settings = |expression: &str| {
        let transformation = json!({"expression": expression, "schema": {"type": "object", "required": ["score"]}});
        json!({"format": "json-object", "transformation": transformation})
    };
    assert!(read(settings("{'score': 1}"), 200, "{}").await.is_ok());
    let told = error(read(settings("{'scor': 1}"), 200, "{}").await, Kind::ResponseSchema);
    assert_eq!(
        told,
        "`api.f`: `transformed_data` does not fulfil the function's `response.transformation.schema`: as a whole: \"score\" is a required property"
    );
    assert!(read(settings("{'scor': 1}"), 500, "{}").await.is_ok());
    let by_plugin = json!({"transformation": {"plugin": "p@1", "schema": {"type": "object"}}});
    let told = error(read(by_plugin, 200, "{}").await, Kind::ResponseSchema);
    assert!(told.contains("as a whole: value is not of type \"object\""), "a hook that made none: {told}");
}

#[tokio::test]
async fn large_bodies_are_read_too() {
    // covers C-14, C-15: on a thread of their own
    let long = "x".repeat(200_000);
    let settings = json!({"format": "string", "schema": {"type": "string"}, "transformation": {"expression": "size(response.body)"}});
    let read = read(settings, 200, &long).await.expect("reads");
    assert_eq!((read.body, read.transformed_data), (json!(long), Some(json!(200_000))));
}

#[tokio::test]
async fn a_reflected_secret_is_in_no_value_that_is_made_of_a_response() {
    // covers D-04, keeps K-02
    use crate::support::{SECRET, with};
    let escaped = |write: fn(char) -> String| SECRET.chars().map(write).collect::<String>();
    let written = [
        escaped(|it| format!("&#{};", u32::from(it))),
        escaped(|it| format!("&#x{:x};", u32::from(it))),
        SECRET.replace('&', "&amp;").replace('"', "&quot;"),
        SECRET.replace('&', "&amp;").replace('"', "&quot;").replace('+', "&#x2b;").replace('/', "&#0047;"),
        format!("<![CDATA[{SECRET}]]>"),
    ];
    for echo in &written {
        let attribute = if echo.starts_with('<') { "none" } else { echo };
        let body = format!("<a x=\"{attribute}\"><b>said {echo} twice: {echo}</b></a>");
        let upstream = Upstream::answering(answer(200, "content-type: application/xml\r\n", body)).await;
        let authentication = json!({"authentication": {"type": "basic", "credential": "basic"}});
        let settings =
            json!({"response": {"format": "xml", "transformation": {"expression": "response.body.a.b + ''"}}});
        let fixture = Fixture::new();
        let document = with_function(with(document(upstream.url()), authentication), settings);
        let request = fixture.bind(document, &json!({})).expect("binds");
        let response = fixture.send(&request).await.outcome.expect("a response");
        let read = fixture.connectors.read_response(&request, &response, 0).await.expect("reads");
        assert!(!format!("{read:?}").contains(SECRET), "{echo}: {read:?}");
        let said = read.transformed_data.expect("transformed");
        assert_eq!(said, json!("said *** twice: ***"), "{echo}");
    }
}
