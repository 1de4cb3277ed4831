//! Names become addresses, and only checked ones (E-02).
//!
//! The connector of the HTTP client learns addresses from [`CheckedResolver`] and from nowhere else, and dials what
//! it learnt: between the check and the dialling nobody resolves again.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use weir_engine::ids::TenantId;

use crate::egress::{Denied, Destination, EgressPolicy, Scheme};
use crate::send::resolving;

/// What is asked of a [`Resolver`].
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Whose call it is.
    pub tenant: &'a TenantId,
    /// The host name.
    pub host: &'a str,
    /// How long the question may wait for its turn.
    pub patience: Duration,
}

/// Looks names up.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// The addresses of a host name, in the order in which they are tried.
    ///
    /// # Errors
    /// The name does not resolve; [`io::ErrorKind::ResourceBusy`] where its turn did not come.
    async fn lookup(&self, question: Question<'_>) -> io::Result<Vec<IpAddr>>;
}

/// Gives the HTTP client the addresses that the policy leaves of an answer.
pub(crate) struct CheckedResolver {
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) policy: Arc<EgressPolicy>,
    pub(crate) tenant: TenantId,
    /// Less than the time-out that resolving is under, so that waiting in vain is told from a slow name server.
    pub(crate) patience: Duration,
    /// Of the one origin that the client serves.
    pub(crate) scheme: Scheme,
    /// Of the same.
    pub(crate) port: u16,
}

/// Why a name has no address that may be dialled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAddress {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("the name does not resolve")]
    Lookup(#[source] io::Error),
    #[error("the name has no address")]
    Empty,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, policy) = (self.resolver.clone(), self.policy.clone());
        let (scheme, port) = (self.scheme, self.port);
        let (tenant, patience) = (self.tenant.clone(), self.patience);
        Box::pin(async move {
            let lookup = resolver.lookup(Question { tenant: &tenant, host: name.as_str(), patience });
            let answer = resolving(lookup).await.map_err(NoAddress::Lookup)?;
            let checked = permitted(&policy, Destination { scheme, host: name.as_str(), port }, &answer)?;
            Ok(Box::new(checked.into_iter()) as Addrs)
        })
    }
}

/// The addresses of an answer that may be dialled.
fn permitted(policy: &EgressPolicy, to: Destination<'_>, answer: &[IpAddr]) -> Result<Vec<SocketAddr>, NoAddress> {
    let mut first_denied = None;
    let mut checked = Vec::with_capacity(answer.len());
    for address in answer {
        match policy.check(to, *address) {
            Ok(()) => checked.push(SocketAddr::new(*address, to.port)),
            Err(denied) => {
                tracing::debug!(host = to.host, port = to.port, %address, reason = ?denied.reason, "egress denied");
                first_denied.get_or_insert(denied);
            }
        }
    }
    match (checked.is_empty(), first_denied) {
        (false, _) => Ok(checked),
        (true, Some(denied)) => Err(denied.into()),
        (true, None) => Err(NoAddress::Empty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_addresses_of_a_mixed_answer_are_left_out() {
        // keeps E-02
        let [public, private]: [IpAddr; 2] = ["1.1.1.1", "10.0.0.1"].map(|text| text.parse().expect(text));
        let policy = EgressPolicy::default();
        let to = Destination { scheme: Scheme::Https, host: "a.com", port: 443 };
        let checked = permitted(&policy, to, &[private, public]).expect("one is public");
        assert_eq!(checked, [SocketAddr::new(public, 443)]);
        assert!(matches!(permitted(&policy, to, &[private]), Err(NoAddress::Denied(_))));
        assert!(matches!(permitted(&policy, to, &[]), Err(NoAddress::Empty)));
    }
}
