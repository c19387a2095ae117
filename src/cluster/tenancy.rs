//! The given namespace that the checks of a run share, and who removes it if the run has made it.

use std::cell::Cell;
use std::rc::Rc;

/// Who still works in the given namespace. The last one removes it, and only if it was made by this run: a check that is done before
/// the others would take their objects with it.
#[derive(Debug, Clone, Default)]
pub struct Tenancy(Rc<Tenants>);

#[derive(Debug, Default)]
struct Tenants {
    left: Cell<usize>,
    made: Cell<bool>,
}

impl Tenancy {
    /// Of so many checks.
    pub fn of(checks: usize) -> Self {
        let tenancy = Self::default();
        tenancy.0.left.set(checks);
        tenancy
    }

    /// The namespace was not there; this run has made it.
    pub(super) fn made(&self) {
        self.0.made.set(true);
    }

    /// One check has nothing in it any more, or never had. True where it was the last one and the namespace has to go.
    pub(super) fn leave(&self) -> bool {
        self.0.left.set(self.0.left.get().saturating_sub(1));
        self.0.left.get() == 0 && self.0.made.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_removes_what_the_run_has_made() {
        let tenancy = Tenancy::of(3);
        tenancy.clone().made();
        assert!(!tenancy.leave() && !tenancy.clone().leave());
        assert!(tenancy.leave());
    }

    #[test]
    fn what_was_there_before_stays() {
        let tenancy = Tenancy::of(1);
        assert!(!tenancy.leave());
    }
}
