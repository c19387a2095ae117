//! The addresses of a name that somebody else keeps, such as a load balancer's: from the servers of its zone, else from resolvers.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::proto::rr::Name;

use super::addresses::{Answer, Records, ask_for};
use super::question::Recursion;
use super::{name, shown, zone};

/// CNAMEs from zone to zone that are followed.
const LONGEST_CHAIN: usize = 8;

/// All addresses of a host, gathered over the servers of its zone, because each may tell another part of a large set.
///
/// # Errors
/// The most telling of the answers that were not addresses.
pub async fn addresses_of(resolvers: &[SocketAddr], host: &Name) -> Result<BTreeSet<IpAddr>, Answer> {
    let mut host = host.clone();
    for _ in 0..LONGEST_CHAIN {
        let (servers, recursion) = match zone::find(resolvers, &host).await {
            Ok(zone) => (zone.servers, Recursion::No),
            Err(error) => {
                tracing::debug!(%error, "no servers of the zone; asking resolvers");
                (resolvers.to_vec(), Recursion::Desired)
            }
        };
        let records = ask_all(&servers, &host, recursion).await?;
        match (records.addresses.is_empty(), records.aliases.last().and_then(|alias| name(alias))) {
            (true, Some(next)) if recursion == Recursion::No => host = next,
            (true, _) => return Err(Answer::NoData(None)),
            (false, _) => return Ok(records.addresses),
        }
    }
    Err(Answer::Code(format!("more than {LONGEST_CHAIN} CNAMEs after each other, the last one {}", shown(&host))))
}

async fn ask_all(servers: &[SocketAddr], host: &Name, recursion: Recursion) -> Result<Records, Answer> {
    let answers = futures::future::join_all(servers.iter().map(|&server| ask_for(server, host, recursion))).await;
    match answers.into_iter().reduce(Answer::or) {
        Some(Answer::Records(records)) => Ok(records),
        Some(other) => Err(other),
        None => Err(Answer::Unreachable("no server is known".to_owned())),
    }
}
