//! Whether the records of a host lead to a load balancer.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Answer, Records};

/// How much of the answer has to be the load balancer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// At least one address: large load balancers rotate theirs, so that two answers differ.
    Any,
    /// Exactly the same addresses.
    All,
}

/// Where a host should lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The load balancer's addresses, those of its host names included.
    pub addresses: BTreeSet<IpAddr>,
    /// The load balancer's host names, without the last dot and in lower case.
    pub hosts: BTreeSet<String>,
}

impl Target {
    /// Whether the records lead here. A target without addresses is led to by a CNAME to one of its host names only.
    pub fn is_met_by(&self, records: &Records, how: Match) -> bool {
        // AWS: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-to-elb-load-balancer.html names this prefix.
        let bare = |alias: &String| alias.strip_prefix("dualstack.").unwrap_or(alias).to_owned();
        if records.aliases.iter().any(|alias| self.hosts.contains(alias) || self.hosts.contains(&bare(alias))) {
            return true;
        }
        match how {
            Match::Any => records.addresses.iter().any(|address| self.addresses.contains(address)),
            Match::All => !self.addresses.is_empty() && records.addresses == self.addresses,
        }
    }

    /// Whether an answer leads here.
    pub fn is_met_by_answer(&self, answer: &Answer, how: Match) -> bool {
        matches!(answer, Answer::Records(records) if self.is_met_by(records, how))
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hosts = self.hosts.iter().cloned();
        let all: Vec<String> = hosts.chain(self.addresses.iter().map(ToString::to_string)).collect();
        f.write_str(&all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(addresses: &[&str], aliases: &[&str]) -> Records {
        Records {
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            aliases: aliases.iter().map(|&a| a.to_owned()).collect(),
        }
    }

    fn target(addresses: &[&str], hosts: &[&str]) -> Target {
        let records = records(addresses, hosts);
        Target { addresses: records.addresses, hosts: records.aliases.into_iter().collect() }
    }

    #[test]
    fn rotation_is_tolerated_unless_equality_is_asked_for() {
        let lb = target(&["192.0.2.1", "192.0.2.2"], &[]);
        assert!(lb.is_met_by(&records(&["192.0.2.2", "192.0.2.3"], &[]), Match::Any));
        assert!(!lb.is_met_by(&records(&["192.0.2.2", "192.0.2.3"], &[]), Match::All));
        assert!(lb.is_met_by(&records(&["192.0.2.2", "192.0.2.1"], &[]), Match::All));
        assert!(!lb.is_met_by(&records(&["192.0.2.9"], &[]), Match::Any));
    }

    #[test]
    fn nothing_never_equals_nothing() {
        let nowhere = target(&[], &["lb.example.com"]);
        for how in [Match::Any, Match::All] {
            assert!(!nowhere.is_met_by(&records(&[], &[]), how));
            assert!(!nowhere.is_met_by(&records(&[], &["elsewhere.example.com"]), how));
        }
    }

    #[test]
    fn an_alias_of_the_load_balancers_name_is_enough() {
        let lb = target(&["192.0.2.1"], &["lb-1.elb.amazonaws.com"]);
        for alias in ["lb-1.elb.amazonaws.com", "dualstack.lb-1.elb.amazonaws.com"] {
            assert!(lb.is_met_by(&records(&[], &[alias]), Match::All), "{alias}");
        }
        assert!(!lb.is_met_by(&records(&[], &["lb-2.elb.amazonaws.com"]), Match::Any));
    }

    #[test]
    fn both_families_count() {
        let lb = target(&["192.0.2.1", "2001:db8::1"], &[]);
        assert!(!lb.is_met_by(&records(&["192.0.2.1"], &[]), Match::All));
        assert!(lb.is_met_by(&records(&["2001:db8::1"], &[]), Match::Any));
    }
}
