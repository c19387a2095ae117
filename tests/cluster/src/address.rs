//! Which addresses a cluster has: everything follows from its index, so that clusters never overlap.

use std::net::{Ipv4Addr, SocketAddr};

/// The addresses of the cluster with this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    index: u8,
}

impl Addresses {
    /// The highest index; the lowest is 1.
    pub const LAST: u8 = 100;

    /// The addresses of one index; `None` outside of 1 to [`Self::LAST`].
    pub fn of(index: u8) -> Option<Self> {
        (1..=Self::LAST).contains(&index).then_some(Self { index })
    }

    /// The cluster's index on this machine.
    pub fn index(self) -> u8 {
        self.index
    }

    /// The machine's end of the link into the cluster's network namespace.
    pub fn host(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 99, self.index, 1)
    }

    /// The node: every process of the cluster listens here.
    pub fn node(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 99, self.index, 2)
    }

    /// The link's range.
    pub fn link_range(self) -> String {
        format!("10.99.{}.0/24", self.index)
    }

    /// The pods' range.
    pub fn pod_range(self) -> String {
        format!("10.244.{}.0/24", self.index)
    }

    /// The Services' range. 10.101 to 10.200: clear of the links' 10.99 and the pods' 10.244.
    pub fn service_range(self) -> String {
        format!("10.{}.0.0/16", 100 + self.index)
    }

    /// The Service `default/kubernetes`: the API server takes the range's first address for it.
    pub fn api_service(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 100 + self.index, 0, 1)
    }

    /// The Service `kube-system/kube-dns`.
    pub fn dns_service(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 100 + self.index, 0, 10)
    }

    /// The API server.
    pub fn api_server(self) -> SocketAddr {
        SocketAddr::from((self.node(), 6443))
    }

    /// BIND, which serves the cluster's zone.
    pub fn dns_server(self) -> SocketAddr {
        SocketAddr::from((self.node(), 53))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn clusters_share_no_range() {
        let mut seen = BTreeSet::new();
        for index in 1..=Addresses::LAST {
            let addresses = Addresses::of(index).unwrap();
            for range in [addresses.link_range(), addresses.pod_range(), addresses.service_range()] {
                // A /16 of the Services must not hold another's /24 either.
                assert!(!range.starts_with("10.99.") || range == addresses.link_range());
                assert!(!range.starts_with("10.244.") || range == addresses.pod_range());
                assert!(seen.insert(range));
            }
        }
    }

    #[test]
    fn an_index_out_of_range_has_no_addresses() {
        assert_eq!(Addresses::of(0), None);
        assert_eq!(Addresses::of(Addresses::LAST + 1), None);
    }

    #[test]
    fn addresses_lie_in_their_ranges() {
        let blue = Addresses::of(1).unwrap();
        assert_eq!(blue.node().to_string(), "10.99.1.2");
        assert_eq!(blue.pod_range(), "10.244.1.0/24");
        assert_eq!(blue.service_range(), "10.101.0.0/16");
        assert_eq!(blue.api_service().to_string(), "10.101.0.1");
        assert_eq!(blue.dns_server().to_string(), "10.99.1.2:53");
    }
}
