//! What ends a run from outside: the first signal cancels it and lets clean-up run, the second ends the process at once.

use std::rc::Rc;

use tokio::signal::unix::{SignalKind, signal};
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

/// Listens for SIGINT and SIGTERM for as long as it is polled. On the second one `at_once` is called with its number.
///
/// # Errors
/// When the process may not install signal handlers.
pub async fn listen(interruption: Interruption, at_once: impl Fn(u8)) -> std::io::Result<()> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    loop {
        let number = tokio::select! {
            Some(()) = interrupts.recv() => 2,
            Some(()) = terminations.recv() => 15,
            else => return Ok(()),
        };
        if interruption.signal().is_some() {
            at_once(number);
        } else {
            interruption.interrupt(number);
        }
    }
}
