//! Actions: the contract with plugins and external services.

pub(crate) mod acting; // the flow that most of them run
pub(crate) mod allowed_operations;
pub(crate) mod authentication_redirect;
pub(crate) mod client_actions; // which action is meant
pub(crate) mod client_result;
pub(crate) mod custom_authentication;
pub(crate) mod encryption; // real keys for vectors that speak of JWE
pub(crate) mod extension_config;
pub(crate) mod extension_encrypted;
pub(crate) mod extension_executor;
pub(crate) mod extension_request;
pub(crate) mod extension_response;
pub(crate) mod flow_engine;
pub(crate) mod http_outcome;
pub(crate) mod management;
pub(crate) mod pre_update;
pub(crate) mod pre_update_answers;
pub(crate) mod pre_update_credential;
pub(crate) mod response_strings;
pub(crate) mod rules;
pub(crate) mod sample_services;
pub(crate) mod sample_services_http;
pub(crate) mod seed_attempts;
pub(crate) mod seed_examples;
pub(crate) mod token_patch;
