//! Which trials may go on at the same time.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What a trial does with the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It needs the cluster whole, with real nodes alone.
    Whole,
    /// It adds nodes that kwok plays, on which pods of other checks would only seem to run.
    PlayedNodes,
    /// It breaks the cluster.
    Alone,
}

/// Trials of the same use at the same time, but for those that need the cluster for themselves; in the order in which they come, so that
/// none waits for ever.
#[derive(Default)]
pub(crate) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The number of the next that comes.
    next: u64,
    /// The number of the next that begins.
    first: u64,
    /// What those who have begun do, and how many they are.
    current: Option<Use>,
    count: usize,
}

impl Turns {
    /// Waits for its turn, which lasts until the returned value is dropped.
    pub(crate) fn take(&self, which: Use) -> Turn<'_> {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        let may_begin = |state: &State| {
            let beside = state.current == Some(which) && which != Use::Alone;
            state.first == number && (state.count == 0 || beside)
        };
        let mut state =
            self.changed.wait_while(state, |state| !may_begin(state)).unwrap_or_else(PoisonError::into_inner);
        (state.current, state.count, state.first) = (Some(which), state.count + 1, state.first + 1);
        drop(state);
        self.changed.notify_all();
        Turn(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cluster, as it was asked for.
pub(crate) struct Turn<'t>(&'t Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state().count -= 1;
        self.0.changed.notify_all();
    }
}
