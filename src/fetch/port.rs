//! Which ports may be asked: those where web servers are, and none where something else listens.

use std::collections::BTreeSet;

/// Ports from 1024 up that belong to services which an HTTP request could disturb or read: the WHATWG's
/// bad ports (Fetch standard, section 2.9), then databases, caches, queues, containers and search.
/// Sorted, for the binary search.
const SERVICES: [u16; 73] = [
    1080, 1099, 1433, 1434, 1521, 1719, 1720, 1723, 1883, 2049, 2181, 2375, 2376, 2377, 2379, 2380, 3268,
    3306, 3389, 3659, 4045, 4190, 4243, 4369, 5060, 5061, 5432, 5433, 5601, 5671, 5672, 5900, 5901, 5984,
    5985, 5986, 6000, 6379, 6380, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 7000, 7001, 7474,
    7687, 8086, 8500, 8983, 9042, 9092, 9160, 9200, 9300, 10080, 10250, 10255, 11211, 15672, 25672, 26257,
    26379, 27017, 27018, 27019, 28017, 50000,
];

/// The ports that a URL may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// 80, 443, and 1024 up, less the ports of other services.
    #[default]
    Web,
    /// These and no others.
    Only(BTreeSet<u16>),
}

impl Ports {
    /// Whether a URL that leads to `port` may be asked.
    #[must_use]
    pub fn allow(&self, port: u16) -> bool {
        match self {
            Self::Web => matches!(port, 80 | 443 | 1024..) && SERVICES.binary_search(&port).is_err(),
            Self::Only(ports) => ports.contains(&port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(SERVICES.is_sorted());
    }

    #[test]
    fn web_ports_and_others() {
        let check = |port, allowed| assert_eq!(Ports::Web.allow(port), allowed, "{port}");
        for port in [80, 443, 1024, 3000, 8000, 8080, 8443, 8888, 39217, 65535] {
            check(port, true);
        }
        for port in [0, 1, 22, 25, 81, 1023, 2049, 2375, 5432, 6000, 6379, 9200, 10080, 11211, 27017] {
            check(port, false);
        }
        assert!(Ports::Only([8081].into()).allow(8081));
        assert!(!Ports::Only([8081].into()).allow(80));
    }
}
