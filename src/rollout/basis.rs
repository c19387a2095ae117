//! What an operation was decided upon, so that what has become of the Rollout since is noticed before anything is patched.

use kube::ResourceExt;

use super::Rollout;
use super::api::WORKLOAD_GENERATION;
use super::status::State;

/// A Rollout as it was when somebody decided what to do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// The template's hash, where the controller had seen the spec.
    hash: Option<String>,
    /// The spec's generation.
    generation: Option<i64>,
    /// The referenced workload's generation.
    workload: Option<String>,
    /// The step that it stood at, counted from 0, where the status was current; 0 without steps.
    step: Option<i32>,
}

/// The template is another one than that which was decided upon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Rollout was changed meanwhile, from {from} to {to}")]
pub struct Overtaken {
    /// What was decided upon, such as `template 84cbc6975c`.
    pub from: String,
    /// What is there now.
    pub to: String,
}

impl Basis {
    /// A Rollout as it is.
    pub fn of(rollout: &Rollout) -> Self {
        let state = State::of(rollout);
        let step = state.step.as_ref().map_or(0, |step| step.index);
        Self {
            hash: state.currency.is_observed().then_some(state.current_hash),
            generation: rollout.metadata.generation,
            workload: rollout.annotations().get(WORKLOAD_GENERATION).cloned(),
            step: state.currency.is_current().then_some(step),
        }
    }

    /// The same wherever it stands among its steps.
    #[must_use]
    pub fn at_any_step(self) -> Self {
        Self { step: None, ..self }
    }

    /// Whether the template is still the same. Where the controller has not seen it, then or now, its hash is not known: any change of
    /// the spec counts.
    pub fn still_holds(&self, now: &Self) -> Result<(), Overtaken> {
        if let (Some(from), Some(to)) = (&self.hash, &now.hash) {
            return if from == to {
                Ok(())
            } else {
                Err(Overtaken { from: format!("template {from}"), to: format!("template {to}") })
            };
        }
        if self.generation != now.generation {
            let of = |generation: Option<i64>| format!("generation {} of its spec", generation.unwrap_or_default());
            return Err(Overtaken { from: of(self.generation), to: of(now.generation) });
        }
        if self.workload != now.workload {
            let of = |basis: &Self| format!("generation {} of its workload", basis.workload.as_deref().unwrap_or("0"));
            return Err(Overtaken { from: of(self), to: of(now) });
        }
        Ok(())
    }

    /// The step, counted from 0, that it has left since; `None` where it stands at the same, or where it was not known.
    pub fn left_step(&self, now: &Self) -> Option<i32> {
        let (then, now) = (self.step?, now.step?);
        (then != now).then_some(then)
    }

    /// Fills in what was not known before, from a state that still holds. What is changed from here on is our own doing, or an overtaking.
    pub fn learn(&mut self, now: Self) {
        if self.hash.is_none() {
            (self.hash, self.generation, self.workload) = (now.hash, now.generation, now.workload);
        }
        self.step = self.step.or(now.step);
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorded::{rollout, rollout_with};
    use super::*;

    fn overtaken(then: &Rollout, now: &Rollout) -> Option<String> {
        Basis::of(then).still_holds(&Basis::of(now)).err().map(|overtaken| overtaken.to_string())
    }

    #[test]
    fn another_template_is_told_by_its_hash() {
        let other = rollout_with("paused", |r| r.status.get_or_insert_default().current_pod_hash = "other".into());
        let text = "the Rollout was changed meanwhile, from template 84cbc6975c to template other";
        assert_eq!(overtaken(&rollout("paused"), &other).as_deref(), Some(text));
    }

    /// A Rollout that was scaled, or that went on by itself, is still the one that was decided upon.
    #[test]
    fn the_same_template_at_another_size_is_the_same() {
        let scaled = rollout_with("paused", |r| {
            let status = r.status.get_or_insert_default();
            status.current_step_index = Some(3);
            status.observed_generation = "9".into();
            r.metadata.generation = Some(9);
        });
        assert_eq!(overtaken(&rollout("paused"), &scaled), None);
        assert_eq!(Basis::of(&rollout("paused")).left_step(&Basis::of(&scaled)), Some(1));
        assert_eq!(Basis::of(&rollout("paused")).at_any_step().left_step(&Basis::of(&scaled)), None);
    }

    /// Ending a pause by hand changes the generation.
    #[test]
    fn what_was_learned_at_the_first_look_counts_from_then_on() {
        let mut basis = Basis::of(&rollout("spec-pending"));
        let seen = |generation: i64| {
            rollout_with("paused", |r| {
                r.metadata.generation = Some(generation);
                r.status.get_or_insert_default().observed_generation = generation.to_string();
            })
        };
        basis.learn(Basis::of(&seen(3)));
        assert_eq!(basis.still_holds(&Basis::of(&seen(4))), Ok(()));
        assert_eq!(basis.left_step(&Basis::of(&seen(4))), None);
    }

    #[test]
    fn what_the_controller_has_not_seen_is_told_by_its_generation() {
        let pending = rollout("spec-pending");
        let next = rollout_with("spec-pending", |r| r.metadata.generation = Some(4));
        let text = "the Rollout was changed meanwhile, from generation 3 of its spec to generation 4 of its spec";
        assert_eq!(overtaken(&pending, &pending), None);
        assert_eq!(overtaken(&pending, &next).as_deref(), Some(text));
        let seen = rollout_with("paused", |r| {
            r.metadata.generation = Some(3);
            r.status.get_or_insert_default().observed_generation = "3".into();
        });
        assert_eq!(overtaken(&pending, &seen), None, "the controller has seen it meanwhile");
        let workload = rollout_with("spec-pending", |r| {
            r.annotations_mut().insert(WORKLOAD_GENERATION.into(), "2".into());
        });
        assert!(overtaken(&pending, &workload).is_some_and(|text| text.ends_with("generation 2 of its workload")));
    }
}
