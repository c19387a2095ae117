//! What ends a run from outside: the first signal cancels it and lets clean-up run, the second ends the process at once.

use std::rc::Rc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The cancellation of a run, with the signal that caused it.
#[derive(Debug, Clone, Default)]
pub struct Interruption {
    /// Cancelled when the run has to end.
    pub token: CancellationToken,
    number: Rc<std::cell::Cell<Option<u8>>>,
}

impl Interruption {
    /// Asks the run to end because of signal `number`.
    pub fn interrupt(&self, number: u8) {
        self.number.set(Some(number));
        self.token.cancel();
    }

    /// The signal that ended the run, if one did.
    pub fn signal(&self) -> Option<u8> {
        self.number.get()
    }
}

/// SIGINT and SIGTERM, caught from the moment that this exists.
#[derive(Debug)]
pub struct Signals {
    interrupts: Signal,
    terminations: Signal,
}

impl Signals {
    /// Catches the signals. What comes before [`Signals::deliver`] is polled is not lost.
    ///
    /// # Errors
    /// When the process may not install signal handlers.
    pub fn catch() -> std::io::Result<Self> {
        let (interrupts, terminations) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupts, terminations })
    }

    /// Interrupts with the first signal, and calls `at_once` with the number of each later one.
    pub async fn deliver(mut self, interruption: Interruption, at_once: impl Fn(u8)) {
        loop {
            let number = tokio::select! {
                Some(()) = self.interrupts.recv() => 2,
                Some(()) = self.terminations.recv() => 15,
                else => return,
            };
            if interruption.signal().is_some() {
                at_once(number);
            } else {
                interruption.interrupt(number);
            }
        }
    }
}
