//! Connectors against real servers on loopback: hostile and friendly ones.

mod support;

mod calls;
mod egress;
mod formats;
mod hostile;
mod secrets;
mod validation;
