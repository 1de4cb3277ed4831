//! Functions on instants and spans of time. None tells the time: a run that is repeated must give the same. What an
//! expression sees of the clock is `run.created_at`.

use cel::Value;
use chrono::format::{Item, StrftimeItems};

use super::{Function, Run, function, of_text, unfit};
use crate::expression::cost::CostClass;

pub(super) static FUNCTIONS: [Function; 14] = [
    function(
        "timestamp",
        "timestamp(string|int|timestamp) -> timestamp",
        "The instant that RFC 3339 text or seconds since 1970 say; `+` and `-` move it by durations",
        ["timestamp('2026-01-31T12:00:00Z') + duration('36h')", "\"2026-02-02T00:00:00Z\""],
        CostClass::Text,
        Run::Standard,
    ),
    function(
        "duration",
        "duration(string|duration) -> duration",
        "The time that text such as `1h30m` or `2.5s` says",
        ["duration('90s') < duration('2m')", "true"],
        CostClass::Text,
        Run::Standard,
    ),
    function(
        "format",
        "timestamp.format(string) -> string",
        "The instant as text, by a pattern of strftime; names are English",
        ["timestamp('2026-01-31T12:00:00Z').format('%d.%m.%Y')", "\"31.01.2026\""],
        CostClass::Output,
        Run::Here(format),
    ),
    getter(
        "getFullYear",
        "timestamp.getFullYear(string?) -> int",
        "The year, in UTC or the time zone given",
        ["timestamp('2026-01-31T23:30:00Z').getFullYear()", "2026"],
    ),
    getter(
        "getMonth",
        "timestamp.getMonth(string?) -> int",
        "The month, January being 0",
        ["timestamp('2026-01-31T23:30:00Z').getMonth('Europe/Berlin')", "1"],
    ),
    getter(
        "getDate",
        "timestamp.getDate(string?) -> int",
        "The day of the month, the first being 1",
        ["timestamp('2026-01-31T23:30:00Z').getDate()", "31"],
    ),
    getter(
        "getDayOfMonth",
        "timestamp.getDayOfMonth(string?) -> int",
        "The day of the month, the first being 0",
        ["timestamp('2026-01-31T23:30:00Z').getDayOfMonth()", "30"],
    ),
    getter(
        "getDayOfWeek",
        "timestamp.getDayOfWeek(string?) -> int",
        "The day of the week, Sunday being 0",
        ["timestamp('2026-01-31T23:30:00Z').getDayOfWeek()", "6"],
    ),
    getter(
        "getDayOfYear",
        "timestamp.getDayOfYear(string?) -> int",
        "The day of the year, the first being 0",
        ["timestamp('2026-01-31T23:30:00Z').getDayOfYear()", "30"],
    ),
    getter(
        "getHours",
        "timestamp|duration.getHours(string?) -> int",
        "The hour of the day; of a duration its hours in all",
        ["timestamp('2026-01-31T23:30:00Z').getHours('+02:00')", "1"],
    ),
    getter(
        "getMinutes",
        "timestamp|duration.getMinutes(string?) -> int",
        "The minute of the hour; of a duration its minutes in all",
        ["duration('2h').getMinutes()", "120"],
    ),
    getter(
        "getSeconds",
        "timestamp|duration.getSeconds(string?) -> int",
        "The second of the minute; of a duration its seconds in all",
        ["duration('2m').getSeconds()", "120"],
    ),
    getter(
        "getMilliseconds",
        "timestamp|duration.getMilliseconds(string?) -> int",
        "The millisecond of the second",
        ["timestamp('2026-01-31T23:30:00.250Z').getMilliseconds()", "250"],
    ),
    function(
        "unixMillis",
        "timestamp.unixMillis() -> int",
        "Milliseconds since 1970; `int(timestamp)` gives seconds",
        ["timestamp('1970-01-01T00:00:01.5Z').unixMillis()", "1500"],
        CostClass::Constant,
        Run::Here(unix_millis),
    ),
];

const fn getter(
    name: &'static str,
    signature: &'static str,
    does: &'static str,
    example: [&'static str; 2],
) -> Function {
    function(name, signature, does, example, CostClass::Constant, Run::Standard)
}

/// The longest pattern, in bytes: the longest result of one of its parts has about 30.
const PATTERN_BYTES_MAX: usize = 256;

fn format(given: &[Value]) -> Result<Value, String> {
    let [Value::Timestamp(instant), Value::String(pattern)] = given else { return Err(unfit()) };
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("is given a pattern of more than {PATTERN_BYTES_MAX} bytes"));
    }
    let items: Vec<Item<'_>> = StrftimeItems::new(pattern).collect();
    if items.iter().any(|item| matches!(item, Item::Error)) {
        return Err("is given a pattern that strftime does not know; `%Y-%m-%d %H:%M:%S` is one".to_owned());
    }
    // What only a time zone's name would need cannot be written.
    let mut text = String::new();
    let written = std::fmt::write(&mut text, format_args!("{}", instant.format_with_items(items.into_iter())));
    written.map(|()| of_text(text)).map_err(|_| "is given a pattern that does not fit an instant".to_owned())
}

fn unix_millis(given: &[Value]) -> Result<Value, String> {
    let [Value::Timestamp(instant)] = given else { return Err(unfit()) };
    Ok(Value::Int(instant.timestamp_millis()))
}
