//! Diagnostic entries as OpenTelemetry logs (D-02): the message `LogsData` of opentelemetry-proto 1.x
//! (`opentelemetry/proto/logs/v1/logs.proto`) in the JSON mapping of OTLP 1.x ("JSON Protobuf Encoding": names in
//! lowerCamelCase, 64-bit integers as text, trace ids in hexadecimal digits, enumerations as numbers). One `LogsData` a
//! line is what OpenTelemetry's file exporter writes and collectors read.

use serde_json::{Value, json};
use weir_engine::ports::LogLevel;
use weir_engine::run::DiagnosticEntry;

/// The entries, which are one tenant's.
pub(crate) fn logs_data(entries: &[DiagnosticEntry]) -> Value {
    let tenant = entries.first().map(|entry| attribute("weir.tenant", &json!(entry.tenant)));
    let resource: Vec<Value> = [attribute("service.name", &json!("weir"))].into_iter().chain(tenant).collect();
    json!({
        "resourceLogs": [{
            "resource": { "attributes": resource },
            "scopeLogs": [{
                "scope": { "name": "weir.diagnostics", "version": env!("CARGO_PKG_VERSION") },
                "logRecords": Value::from_iter(entries.iter().map(record)),
            }],
        }],
    })
}

fn record(entry: &DiagnosticEntry) -> Value {
    let (number, text) = severity(entry.level);
    let nanos = format!("{}000000", entry.recorded_at.as_millis());
    let attributes = [
        ("weir.log.id", json!(entry.log_id)),
        ("weir.request.id", json!(entry.request_id)),
        ("weir.result.status", json!(entry.result_status)),
        ("weir.action.id", json!(entry.action_id)),
        ("weir.component.id", json!(entry.component_id)),
        ("weir.flow", json!(entry.flow)),
        ("weir.flow.version", json!(entry.flow_version)),
        ("weir.run", json!(entry.run)),
        ("weir.step", json!(entry.step)),
        ("weir.configurations", entry.configurations.clone()),
        ("weir.input", entry.input.clone()),
    ];
    let attributes = attributes.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| attribute(key, value));
    let mut record = json!({
        "timeUnixNano": nanos,
        "observedTimeUnixNano": nanos,
        "severityNumber": number,
        "severityText": text,
        "eventName": entry.action_id.as_str(),
        "body": { "stringValue": entry.result_message },
        "attributes": Value::from_iter(attributes),
    });
    let trace = entry.trace_id.as_ref().and_then(|id| trace_id(id.as_str()));
    if let (Value::Object(record), Some(trace)) = (&mut record, trace) {
        record.insert("traceId".to_owned(), json!(trace));
    }
    record
}

/// `SeverityNumber`, and what the source calls it.
fn severity(level: LogLevel) -> (u8, &'static str) {
    match level {
        LogLevel::Debug => (5, "DEBUG"),
        LogLevel::Info => (9, "INFO"),
        LogLevel::Warning => (13, "WARN"),
        LogLevel::Error => (17, "ERROR"),
    }
}

/// A UUID has the 16 bytes of a trace id.
fn trace_id(id: &str) -> Option<String> {
    let digits: String = id.chars().filter(|character| *character != '-').collect();
    let fits = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| digits.to_ascii_lowercase())
}

fn attribute(key: &str, value: &Value) -> Value {
    json!({ "key": key, "value": any_value(value) })
}

/// `AnyValue`. One without a member is an empty value.
fn any_value(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({ "boolValue": value }),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => json!({ "intValue": integer.to_string() }),
            (None, number) => json!({ "doubleValue": number }),
        },
        Value::String(text) => json!({ "stringValue": text }),
        Value::Array(items) => json!({ "arrayValue": { "values": Value::from_iter(items.iter().map(any_value)) } }),
        Value::Object(members) => {
            let values = members.iter().map(|(key, value)| attribute(key, value));
            json!({ "kvlistValue": { "values": Value::from_iter(values) } })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_log_record() {
        // covers D-02
        let entry: DiagnosticEntry = serde_json::from_value(json!({
            "logId": "l", "recordedAt": "1970-01-01T00:00:01.500Z", "requestId": "r", "level": "warning",
            "resultStatus": "Failed", "resultMessage": "no way", "actionId": "action-failure",
            "componentId": "tier@1.0.0", "configurations": { "n": 3, "deep": [true, null, 0.5] }, "tenant": "acme",
            "flow": "f", "flowVersion": 2, "run": "01890000-0000-7000-8000-000000000000", "step": "s",
            "traceId": "01890000-0000-7000-8000-00000000000A",
        }))
        .unwrap();
        let data = logs_data(&[entry]);
        let of = |pointer: &str| data.pointer(&format!("/resourceLogs/0{pointer}")).cloned().unwrap_or_default();
        assert_eq!(of("/resource/attributes/1"), json!({ "key": "weir.tenant", "value": { "stringValue": "acme" } }));
        let record = of("/scopeLogs/0/logRecords/0");
        assert_eq!(record["timeUnixNano"], "1500000000");
        assert_eq!((&record["severityNumber"], &record["severityText"]), (&json!(13), &json!("WARN")));
        assert_eq!(record["traceId"], "0189000000007000800000000000000a");
        assert_eq!(record["body"], json!({ "stringValue": "no way" }));
        let attributes = record["attributes"].as_array().unwrap();
        let find = |key: &str| attributes.iter().find(|it| it["key"] == key).map(|it| it["value"].clone());
        assert_eq!(find("weir.flow.version"), Some(json!({ "intValue": "2" })));
        let deep = json!({ "arrayValue": { "values": [{ "boolValue": true }, {}, { "doubleValue": 0.5 }] } });
        let configurations = find("weir.configurations").unwrap();
        let values = configurations["kvlistValue"]["values"].as_array().unwrap();
        assert!(values.contains(&json!({ "key": "deep", "value": deep })), "{values:?}");
        assert_eq!(find("weir.input"), None);
    }
}
