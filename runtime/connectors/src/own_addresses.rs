//! The addresses of this machine: whatever else answers there is not what a tenant means to call (E-01).

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

/// The addresses of all interfaces that are up, as they are now.
///
/// # Errors
/// The system does not say: reading them needs netlink sockets, which a sandbox may forbid.
pub(crate) fn read() -> io::Result<Arc<[IpAddr]>> {
    Ok(getifaddrs()?.filter_map(|interface| interface.address.and_then(ip)).collect())
}

fn ip(address: SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_among_them() {
        let own = read().expect("interfaces");
        assert!(own.contains(&IpAddr::from([127, 0, 0, 1])), "{own:?}");
    }
}
