//! What a Rollout has to come to after an operation: a pure function of the Rollout.

use jiff::Timestamp;

use super::Rollout;
use super::plan::Operation;
use super::status::{Complaint, Phase, State};

/// How a Rollout stands towards a goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is there; this is how it stands.
    Reached(String),
    /// Not yet; this is where it is.
    OnItsWay(String),
    /// It will not get there; this is why.
    Lost(String),
}

/// What a Rollout has to come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// Healthy with this template; `None`: with whichever it has.
    Healthy {
        /// The template's hash.
        hash: Option<String>,
    },
    /// At a pause, or Healthy, with this template.
    NextStop {
        /// The template's hash.
        hash: Option<String>,
    },
    /// At a pause, or Healthy, with another template than the one that it is to leave.
    Returned {
        /// The hash of the template that it is to leave.
        from: String,
    },
    /// Aborted, and nothing of the new template gets traffic.
    Aborted,
    /// Paused by hand.
    PausedByHand,
    /// All pods are newer than this.
    Restarted {
        /// The time.
        at: Timestamp,
    },
}

impl Goal {
    /// The goal of an operation on a Rollout whose current template has this hash.
    pub fn of(operation: Operation, hash: &str) -> Self {
        let hash = || Some(hash.to_owned());
        match operation {
            Operation::PromoteFull => Self::Healthy { hash: hash() },
            Operation::PromoteStep | Operation::Retry => Self::NextStop { hash: hash() },
            Operation::Abort => Self::Aborted,
            Operation::Pause => Self::PausedByHand,
            Operation::Restart { at } => Self::Restarted { at },
        }
    }

    /// How a Rollout stands towards it.
    pub fn look(&self, rollout: &Rollout) -> Standing {
        let state = State::of(rollout);
        let shown = state.to_string();
        if !state.currency.is_current() {
            return Standing::OnItsWay(shown);
        }
        if rollout.metadata.deletion_timestamp.is_some() {
            return Standing::Lost("it is being deleted".to_owned());
        }
        match self {
            Self::Healthy { hash } | Self::NextStop { hash } => {
                if let Some(lost) = lost(&state, hash.as_deref()) {
                    return Standing::Lost(lost);
                }
                let stops = matches!(self, Self::NextStop { .. }) && state.phase == Phase::Paused;
                if stops || (state.phase == Phase::Healthy && !state.in_flight) {
                    return Standing::Reached(shown);
                }
            }
            Self::Returned { from } => {
                if let Some(lost) = lost(&state, None) {
                    return Standing::Lost(lost);
                }
                if state.current_hash != *from && matches!(state.phase, Phase::Healthy | Phase::Paused) {
                    return Standing::Reached(shown);
                }
            }
            Self::Aborted => {
                if !state.aborted {
                    return Standing::Lost(format!("its update is not aborted any more: {shown}"));
                }
                if state.phase == Phase::Degraded && takes_no_traffic(rollout, &state) {
                    return Standing::Reached(shown);
                }
            }
            Self::PausedByHand if !rollout.spec.paused => {
                return Standing::Lost(format!("somebody has ended the pause: {shown}"));
            }
            Self::PausedByHand => {
                if state.phase == Phase::Paused {
                    return Standing::Reached(shown);
                }
            }
            Self::Restarted { at } => {
                let restarted = rollout.status.as_ref().and_then(|status| status.restarted_at.as_deref());
                let restarted = restarted.and_then(|text| text.parse::<Timestamp>().ok());
                if restarted.is_some_and(|restarted| restarted >= *at)
                    && matches!(state.phase, Phase::Healthy | Phase::Paused)
                {
                    return Standing::Reached(shown);
                }
            }
        }
        Standing::OnItsWay(shown)
    }
}

/// Why an update will not be done: it was aborted or replaced, or its spec is invalid. No progress for too long may still change.
fn lost(state: &State, hash: Option<&str>) -> Option<String> {
    if let Some(hash) = hash.filter(|hash| *hash != state.current_hash) {
        return Some(format!("it was given another template meanwhile: {} instead of {hash}", state.current_hash));
    }
    if state.aborted {
        return Some(format!("its update was aborted: {}", state.message));
    }
    match &state.complaint {
        Some(Complaint::InvalidSpec(text)) => Some(format!("its spec is invalid: {text}")),
        _ => None,
    }
}

/// Whether the new template has lost its traffic: its weight with a router, else its pods.
fn takes_no_traffic(rollout: &Rollout, state: &State) -> bool {
    match &state.weights {
        // Blue-green: the active Service was never moved.
        None => true,
        Some(weights) => match weights.routed {
            Some(routed) => routed == 0,
            None => {
                let updated = rollout.status.as_ref().map_or(0, |status| status.updated_replicas);
                rollout.spec.strategy.canary.as_ref().is_some_and(|canary| canary.traffic_routing.is_some())
                    || updated == 0
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorded::{rollout, rollout_with};
    use super::*;

    fn standing(goal: &Goal, name: &str) -> &'static str {
        match goal.look(&rollout(name)) {
            Standing::Reached(_) => "reached",
            Standing::OnItsWay(_) => "on its way",
            Standing::Lost(_) => "lost",
        }
    }

    #[test]
    fn a_full_promotion_ends_when_that_very_template_is_healthy() {
        let goal = Goal::of(Operation::PromoteFull, "84cbc6975c");
        for (name, expected) in [
            ("promotion-pending", "on its way"),
            ("promoting-in-full", "on its way"),
            ("paused", "on its way"),
            ("aborted", "lost"),
            ("abort-pending", "on its way"),
        ] {
            assert_eq!(standing(&goal, name), expected, "{name}");
        }
        // Healthy with the earlier template is not what was asked for.
        assert_eq!(standing(&goal, "healthy"), "lost");
        assert_eq!(standing(&Goal::of(Operation::PromoteFull, "8cb4c578b"), "healthy"), "reached");
        assert_eq!(standing(&Goal::of(Operation::PromoteFull, "8cb4c578b"), "spec-pending"), "on its way");
    }

    #[test]
    fn one_step_ends_at_the_next_stop() {
        let goal = Goal::NextStop { hash: None };
        for (name, expected) in [
            ("paused", "reached"),
            ("unpause-pending", "on its way"),
            ("progressing", "on its way"),
            ("healthy", "reached"),
            ("inconclusive", "reached"),
            ("aborted", "lost"),
            ("invalid-spec", "lost"),
            ("overdue", "on its way"),
        ] {
            assert_eq!(standing(&goal, name), expected, "{name}");
        }
    }

    #[test]
    fn an_undo_ends_with_another_template() {
        let from = |hash: &str| Goal::Returned { from: hash.to_owned() };
        assert_eq!(standing(&from("84cbc6975c"), "paused"), "on its way");
        assert_eq!(standing(&from("84cbc6975c"), "healthy"), "reached");
    }

    #[test]
    fn an_abort_ends_when_nothing_of_the_new_template_is_left() {
        assert_eq!(standing(&Goal::Aborted, "abort-pending"), "on its way");
        assert_eq!(standing(&Goal::Aborted, "paused"), "lost");
        let with_pods = |pods| {
            Goal::Aborted.look(&rollout_with("aborted", |r| r.status.get_or_insert_default().updated_replicas = pods))
        };
        assert!(matches!(with_pods(0), Standing::Reached(_)));
        assert!(matches!(with_pods(1), Standing::OnItsWay(_)));
    }

    #[test]
    fn a_pause_by_hand_that_somebody_ended_is_lost() {
        let paused = |phase: &str| {
            rollout_with("healthy", |r| {
                r.spec.paused = true;
                phase.clone_into(&mut r.status.get_or_insert_default().phase);
            })
        };
        assert!(matches!(Goal::PausedByHand.look(&paused("Paused")), Standing::Reached(_)));
        assert!(matches!(Goal::PausedByHand.look(&paused("Healthy")), Standing::OnItsWay(_)));
        assert_eq!(standing(&Goal::PausedByHand, "healthy"), "lost");
    }

    #[test]
    fn a_restart_ends_when_the_controller_says_so() {
        let goal = Goal::Restarted { at: "2026-11-21T12:00:00Z".parse().unwrap() };
        let restarted = |at: Option<&str>| {
            goal.look(&rollout_with("healthy", |r| {
                r.status.get_or_insert_default().restarted_at = at.map(str::to_owned);
            }))
        };
        assert!(matches!(restarted(None), Standing::OnItsWay(_)));
        assert!(matches!(restarted(Some("2026-11-20T12:00:00Z")), Standing::OnItsWay(_)));
        assert!(matches!(restarted(Some("2026-11-21T12:00:00Z")), Standing::Reached(_)));
    }
}
