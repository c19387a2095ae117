//! Finds the servers that have a host's zone, without asking any cache for the host itself.
//!
//! Resolvers are asked for the SOA of the host's parent: its answer, positive or negative, names the zone as this machine sees it, which
//! matters where a private zone lies below a public one. The zone's servers are then asked directly, and followed where they refer
//! to a zone below. A parent that does not exist yet is thereby denied to caches that obey
//! <https://www.rfc-editor.org/rfc/rfc8020>; a host directly in its zone has no such parent.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::addresses::{Answer, ask_for, of_message};
use super::question::{NoAnswer, Recursion, ask};
use super::shown;

/// Zones below each other that are followed; the public tree has four or five.
const DEEPEST: usize = 10;
/// Servers of one zone that are asked; the public ones have up to thirteen.
const MOST_SERVERS: usize = 6;

/// A zone and its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The zone's name.
    pub name: String,
    /// Its servers that answer from here, sorted.
    pub servers: Vec<SocketAddr>,
}

/// Why the servers of a zone are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// The resolvers do not know the upper end of the name.
    #[error("{resolver} says {answer} for the zone of {name}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// Which resolver.
        resolver: SocketAddr,
        /// What it said.
        answer: String,
    },
    /// No resolver answers.
    #[error("no resolver answers: {0}")]
    NoResolver(String),
    /// The zone's servers do not answer from here, or do not have the zone.
    #[error("the servers of zone {zone} do not help: {reason}")]
    NoServer {
        /// The zone.
        zone: String,
        /// What each said.
        reason: String,
    },
}

/// Finds the zone that has `host`, through these resolvers.
pub async fn find(resolvers: &[SocketAddr], host: &Name) -> Result<Zone, ZoneError> {
    let (resolver, apex) = apex_of(resolvers, &host.base_name()).await?;
    let mut zone = servers_of(resolver, apex).await?;
    for _ in 0..DEEPEST {
        let servers = addresses_of_servers(resolvers, &zone.servers, &zone.glue).await;
        match descend(host, &zone.name, &servers).await? {
            Step::Here(servers) => return Ok(Zone { name: shown(&zone.name), servers }),
            Step::Below(delegation) => zone = delegation,
        }
    }
    Err(ZoneError::NoServer { zone: shown(&zone.name), reason: "too many zones below each other".to_owned() })
}

/// The zone of a host, if this server has it itself, told by the parent's SOA; `None` for resolvers, which hand on what others say.
pub async fn held_by(server: SocketAddr, host: &Name) -> Option<String> {
    let message = ask(server, &host.base_name(), RecordType::SOA, Recursion::No).await.ok()?;
    let told = matches!(message.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
    let own = told && message.metadata.authoritative && !message.metadata.recursion_available;
    apex_in(&message).filter(|_| own).map(|apex| shown(&apex))
}

/// A zone with the names of its servers.
#[derive(Debug, PartialEq, Eq)]
struct Delegation {
    name: Name,
    servers: Vec<Name>,
    glue: BTreeMap<Name, Vec<IpAddr>>,
}

/// The apex of the zone that a name is or would be in, and the resolver that told it.
async fn apex_of(resolvers: &[SocketAddr], name: &Name) -> Result<(SocketAddr, Name), ZoneError> {
    let mut silent = Vec::new();
    let mut unknown = None;
    for &resolver in resolvers {
        let mut asked = name.clone();
        while !asked.is_root() {
            let message = match ask(resolver, &asked, RecordType::SOA, Recursion::Desired).await {
                Ok(message) => message,
                Err(error) => {
                    silent.push(format!("{resolver}: {error}"));
                    break;
                }
            };
            match apex_in(&message) {
                Some(apex) if !apex.is_root() => return Ok((resolver, apex)),
                // Some resolvers leave the SOA out of what they deny.
                None if message.metadata.response_code == ResponseCode::NoError => asked = asked.base_name(),
                _ => {
                    let answer = of_message(&asked, &message).to_string();
                    unknown = Some(ZoneError::Unknown { name: shown(name), resolver, answer });
                    break;
                }
            }
        }
    }
    let none = if silent.is_empty() { "none is known".to_owned() } else { silent.join("; ") };
    Err(unknown.unwrap_or(ZoneError::NoResolver(none)))
}

/// The apex that a reply to a question for a SOA names: in its answer, or in the denial.
fn apex_in(message: &Message) -> Option<Name> {
    let mut records = message.answers.iter().chain(&message.authorities);
    records.find(|record| matches!(record.data, RData::SOA(_))).map(|record| record.name.to_lowercase())
}

/// The servers of a zone, as a resolver tells them.
async fn servers_of(resolver: SocketAddr, apex: Name) -> Result<Delegation, ZoneError> {
    let unknown = |answer: String| ZoneError::Unknown { name: shown(&apex), resolver, answer };
    let message = ask(resolver, &apex, RecordType::NS, Recursion::Desired).await.map_err(|e| unknown(e.to_string()))?;
    delegation(&apex, &message, &message.answers).ok_or_else(|| unknown("no name servers".to_owned()))
}

/// The NS records of a name in one section of a message, with the addresses that came along.
fn delegation(name: &Name, message: &Message, section: &[hickory_resolver::proto::rr::Record]) -> Option<Delegation> {
    let servers: Vec<Name> = section
        .iter()
        .filter(|record| record.name.eq_ignore_root(name))
        .filter_map(|record| match &record.data {
            RData::NS(server) => Some(server.0.to_lowercase()),
            _ => None,
        })
        .collect();
    let mut glue: BTreeMap<Name, Vec<IpAddr>> = BTreeMap::new();
    for record in &message.additionals {
        let address = match &record.data {
            RData::A(a) => IpAddr::V4(a.0),
            RData::AAAA(a) => IpAddr::V6(a.0),
            _ => continue,
        };
        glue.entry(record.name.to_lowercase()).or_default().push(address);
    }
    (!servers.is_empty()).then(|| Delegation { name: name.to_lowercase(), servers, glue })
}

/// What a zone's servers say about where the host is.
enum Step {
    Here(Vec<SocketAddr>),
    Below(Delegation),
}

async fn descend(host: &Name, zone: &Name, servers: &[SocketAddr]) -> Result<Step, ZoneError> {
    let asked =
        servers.iter().map(|&server| async move { (server, ask(server, host, RecordType::A, Recursion::No).await) });
    let mut here = Vec::new();
    let mut others = Vec::new();
    for (server, reply) in futures::future::join_all(asked).await {
        match reply {
            Ok(message) if message.metadata.authoritative && of_message(host, &message).is_told() => here.push(server),
            Ok(message) => match referral(host, zone, &message) {
                Some(delegation) => return Ok(Step::Below(delegation)),
                None => others.push(format!("{server}: {}", of_message(host, &message))),
            },
            Err(NoAnswer::Silent(_)) => others.push(format!("{server}: no answer")),
            Err(error) => others.push(format!("{server}: {error}")),
        }
    }
    if here.is_empty() {
        let reason = if others.is_empty() { "their addresses are not known".to_owned() } else { others.join("; ") };
        return Err(ZoneError::NoServer { zone: shown(zone), reason });
    }
    here.sort_unstable();
    Ok(Step::Here(here))
}

/// A referral to a zone between this one and the host; anything else leads in circles.
fn referral(host: &Name, zone: &Name, message: &Message) -> Option<Delegation> {
    let owner = &message.authorities.iter().find(|record| matches!(record.data, RData::NS(_)))?.name;
    let is_below = zone.zone_of(owner) && owner.num_labels() > zone.num_labels() && owner.zone_of(host);
    is_below.then(|| delegation(owner, message, &message.authorities)).flatten()
}

/// The addresses of name servers: those that came along, else by asking resolvers, to whom these names are nothing new.
async fn addresses_of_servers(
    resolvers: &[SocketAddr],
    servers: &[Name],
    glue: &BTreeMap<Name, Vec<IpAddr>>,
) -> Vec<SocketAddr> {
    let lookups = servers.iter().take(MOST_SERVERS).map(async |server| {
        if let Some(known) = glue.get(server) {
            return known.clone();
        }
        for &resolver in resolvers {
            if let Answer::Records(records) = ask_for(resolver, server, Recursion::Desired).await {
                return records.addresses.into_iter().collect();
            }
        }
        Vec::new()
    });
    let mut found: Vec<SocketAddr> = futures::future::join_all(lookups)
        .await
        .into_iter()
        .flatten()
        .map(|address| SocketAddr::new(address, 53))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::name;
    use hickory_resolver::proto::op::{MessageType, OpCode};
    use hickory_resolver::proto::rr::Record;
    use hickory_resolver::proto::rr::rdata::{A, NS, SOA};

    fn named(text: &str) -> Name {
        name(text).unwrap()
    }

    fn soa(owner: &str) -> Record {
        let data = SOA::new(named("ns1.example.com"), named("admin.example.com"), 1, 60, 60, 600, 300);
        Record::from_rdata(named(owner), 60, RData::SOA(data))
    }

    fn ns(owner: &str, server: &str) -> Record {
        Record::from_rdata(named(owner), 60, RData::NS(NS(named(server))))
    }

    fn message(answers: &[Record], authorities: &[Record], additionals: &[Record]) -> Message {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        message.answers.extend_from_slice(answers);
        message.authorities.extend_from_slice(authorities);
        message.additionals.extend_from_slice(additionals);
        message
    }

    #[test]
    fn the_apex_is_named_by_answers_and_by_denials() {
        assert_eq!(apex_in(&message(&[soa("Example.com")], &[], &[])), Some(named("example.com")));
        assert_eq!(apex_in(&message(&[], &[soa("example.com")], &[])), Some(named("example.com")));
        assert_eq!(apex_in(&message(&[], &[ns("example.com", "ns1.example.com")], &[])), None);
    }

    #[test]
    fn only_a_referral_downwards_is_followed() {
        let (host, zone) = (named("web.blue.example.com"), named("example.com"));
        let glue = Record::from_rdata(named("ns.blue.example.com"), 60, RData::A(A::new(192, 0, 2, 53)));
        let down = message(&[], &[ns("blue.example.com", "ns.blue.example.com")], &[glue]);
        let found = referral(&host, &zone, &down).unwrap();
        assert_eq!((found.name, found.servers), (named("blue.example.com"), vec![named("ns.blue.example.com")]));
        assert_eq!(found.glue[&named("ns.blue.example.com")], ["192.0.2.53".parse::<IpAddr>().unwrap()]);
        for elsewhere in ["com", "example.com", "green.example.com", "."] {
            let reply = message(&[], &[ns(elsewhere, "ns1.example.com")], &[]);
            assert_eq!(referral(&host, &zone, &reply), None, "{elsewhere}");
        }
    }
}
