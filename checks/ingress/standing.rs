//! Records that were there before the run: a name that leads to the entrance anyway proves nothing about external-dns.

use std::time::Duration;

use hickory_resolver::proto::rr::Name;

use super::objects::Names;
use super::record::Round;
use crate::cluster::Look;
use crate::context::Step;
use crate::dns::addresses::ask_for;
use crate::dns::question::Recursion;
use crate::dns::survey::{Servers, servers_for};
use crate::dns::{self, Answer, Match, Target, registry};
use crate::failure::{Certainty, Failure, Origin};
use crate::verdict::Verdict;

/// The longest time for a look that no verdict depends on.
const GLANCE: Duration = Duration::from_secs(3);

/// What a given host led to before the run's Ingress was there, as the zone's own servers tell it; `None` where they tell no record. They
/// alone are asked: a resolver would keep the denial.
pub(super) async fn told_before(host: &str, resolvers: &[std::net::SocketAddr]) -> Option<String> {
    let look = async {
        let host = dns::name(host)?;
        let server = *servers_for(&host, resolvers).await.authoritative.first()?;
        match ask_for(server, &host, Recursion::No).await {
            answer @ Answer::Records(_) => Some(answer.to_string()),
            _ => None,
        }
    };
    tokio::time::timeout(GLANCE, look).await.ok().flatten()
}

/// Whether a TXT record says that external-dns has written the host's record for this run's Ingress.
pub(super) fn is_of_this_run(owner: Option<&registry::Owner>, names: &Names) -> bool {
    let resource = format!("ingress/{}/{}", names.namespace, names.web);
    owner.is_some_and(|owner| owner.resource == resource)
}

/// Demands more of a generated host where every name of its zone leads to the entrance: that external-dns says it has written this one.
pub(super) async fn past_wildcard(
    step: &Step,
    host: &Name,
    round: &Round<'_>,
    target: (&Target, Match),
    names: &Names,
    servers: &Servers,
) -> Result<(), Failure> {
    // A name that nobody has asked for, so that no denial of the host itself is kept anywhere.
    let (Some(&server), Some(sibling)) = (round.servers.first(), dns::name(&format!("nobody-{}", dns::shown(host))))
    else {
        return Ok(());
    };
    let Answer::Records(records) = ask_for(server, &sibling, round.recursion).await else { return Ok(()) };
    if !target.0.is_met_by(&records, target.1) {
        return Ok(());
    }
    step.evidence("wildcard", format!("{} leads to {} as well", dns::shown(&sibling), target.0));
    let zone = servers.zone.as_deref().unwrap_or("the zone");
    let expected = format!("a TXT record of external-dns that names {} beside {}", names.ingress(), dns::shown(host));
    let ask = async || match registry::owner_of(server, host, round.recursion).await {
        owner if is_of_this_run(owner.as_ref(), names) => Look::Found(()),
        Some(owner) => Look::NotYet(format!("it was written by {owner}")),
        None => Look::NotYet("there is none".to_owned()),
    };
    step.poll_up_to(round.pause, &expected, Some(names.ingress()), ask).await.map_err(|mut failure| {
        failure.verdict = Verdict::Inconclusive;
        failure
            .because(
                Certainty::Certain,
                Origin::Outside,
                format!(
                    "a wildcard record of {zone} leads every name there, so that the host's record proves nothing about external-dns"
                ),
            )
            .next("set KIBERTAS_INGRESS_ZONE to a zone without a wildcard record; where none is written by external-dns: --no-dns-check")
    })
}
