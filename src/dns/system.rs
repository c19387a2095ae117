//! The resolvers that this machine uses, and the public ones.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hickory_resolver::system_conf;

/// Resolvers that anybody may ask, for where the machine names none.
/// <https://developers.google.com/speed/public-dns/docs/using>, <https://developers.cloudflare.com/1.1.1.1/ip-addresses/>
pub const PUBLIC: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), 53),
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)), 53),
];

/// The resolvers of `/etc/resolv.conf`; empty where it names none or cannot be read.
pub fn resolvers() -> Vec<SocketAddr> {
    match system_conf::read_system_conf() {
        Ok((config, _)) => of_config(config.name_servers()),
        Err(error) => {
            tracing::debug!(%error, "no resolvers of the system");
            Vec::new()
        }
    }
}

fn of_config(servers: &[hickory_resolver::config::NameServerConfig]) -> Vec<SocketAddr> {
    let mut found: Vec<SocketAddr> = Vec::new();
    for server in servers {
        let address = SocketAddr::new(server.ip, 53);
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resolver_once() {
        let text = "search example.com\nnameserver 10.0.0.2\nnameserver 10.0.0.2\nnameserver ::1\noptions ndots:5\n";
        let (config, _) = system_conf::parse_resolv_conf(text).unwrap();
        let found = of_config(config.name_servers());
        assert_eq!(found, ["10.0.0.2:53".parse().unwrap(), "[::1]:53".parse::<SocketAddr>().unwrap()]);
    }
}
