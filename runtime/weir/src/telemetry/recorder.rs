//! Metrics in the exposition format of Prometheus. Labels never hold tenant names or ids: their number is bounded.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// How often old samples are put away.
const UPKEEP: Duration = Duration::from_secs(5);
/// Upper ends of the buckets of times, in seconds: from a hook without work to the longest wait.
const SECONDS: [f64; 14] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
/// Upper ends of the buckets of fuel.
const FUEL: [f64; 8] = [1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11];

/// No metrics can be had.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be set up")]
pub(crate) struct MetricsError(#[from] BuildError);

/// A recorder with our buckets.
///
/// # Errors
/// Buckets that are none.
pub(crate) fn recorder() -> Result<PrometheusRecorder, MetricsError> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_fuel".to_owned()), &FUEL)?;
    Ok(builder.build_recorder())
}

/// Begins to count, for the whole process. Spawns the upkeep: call it within a runtime.
///
/// # Errors
/// See [`recorder`].
pub(crate) fn start() -> Result<PrometheusHandle, MetricsError> {
    let recorder = recorder()?;
    let handle = recorder.handle();
    // A second one in the same process would only mean that the first one goes on to count.
    drop(metrics::set_global_recorder(recorder));
    describe();
    let upkept = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkept.run_upkeep();
        }
    });
    Ok(handle)
}

fn describe() {
    use metrics::{describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram};
    counter!("weir_http_requests_total", "Requests to the API, by method, route and status.");
    histogram!("weir_http_request_seconds", "Time from the request's headers to the answer's.");
    counter!("weir_http_problems_total", "Problems answered, by code; every limit has its own.");
    counter!("weir_runs_started_total", "Runs started.");
    counter!("weir_runs_suspended_total", "Suspensions of runs.");
    counter!("weir_runs_cancelled_total", "Runs that were cancelled, child runs included.");
    counter!("weir_child_runs_started_total", "Branches, items, called flows and compensations that were begun.");
    counter!("weir_child_runs_ended_total", "Child runs that have ended, by their state.");
    counter!("weir_runs_resumed_total", "Suspended runs that were resumed.");
    counter!("weir_runs_suspension_expired_total", "Suspended runs that nobody resumed in time.");
    counter!("weir_runs_ended_total", "Runs ended, by state.");
    histogram!("weir_step_seconds", "Time of steps without their commits, by kind.");
    counter!("weir_step_errors_total", "Technical errors of steps, also those that a flow caught, by code.");
    histogram!("weir_hook_seconds", "Time of invocations, by hook and outcome.");
    histogram!("weir_hook_fuel", "Fuel of invocations, by hook.");
    counter!("weir_hook_logs_dropped_total", "Log lines of plugins over their limit.");
    counter!("weir_diagnostic_entries_total", "Diagnostic entries committed, by level.");
    counter!("weir_diagnostic_entries_dropped_total", "Diagnostic entries over the limits of their step.");
    counter!(
        "weir_diagnostic_entries_missed_total",
        "Diagnostic entries that readers of the live view were too slow for."
    );
    histogram!("weir_connector_seconds", "Time of calls with all attempts, by outcome.");
    counter!("weir_connector_attempts_total", "Attempts of calls.");
    counter!("weir_action_services_total", "Actions served to other systems, by outcome.");
    histogram!("weir_action_service_seconds", "Time of actions served to other systems.");
    counter!("weir_connector_tests_total", "Calls that were tried, by outcome.");
    counter!("weir_background_calls_total", "Calls that steps have handed over to be made in the background.");
    counter!("weir_background_sends_total", "Sends of calls in the background, by outcome: succeeded, failed, again.");
    gauge!("weir_background_pending", "Calls in the background that are not done.");
    gauge!("weir_background_oldest_seconds", "Age of the oldest of them.");
    counter!("weir_connector_retries_total", "Attempts after others, by reason: status, connection or timeout.");
    counter!("weir_connector_redirects_total", "Redirects that were followed.");
    gauge!("weir_connector_calls_in_flight", "Calls of connectors under way, also between their attempts.");
    gauge!("weir_connector_calls_waiting", "Calls that wait because of their connector's concurrency-max.");
    gauge!("weir_connector_circuits_open", "Connectors whose circuit breaker is open; the log names them.");
    counter!("weir_connector_circuit_changes_total", "Changes of circuit breakers, by what they changed to.");
    histogram!("weir_commit_seconds", "Time of step commits until they are durable.");
    gauge!("weir_action_types", "Types of actions by origin: shipped, operator.");
    gauge!("weir_identities", "Stored TLS identities by state: valid, expiring (within 30 days), expired.");
    gauge!("weir_runs_driven", "Runs that this process drives now.");
    gauge!("weir_runs_driven_of_one_tenant", "Those of the tenant that has the most of them.");
    counter!("weir_runs_removed_total", "Ended runs that were removed, by what: retention, request.");
    counter!("weir_store_values_removed_total", "Large values that nothing named any more and that were removed.");
    counter!("weir_store_values_removed_bytes_total", "Their bytes.");
    gauge!("weir_store_writable", "1 where the store takes writes.");
    gauge!("weir_store_bytes_on_disk", "Bytes of the store on disk.");
    gauge!("weir_store_bytes_free", "Bytes free on the store's disk.");
}
