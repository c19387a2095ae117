//! The DNS record of the host: at the servers of its zone first, and only once they agree through resolvers, which cache denials.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::proto::rr::Name;

use super::objects::Names;
use super::settings::{Dns, Settings};
use super::standing;
use crate::cluster::Look;
use crate::context::Step;
use crate::dns::addresses::ask_for;
use crate::dns::question::Recursion;
use crate::dns::survey::{Servers, servers_for};
use crate::dns::{self, Answer, Match, Target, registry, resolve};
use crate::failure::{Certainty, Failure, Origin};
use crate::verdict::Verdict;

/// The longest pause between two rounds at the zone's own servers.
const PAUSE: Duration = Duration::from_millis(500);
/// The same at resolvers, where a denial is kept anyway.
const PAUSE_AT_RESOLVERS: Duration = Duration::from_secs(2);

/// The host, whom to ask, and where it should lead.
pub(super) struct Record<'a> {
    host: Name,
    dns: &'a Dns,
    target: &'a Target,
    names: &'a Names,
    /// Nobody can have had the host before the run.
    host_is_new: bool,
    /// What it led to before the run's Ingress was there.
    before: Option<&'a str>,
}

/// What was found about the record, for the steps after.
pub(super) struct Found {
    servers: Servers,
    /// The addresses that the name leads to.
    pub(super) addresses: BTreeSet<IpAddr>,
}

impl Found {
    /// Whether the record was seen at the zone's own servers only, and resolvers are still to be asked.
    pub(super) fn resolvers_to_ask(&self) -> bool {
        !self.servers.authoritative.is_empty() && !self.servers.resolvers.is_empty()
    }
}

/// Who is asked, and how.
pub(super) struct Round<'a> {
    pub(super) servers: &'a [SocketAddr],
    pub(super) recursion: Recursion,
    pub(super) pause: Duration,
}

impl<'a> Record<'a> {
    pub(super) fn new(
        settings: &Settings,
        dns: &'a Dns,
        target: &'a Target,
        names: &'a Names,
        before: Option<&'a str>,
    ) -> Result<Self, Failure> {
        let host = dns::name(&settings.host)
            .ok_or_else(|| Failure::inconclusive("a host name that DNS can carry").saw(settings.host.clone()))?;
        Ok(Self { host, dns, target, names, host_is_new: settings.host_is_new, before })
    }

    /// Waits until the zone's own servers agree on the record; where they are out of reach, until the resolvers do.
    pub(super) async fn at_its_zone(&self, step: &Step) -> Result<Found, Failure> {
        step.expects("the servers of the host's zone");
        let servers = servers_for(&self.host, &self.dns.resolvers).await;
        if let Some(why_not) = &servers.why_not {
            step.evidence("zoneNotAsked", why_not);
        }
        let round = if servers.authoritative.is_empty() {
            Round { servers: &servers.resolvers, recursion: Recursion::Desired, pause: PAUSE_AT_RESOLVERS }
        } else {
            Round { servers: &servers.authoritative, recursion: Recursion::No, pause: PAUSE }
        };
        let addresses = self.until_met(step, &round, &servers).await?;
        if self.host_is_new {
            let target = (self.target, self.dns.how);
            standing::past_wildcard(step, &self.host, &round, target, self.names, &servers).await?;
        }
        let owner = match round.servers.first() {
            Some(first) => registry::owner_of(*first, &self.host, round.recursion).await,
            None => None,
        };
        if let Some(before) = self.before.filter(|_| !standing::is_of_this_run(owner.as_ref(), self.names)) {
            let text =
                format!("{before}; where the name leads is proved, that external-dns writes now is not (see `zone`)");
            step.evidence("recordBefore", text);
        }
        if let Some(owner) = owner {
            step.evidence("writtenBy", owner);
        }
        Ok(Found { servers, addresses })
    }

    /// Waits until the resolvers tell the record as well.
    pub(super) async fn at_resolvers(&self, step: &Step, found: &Found) -> Result<BTreeSet<IpAddr>, Failure> {
        let servers = &found.servers;
        let round = Round { servers: &servers.resolvers, recursion: Recursion::Desired, pause: PAUSE_AT_RESOLVERS };
        self.until_met(step, &round, servers).await.map_err(|mut failure| {
            if failure.verdict == Verdict::Failed {
                failure = failure.because(
                    Certainty::Likely,
                    Origin::Outside,
                    "the zone's servers tell the record, but these resolvers do not: they keep an older answer or a denial, \
                     or see another zone of the same name",
                );
            }
            failure
        })
    }

    async fn until_met(&self, step: &Step, round: &Round<'_>, servers: &Servers) -> Result<BTreeSet<IpAddr>, Failure> {
        let asked = joined(round.servers);
        let zone = servers.zone.as_ref().map(|zone| format!(" (zone {zone})")).unwrap_or_default();
        let expected = format!("{} to lead to {} at {asked}{zone}", dns::shown(&self.host), self.target);
        let last = RefCell::new(Vec::new());
        let ask = async || {
            let answers = round.servers.iter().map(async |&server| (server, self.ask(server, round, servers).await));
            last.replace(futures::future::join_all(answers).await);
            judge(self.target, self.dns.how, &last.borrow())
        };
        let outcome = step.poll_up_to(round.pause, &expected, Some(self.names.ingress()), ask).await;
        let answers = last.into_inner();
        match outcome {
            Ok(addresses) => {
                step.evidence("asked", asked);
                step.evidence("answers", told(&answers));
                if let Some(zone) = &servers.zone {
                    step.evidence("zone", zone);
                }
                // A CNAME to the load balancer's name is a match by itself.
                Ok(if addresses.is_empty() { self.target.addresses.clone() } else { addresses })
            }
            Err(failure) => Err(self.explained(failure, &answers, round, servers).await),
        }
    }

    async fn ask(&self, server: SocketAddr, round: &Round<'_>, servers: &Servers) -> Answer {
        let mut answer = ask_for(server, &self.host, round.recursion).await;
        // A zone's server tells a CNAME out of its zone without what it leads to.
        if let Answer::Records(records) = &mut answer
            && records.addresses.is_empty()
            && !self.target.is_met_by(records, self.dns.how)
            && let Some(target) = records.aliases.last().and_then(|alias| dns::name(alias))
            && let Ok(addresses) = resolve::addresses_of(&servers.resolvers, &target).await
        {
            records.addresses = addresses;
        }
        answer
    }

    /// Says what is wrong with the record, from the last answers.
    async fn explained(
        &self,
        failure: Failure,
        answers: &[(SocketAddr, Answer)],
        round: &Round<'_>,
        servers: &Servers,
    ) -> Failure {
        let host = dns::shown(&self.host);
        let server = answers.first().map(|(server, _)| *server);
        let elsewhere = answers.iter().find(|(_, answer)| matches!(answer, Answer::Records(_)));
        let owner = match elsewhere {
            Some((server, _)) => registry::owner_of(*server, &self.host, round.recursion).await,
            None => None,
        };
        let failure = concluded(failure, answers, owner.as_ref(), servers);
        let command = server.map(|server| {
            let recursion = if round.recursion == Recursion::No { "+norecurse " } else { "" };
            let port = if server.port() == 53 { String::new() } else { format!("-p {} ", server.port()) };
            format!("dig {recursion}{port}@{} {host}", server.ip())
        });
        let failure = match command {
            Some(command) => failure.next(command),
            None => failure,
        };
        // Whoever only a resolver keeps from the record has no quarrel with external-dns.
        let at_fault = round.recursion == Recursion::No || servers.authoritative.is_empty();
        let command = "kubectl get pods -A -l app.kubernetes.io/name=external-dns; and its log";
        if at_fault { failure.next(command) } else { failure }
    }
}

fn joined(servers: &[SocketAddr]) -> String {
    servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Answers with those who gave them, the same answers together.
fn told(answers: &[(SocketAddr, Answer)]) -> String {
    let mut by_answer: BTreeMap<String, Vec<SocketAddr>> = BTreeMap::new();
    for (server, answer) in answers {
        by_answer.entry(answer.to_string()).or_default().push(*server);
    }
    let each = by_answer.iter().map(|(answer, servers)| format!("{answer} from {}", joined(servers)));
    each.collect::<Vec<_>>().join("; ")
}

/// Whether all servers that say anything lead to the target. Those out of reach do not count, unless all are.
fn judge(target: &Target, how: Match, answers: &[(SocketAddr, Answer)]) -> Look<BTreeSet<IpAddr>> {
    let mut addresses = BTreeSet::new();
    let (mut met, mut unmet) = (false, false);
    for (_, answer) in answers {
        match answer {
            Answer::Records(records) if target.is_met_by(records, how) => {
                met = true;
                addresses.extend(records.addresses.iter().copied());
            }
            Answer::Silent(_) | Answer::Unreachable(_) => {}
            _ => unmet = true,
        }
    }
    if met && !unmet {
        return Look::Found(addresses);
    }
    Look::NotYet(if answers.is_empty() { "no server to ask".to_owned() } else { told(answers) })
}

/// The verdict and the cause, from the last answers and who wrote what they tell.
fn concluded(
    mut failure: Failure,
    answers: &[(SocketAddr, Answer)],
    owner: Option<&registry::Owner>,
    servers: &Servers,
) -> Failure {
    let any = |wanted: fn(&Answer) -> bool| answers.iter().any(|(_, answer)| wanted(answer));
    let zone = answers.iter().find_map(|(_, answer)| answer.zone()).map(str::to_owned).or_else(|| servers.zone.clone());
    let zone = zone.map(|zone| format!(" in zone {zone}")).unwrap_or_default();
    if !answers.iter().any(|(_, answer)| answer.is_told()) {
        failure.verdict = Verdict::Inconclusive;
        let text = "no DNS server answers to this machine: a firewall, or servers that refuse it; name others by KIBERTAS_DNS_SERVERS";
        return failure.because(Certainty::Likely, Origin::Harness, text);
    }
    if any(|answer| matches!(answer, Answer::Records(_))) {
        let text = match owner {
            Some(owner) => format!("the record leads elsewhere; it was written by {owner}"),
            None => {
                "the record leads elsewhere, and no TXT record tells who wrote it: it was there before, or made by hand"
                    .to_owned()
            }
        };
        let certainty = if owner.is_some() { Certainty::Certain } else { Certainty::Possible };
        return failure.because(certainty, Origin::Cluster, text);
    }
    if any(|answer| matches!(answer, Answer::ServFail)) {
        return failure.because(Certainty::Likely, Origin::Outside, "the DNS servers cannot answer for the zone");
    }
    let unknown = servers.why_not.as_ref().map(|why| format!("; the zone's own servers were not asked, because {why}"));
    failure.because(
        Certainty::Likely,
        Origin::Cluster,
        format!(
            "nobody has written the record{zone}: external-dns does not run, does not look after this zone or this Ingress, or \
             may not write{}",
            unknown.unwrap_or_default()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Records;

    fn server(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 53))
    }

    fn records(address: &str) -> Answer {
        Answer::Records(Records { addresses: [address.parse().unwrap()].into(), aliases: vec![] })
    }

    fn target() -> Target {
        Target { addresses: ["198.51.100.1".parse().unwrap()].into(), ..Target::default() }
    }

    fn silent() -> Answer {
        Answer::Silent(Duration::from_secs(2))
    }

    fn judged(answers: &[(SocketAddr, Answer)]) -> Look<BTreeSet<IpAddr>> {
        judge(&target(), Match::Any, answers)
    }

    #[test]
    fn all_servers_that_answer_have_to_agree() {
        let right = || (server(1), records("198.51.100.1"));
        assert!(matches!(judged(&[right(), (server(2), records("198.51.100.1"))]), Look::Found(_)));
        assert!(matches!(judged(&[right(), (server(2), silent())]), Look::Found(_)));
        let Look::NotYet(seen) = judged(&[right(), (server(2), Answer::NoSuchName(None))]) else { panic!("agreed") };
        assert_eq!(seen, "198.51.100.1 from 192.0.2.1:53; NXDOMAIN from 192.0.2.2:53");
    }

    #[test]
    fn silence_and_nobody_to_ask_are_no_pass() {
        assert!(matches!(judged(&[]), Look::NotYet(_)));
        assert!(matches!(judged(&[(server(1), silent())]), Look::NotYet(_)));
    }

    #[test]
    fn a_name_that_nobody_wrote_names_the_zone() {
        let denied = [(server(1), Answer::NoSuchName(Some("e2e.test".to_owned())))];
        let failure = concluded(Failure::failed("x"), &denied, None, &Servers::default());
        assert_eq!(failure.verdict, Verdict::Failed);
        assert!(failure.cause.unwrap().text.contains("nobody has written the record in zone e2e.test"));
    }

    #[test]
    fn a_record_of_somebody_else_names_the_owner() {
        let owner = registry::Owner { owner: "green".into(), resource: "ingress/a/b".into() };
        let wrong = [(server(1), records("198.51.100.9"))];
        let cause = concluded(Failure::failed("x"), &wrong, Some(&owner), &Servers::default()).cause.unwrap();
        assert_eq!(cause.certainty, Certainty::Certain);
        assert!(cause.text.contains("\"green\", for ingress/a/b"), "{}", cause.text);
    }

    #[test]
    fn who_is_refused_or_hears_nothing_can_tell_nothing() {
        for answer in [silent(), Answer::Refused, Answer::Unreachable("no route".into())] {
            let failure = concluded(Failure::failed("x"), &[(server(1), answer)], None, &Servers::default());
            assert_eq!(failure.verdict, Verdict::Inconclusive);
        }
    }
}
