//! Connectors against real servers on loopback: hostile and friendly ones.

#[cfg(test)]
mod support;

#[cfg(test)]
mod authentication;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod egress;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod interpolation;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod one_attempt;
#[cfg(test)]
mod redirects;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod responses;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod spellings;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tls_server;
#[cfg(test)]
mod validation;
