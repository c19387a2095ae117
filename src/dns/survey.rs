//! Whom to ask for a host's record, and in which order.

use std::net::SocketAddr;

use hickory_resolver::proto::rr::Name;

use super::{system, zone};

/// The servers to ask, in two rounds: those of the zone until they agree, then the resolvers, which cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Servers {
    /// Servers that have the zone; empty where none is known or reachable.
    pub authoritative: Vec<SocketAddr>,
    /// Resolvers.
    pub resolvers: Vec<SocketAddr>,
    /// The zone, where it was found.
    pub zone: Option<String>,
    /// Why the zone's own servers are not asked, if they are not.
    pub why_not: Option<String>,
}

/// Finds out whom to ask. Resolvers that are given are used alone; else the machine's; else public ones.
pub async fn servers_for(host: &Name, given: &[SocketAddr]) -> Servers {
    if !given.is_empty() {
        return among(host, given).await;
    }
    let mut why_not = None;
    for resolvers in [system::resolvers(), system::PUBLIC.to_vec()] {
        match zone::find(&resolvers, host).await {
            Ok(zone) => return found(zone, resolvers),
            Err(error @ zone::ZoneError::NoResolver(_)) => why_not = Some(error.to_string()),
            Err(error) => {
                return Servers { resolvers, why_not: Some(error.to_string()), ..Servers::default() };
            }
        }
    }
    Servers { resolvers: system::resolvers(), why_not, ..Servers::default() }
}

/// A given resolver that has the zone itself is asked first; if none has, its servers are looked for through the given ones.
async fn among(host: &Name, given: &[SocketAddr]) -> Servers {
    let zones = futures::future::join_all(given.iter().map(|&server| zone::held_by(server, host))).await;
    let mut servers = Servers::default();
    for (&server, zone) in given.iter().zip(zones) {
        match zone {
            Some(zone) => {
                servers.authoritative.push(server);
                servers.zone = Some(zone);
            }
            None => servers.resolvers.push(server),
        }
    }
    if !servers.authoritative.is_empty() {
        return servers;
    }
    match zone::find(given, host).await {
        Ok(zone) => found(zone, given.to_vec()),
        Err(error) => Servers { why_not: Some(error.to_string()), ..servers },
    }
}

fn found(zone: zone::Zone, resolvers: Vec<SocketAddr>) -> Servers {
    Servers { authoritative: zone.servers, resolvers, zone: Some(zone.name), why_not: None }
}
