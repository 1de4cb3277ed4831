//! Whether there is another attempt, and when (C-18).

use std::time::{Duration, SystemTime};

use reqwest::Method;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use weir_engine::connector::Retry;
use weir_engine::ports::ConnectorErrorKind as Kind;

use super::attempt::Traces;

/// Why there is another attempt; the label of the metric.
pub(super) fn reason(retry: &Retry, method: &Method, traces: &Traces) -> Option<&'static str> {
    // What a redirect leads to may be what came of the request: then it was acted on, whatever has failed since.
    let may_repeat = !traces.redirected || method.is_idempotent();
    let timed_out = traces.error == Some(Kind::RequestTimeout) && !traces.budget_over;
    if timed_out && retry.on_timeout && may_repeat {
        return Some("timeout");
    }
    if let Some(status) = traces.status {
        return (retry.statuses.contains(&status) && may_repeat).then_some("status");
    }
    let connection_failed = match traces.error? {
        Kind::Connect | Kind::ConnectTimeout => may_repeat,
        // The outside system may have acted on the request, so only what it may do twice is sent twice (RFC 9110
        // section 9.2.2). On a connection that was kept from an earlier call too: it may have been closed before the
        // request came, but nothing says so.
        Kind::Protocol => traces.broke && (method.is_idempotent() || (traces.unsent && may_repeat)),
        _ => false,
    };
    (connection_failed && retry.on_connection_failure).then_some("connection")
}

/// The wait before the next attempt, after `made` of them; `None` where the outside system asks for more than
/// `backoff-max`. `random` is from 0 to 1.
pub(super) fn wait(retry: &Retry, made: u8, asked: Option<Duration>, random: f64) -> Option<Duration> {
    let doubled = retry.backoff.saturating_mul(1 << made.saturating_sub(1).min(16));
    // At least half of it: attempts of many calls drift apart, and none comes at once.
    let backoff = doubled.min(retry.backoff_max).mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0);
    match asked {
        Some(asked) if asked > retry.backoff_max => None,
        Some(asked) => Some(asked.max(backoff)),
        None => Some(backoff),
    }
}

/// What a `retry-after` field asks for, in seconds or as a date (RFC 9110 section 10.2.3).
pub(super) fn asked(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has are more seconds than anybody waits.
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    httpdate::parse_http_date(text).ok().map(|date| date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        // covers C-18
        let retry = Retry { backoff_max: Duration::from_millis(500), ..Retry::default() };
        let millis = |made, asked: Option<u64>, random| {
            wait(&retry, made, asked.map(Duration::from_millis), random).map(|it| it.as_millis())
        };
        assert_eq!([1, 2, 3, 4, 255].map(|made| millis(made, None, 0.0)), [100, 200, 400, 500, 500].map(Some));
        assert_eq!([1, 2, 3].map(|made| millis(made, None, 1.0)), [50, 100, 200].map(Some));
        assert_eq!(
            [0, 300, 500, 501].map(|asked| millis(1, Some(asked), 0.0)),
            [Some(100), Some(300), Some(500), None]
        );
    }

    #[test]
    fn retry_after() {
        // covers C-18: the three date formats of RFC 9110 section 5.6.7 too
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        for (text, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999999", Some(Duration::MAX.as_secs())),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(7)),
            ("Sun Nov  6 08:49:37 1994", Some(7)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().expect("a value"))]);
            assert_eq!(asked(&headers, now).map(|it| it.as_secs()), seconds, "{text:?}");
        }
        assert_eq!(asked(&HeaderMap::new(), now), None);
    }

    #[test]
    fn reasons() {
        // covers C-18
        let retry = Retry { on_timeout: true, ..Retry::default() };
        let none = Traces::default();
        let failed = |error| Traces { error: Some(error), ..Traces::default() };
        let broke = Traces { broke: true, ..failed(Kind::Protocol) };
        for (traces, get, post) in [
            (Traces { status: Some(503), ..none }, Some("status"), Some("status")),
            (Traces { status: Some(503), ..failed(Kind::ResponseTooLarge) }, Some("status"), Some("status")),
            (Traces { status: Some(501), ..none }, None, None),
            (Traces { status: Some(401), ..none }, None, None),
            (Traces { status: Some(200), ..failed(Kind::RequestTimeout) }, Some("timeout"), Some("timeout")),
            (failed(Kind::Connect), Some("connection"), Some("connection")),
            (failed(Kind::ConnectTimeout), Some("connection"), Some("connection")),
            (Traces { redirected: true, ..failed(Kind::Connect) }, Some("connection"), None),
            (Traces { redirected: true, status: Some(503), ..none }, Some("status"), None),
            (Traces { redirected: true, ..failed(Kind::RequestTimeout) }, Some("timeout"), None),
            (broke, Some("connection"), None),
            (Traces { unsent: true, ..broke }, Some("connection"), Some("connection")),
            (Traces { unsent: true, redirected: true, ..broke }, Some("connection"), None),
            (failed(Kind::Protocol), None, None),
            (failed(Kind::RequestTimeout), Some("timeout"), Some("timeout")),
            (Traces { budget_over: true, ..failed(Kind::RequestTimeout) }, None, None),
            (failed(Kind::Resolve), None, None),
            (failed(Kind::Tls), None, None),
            (failed(Kind::EgressDenied), None, None),
            (failed(Kind::Redirect), None, None),
        ] {
            assert_eq!(reason(&retry, &Method::GET, &traces), get, "{traces:?}");
            assert_eq!(reason(&retry, &Method::POST, &traces), post, "{traces:?}");
        }
        let never = Retry { on_connection_failure: false, on_timeout: false, statuses: Vec::new(), ..retry };
        for traces in [failed(Kind::Connect), broke, failed(Kind::RequestTimeout)] {
            assert_eq!(reason(&never, &Method::GET, &traces), None, "{traces:?}");
        }
    }
}
