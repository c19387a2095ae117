//! The addresses of a host as one server tells them.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::question::{NoAnswer, Recursion, ask};
use super::shown;

/// The records of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// A and AAAA, at the end of the aliases if there are any.
    pub addresses: BTreeSet<IpAddr>,
    /// The names that CNAMEs lead to, in their order; the last one may lie in a zone that the server does not have.
    pub aliases: Vec<String>,
}

/// What one server says about a host, A and AAAA taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// There are records.
    Records(Records),
    /// NXDOMAIN: there is no such name; the zone that denies it, if the server says so.
    NoSuchName(Option<String>),
    /// The name is there, but has no addresses; the zone that says so.
    NoData(Option<String>),
    /// SERVFAIL: the server could not find out.
    ServFail,
    /// REFUSED: the server does not answer such questions, or not from here.
    Refused,
    /// The server has not got the zone and names the servers of another one.
    Referral(String),
    /// Another code of the protocol.
    Code(String),
    /// No answer in this time.
    Silent(Duration),
    /// The server cannot be reached from here.
    Unreachable(String),
}

impl Answer {
    /// Whether the server said anything about the name.
    pub fn is_told(&self) -> bool {
        matches!(self, Self::Records(_) | Self::NoSuchName(_) | Self::NoData(_) | Self::ServFail)
    }

    /// The zone that a negative answer names.
    pub fn zone(&self) -> Option<&str> {
        match self {
            Self::NoSuchName(zone) | Self::NoData(zone) => zone.as_deref(),
            Self::Referral(zone) => Some(zone),
            _ => None,
        }
    }

    /// The more telling one of two answers to the same question.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Records(mut left), Self::Records(right)) => {
                left.addresses.extend(right.addresses);
                if left.aliases.is_empty() {
                    left.aliases = right.aliases;
                }
                Self::Records(left)
            }
            (left, right) => {
                if left.rank() <= right.rank() {
                    left
                } else {
                    right
                }
            }
        }
    }

    /// The lower, the more telling. That there is no AAAA says nothing while the A is unknown.
    fn rank(&self) -> u8 {
        match self {
            Self::Records(_) => 0,
            Self::NoSuchName(_) => 1,
            Self::ServFail => 2,
            Self::Refused => 3,
            Self::Code(_) => 4,
            Self::Unreachable(_) => 5,
            Self::Silent(_) => 6,
            Self::Referral(_) => 7,
            Self::NoData(_) => 8,
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of_zone = |zone: &Option<String>| zone.as_ref().map(|z| format!(" (zone {z})")).unwrap_or_default();
        match self {
            Self::Records(records) => write!(f, "{records}"),
            Self::NoSuchName(zone) => write!(f, "NXDOMAIN{}", of_zone(zone)),
            Self::NoData(zone) => write!(f, "no address{}", of_zone(zone)),
            Self::ServFail => f.write_str("SERVFAIL"),
            Self::Refused => f.write_str("REFUSED"),
            Self::Referral(zone) => write!(f, "a referral to the servers of zone {zone}"),
            Self::Code(code) => f.write_str(code),
            Self::Silent(time) => write!(f, "no answer within {} s", time.as_secs_f64()),
            Self::Unreachable(reason) => write!(f, "unreachable: {reason}"),
        }
    }
}

impl std::fmt::Display for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for alias in &self.aliases {
            write!(f, "CNAME {alias} ")?;
        }
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        f.write_str(&addresses.join(", "))
    }
}

/// Asks one server for the A and AAAA records of a host.
pub async fn ask_for(server: SocketAddr, host: &Name, recursion: Recursion) -> Answer {
    let (v4, v6) =
        tokio::join!(ask(server, host, RecordType::A, recursion), ask(server, host, RecordType::AAAA, recursion));
    of_reply(host, v4).or(of_reply(host, v6))
}

fn of_reply(host: &Name, reply: Result<Message, NoAnswer>) -> Answer {
    match reply {
        Ok(message) => of_message(host, &message),
        Err(NoAnswer::Silent(time)) => Answer::Silent(time),
        Err(NoAnswer::Unreachable(reason)) => Answer::Unreachable(reason),
    }
}

/// What a reply to a question for addresses says.
pub(super) fn of_message(host: &Name, message: &Message) -> Answer {
    let zone = message.authorities.iter().find(|r| matches!(r.data, RData::SOA(_))).map(|r| shown(&r.name));
    match message.metadata.response_code {
        // A CNAME to a name that does not exist yet comes with NXDOMAIN for the target: the alias itself is there.
        ResponseCode::NoError | ResponseCode::NXDomain => {
            let records = follow(host, message);
            if !records.addresses.is_empty() || !records.aliases.is_empty() {
                return Answer::Records(records);
            }
        }
        ResponseCode::ServFail => return Answer::ServFail,
        ResponseCode::Refused => return Answer::Refused,
        code => return Answer::Code(code.to_str().to_owned()),
    }
    if message.metadata.response_code == ResponseCode::NXDomain {
        return Answer::NoSuchName(zone);
    }
    let referred = message.authorities.iter().find(|r| matches!(r.data, RData::NS(_)));
    match referred {
        Some(ns) if !message.metadata.authoritative && zone.is_none() => Answer::Referral(shown(&ns.name)),
        _ => Answer::NoData(zone),
    }
}

/// Follows the CNAMEs of an answer from the host on; records of other names do not count.
fn follow(host: &Name, message: &Message) -> Records {
    let mut records = Records::default();
    let mut owner = host.clone();
    // Each record leads on at most once, so that a loop of CNAMEs ends.
    for _ in 0..=message.answers.len() {
        let of_owner = message.answers.iter().filter(|r| r.name.eq_ignore_root(&owner));
        let mut next = None;
        for record in of_owner {
            match &record.data {
                RData::A(a) => drop(records.addresses.insert(IpAddr::V4(a.0))),
                RData::AAAA(a) => drop(records.addresses.insert(IpAddr::V6(a.0))),
                RData::CNAME(target) => next = Some(target.0.clone()),
                _ => {}
            }
        }
        match next {
            Some(target) if !records.aliases.contains(&shown(&target)) => {
                records.aliases.push(shown(&target));
                owner = target;
            }
            _ => break,
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::name;
    use hickory_resolver::proto::op::{MessageType, OpCode};
    use hickory_resolver::proto::rr::Record;
    use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, NS, SOA};

    fn reply(code: ResponseCode, answers: &[(&str, RData)], authorities: &[(&str, RData)]) -> Message {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        let record = |(owner, data): &(&str, RData)| Record::from_rdata(name(owner).unwrap(), 60, data.clone());
        message.answers = answers.iter().map(record).collect();
        message.authorities = authorities.iter().map(record).collect();
        message
    }

    fn a(last: u8) -> RData {
        RData::A(A::new(192, 0, 2, last))
    }

    fn cname(target: &str) -> RData {
        RData::CNAME(CNAME(name(target).unwrap()))
    }

    fn soa() -> RData {
        let (mname, rname) = (name("ns1.example.com").unwrap(), name("admin.example.com").unwrap());
        RData::SOA(SOA::new(mname, rname, 1, 60, 60, 600, 300))
    }

    fn judged(message: &Message) -> Answer {
        of_message(&name("web.example.com").unwrap(), message)
    }

    #[test]
    fn denials_are_told_apart_and_name_the_zone() {
        let zone = Some("example.com".to_owned());
        let denied = |code| judged(&reply(code, &[], &[("example.com", soa())]));
        assert_eq!(denied(ResponseCode::NXDomain), Answer::NoSuchName(zone.clone()));
        assert_eq!(denied(ResponseCode::NoError), Answer::NoData(zone));
        assert_eq!(judged(&reply(ResponseCode::ServFail, &[], &[])), Answer::ServFail);
        assert_eq!(judged(&reply(ResponseCode::Refused, &[], &[])), Answer::Refused);
        assert!(matches!(judged(&reply(ResponseCode::NotImp, &[], &[])), Answer::Code(_)));
        let ns = RData::NS(NS(name("ns1.example.com").unwrap()));
        let referral = judged(&reply(ResponseCode::NoError, &[], &[("example.com", ns)]));
        assert_eq!(referral, Answer::Referral("example.com".to_owned()));
    }

    #[test]
    fn only_records_of_the_name_and_its_aliases_count() {
        let answers = [
            ("WEB.example.com", cname("lb.example.net")),
            ("lb.example.net", a(1)),
            ("lb.example.net", a(2)),
            ("other.example.com", a(9)),
        ];
        let Answer::Records(records) = judged(&reply(ResponseCode::NoError, &answers, &[])) else {
            panic!("no records")
        };
        assert_eq!(records.to_string(), "CNAME lb.example.net 192.0.2.1, 192.0.2.2");
    }

    #[test]
    fn a_dangling_alias_is_there_although_its_target_is_not() {
        let answers = [("web.example.com", cname("lb.example.net"))];
        let Answer::Records(records) = judged(&reply(ResponseCode::NXDomain, &answers, &[])) else {
            panic!("no records")
        };
        assert_eq!((records.aliases, records.addresses.len()), (vec!["lb.example.net".to_owned()], 0));
    }

    #[test]
    fn aliases_in_a_circle_end() {
        let answers = [("web.example.com", cname("b.example.com")), ("b.example.com", cname("web.example.com"))];
        let Answer::Records(records) = judged(&reply(ResponseCode::NoError, &answers, &[])) else {
            panic!("no records")
        };
        assert_eq!(records.aliases, ["b.example.com", "web.example.com"]);
    }

    #[test]
    fn one_family_without_records_does_not_hide_the_other() {
        let v6 = RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
        let v4 = || judged(&reply(ResponseCode::NoError, &[("web.example.com", a(1))], &[]));
        let v6 = judged(&reply(ResponseCode::NoError, &[("web.example.com", v6)], &[]));
        assert_eq!(v4().or(Answer::NoData(None)), v4());
        assert_eq!(Answer::Silent(Duration::from_secs(2)).or(v4()), v4());
        assert_eq!(v4().or(v6).to_string(), "192.0.2.1, 2001:db8::1");
        assert_eq!(Answer::NoData(None).or(Answer::ServFail), Answer::ServFail);
    }
}
