//! The API: one file for each resource. OpenAPI is generated from this code and served.

mod app; // what handlers can reach
mod body; // bodies, each with its limit
mod caller; // who calls, and whether they may
mod documents; // what connectors and flows have in common
mod edge; // request ids, problems, limits, metrics around every route
mod leftover; // what refused requests still send
mod masking; // what is not shown, off the serving threads
mod page; // lists in parts
mod path; // names in paths and queries
mod precondition; // If-Match and If-None-Match
mod slots; // how many at once
mod views; // how objects look from outside

mod action_reference; // the management API of the reference for actions
mod actions;
mod action_types;
mod client_result;
mod action_services; // plugins for systems that call external action services
mod action_tests;
mod connector_tests;
mod background_calls;
mod backup; // of the whole store, for operators
mod connectors;
mod continue_run;
mod credentials;
mod diagnostics; // log entries of runs, stored and live
mod flow_codes; // what flows try again after
mod flow_signing; // what flows sign with
mod flows;
mod health;
mod identities;
mod keys;
mod openapi;
mod plugins;
mod prompts; // for holders of tokens
mod run_debug; // the flow runner
mod run_events;
mod cancel;
mod relatives; // of a run
mod run_removal;
mod resume;
mod runs;
mod schemas;
mod templates;
mod tenants;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::action_tests::ActionTestView;
pub(crate) use self::app::{App, Parts, Phase};
pub(crate) use self::connector_tests::{CallOutcome, TestView};
pub(crate) use self::plugins::{Inspected, Refused, Uploads};

/// Every route with its documentation.
fn documented() -> OpenApiRouter<Arc<App>> {
    openapi::start()
        .routes(routes!(tenants::create, tenants::list))
        .routes(routes!(tenants::get))
        .routes(routes!(tenants::disable))
        .routes(routes!(tenants::enable))
        .routes(routes!(keys::create_in, keys::list_in))
        .routes(routes!(keys::revoke_in))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::own))
        .routes(routes!(plugins::put, plugins::get))
        .routes(routes!(plugins::list))
        .routes(routes!(plugins::disable))
        .routes(routes!(plugins::enable))
        .routes(routes!(connectors::list))
        .routes(routes!(connectors::put, connectors::get, connectors::delete))
        .routes(routes!(connectors::versions))
        .routes(routes!(connector_tests::saved))
        .routes(routes!(connector_tests::unsaved))
        .routes(routes!(actions::list))
        .routes(routes!(actions::list_of_type, action_reference::create))
        .routes(routes!(actions::put, actions::get, actions::delete, action_reference::update))
        .routes(routes!(actions::versions))
        .routes(routes!(actions::activate))
        .routes(routes!(actions::deactivate))
        .routes(routes!(action_reference::authentication_types))
        .routes(routes!(action_tests::test))
        .routes(routes!(action_services::serve))
        .routes(routes!(templates::list))
        .routes(routes!(templates::get))
        .routes(routes!(templates::fill))
        .routes(routes!(action_types::list))
        .routes(routes!(action_types::get))
        .routes(routes!(credentials::list))
        .routes(routes!(credentials::put, credentials::get, credentials::delete))
        .routes(routes!(identities::list))
        .routes(routes!(identities::put, identities::get, identities::delete))
        .routes(routes!(identities::jwks))
        .routes(routes!(flows::list))
        .routes(routes!(flows::validate))
        .routes(routes!(flows::put, flows::get))
        .routes(routes!(flows::versions))
        .routes(routes!(flows::set_live))
        .routes(routes!(runs::start))
        .routes(routes!(runs::list))
        .routes(routes!(runs::get, run_removal::delete))
        .routes(routes!(client_result::get))
        .routes(routes!(resume::resume))
        .routes(routes!(continue_run::continue_run))
        .routes(routes!(prompts::get, prompts::answer))
        .routes(routes!(cancel::cancel))
        .routes(routes!(runs::journal))
        .routes(routes!(run_debug::debug))
        .routes(routes!(runs::context))
        .routes(routes!(background_calls::background_calls))
        .routes(routes!(run_events::events))
        .routes(routes!(diagnostics::of_run))
        .routes(routes!(diagnostics::live))
        .routes(routes!(schemas::flow))
        .routes(routes!(schemas::connector))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(backup::make))
        .routes(routes!(openapi::document))
}

/// The OpenAPI document.
pub(crate) fn document() -> serde_json::Value {
    openapi::finish(documented().split_for_parts().1)
}

/// Everything that the API serves.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (router, _) = documented().split_for_parts();
    let router = router.fallback(edge::no_route).layer(axum::extract::DefaultBodyLimit::disable());
    edge::around(router, Arc::clone(&app)).with_state(app)
}

/// `/metrics` alone, without a key, for an address of its own.
pub(crate) fn metrics_router(app: Arc<App>) -> Router {
    Router::new().route("/metrics", axum::routing::get(health::open_metrics)).with_state(app)
}
