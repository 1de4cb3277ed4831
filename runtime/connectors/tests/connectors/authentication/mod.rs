//! Authentication of calls (C-06), against servers that check it.

mod digest;
mod refusals;
mod roles;
mod schemes;
mod support;
mod token_endpoints;
mod tokens;
