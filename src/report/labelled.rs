//! One display for runs against several clusters: each check carries its cluster's name.

use std::cell::RefCell;
use std::rc::Rc;

use crate::event::{Event, Sink, SinkError};

/// A display that several runs share.
pub type SharedDisplay = Rc<RefCell<Box<dyn Sink>>>;

/// What one run tells a shared display.
pub struct Labelled {
    label: String,
    display: SharedDisplay,
}

impl Labelled {
    /// The cluster's name before each check's, in a column of `width`.
    pub fn new(cluster: &str, width: usize, display: SharedDisplay) -> Self {
        Self { label: format!("{cluster:width$}"), display }
    }

    fn labelled(&self, mut event: Event) -> Event {
        let before = |check: &mut String| *check = format!("{} {check}", self.label);
        match &mut event {
            Event::RunStarted { checks, .. } => checks.iter_mut().for_each(before),
            Event::CheckStarted { check, .. }
            | Event::StepStarted { check, .. }
            | Event::StepProgress { check, .. }
            | Event::StepFinished { check, .. }
            | Event::CleanupStarted { check }
            | Event::CleanupFinished { check, .. } => before(check),
            Event::CheckFinished { result } => before(&mut result.name),
            Event::Notice { text } => *text = format!("{}: {text}", self.label.trim_end()),
            // The end of a run says itself of which cluster it is.
            Event::RunFinished { .. } => {}
        }
        event
    }
}

impl Sink for Labelled {
    fn take(&mut self, event: &Event) -> Result<(), SinkError> {
        self.display.borrow_mut().take(&self.labelled(event.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Plain, sample};

    /// A writer that the test can look into.
    #[derive(Clone, Default)]
    struct Page(Rc<RefCell<Vec<u8>>>);

    impl std::io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn two_runs_share_one_story() {
        let page = Page::default();
        let display: SharedDisplay = Rc::new(RefCell::new(Box::new(Plain::new(page.clone()))));
        let mut green = sample::all_passed();
        green.target.name = "green".to_owned();
        let runs = [("blue", sample::all_passed()), ("green", green)];
        let mut sinks = runs.iter().map(|(name, _)| Labelled::new(name, 5, Rc::clone(&display))).collect::<Vec<_>>();
        let stories = runs.iter().map(|(_, result)| sample::events(result)).collect::<Vec<_>>();
        for (blue, green) in stories[0].iter().zip(&stories[1]) {
            sinks[0].take(blue).unwrap();
            sinks[1].take(green).unwrap();
        }
        insta::assert_snapshot!(String::from_utf8(page.0.borrow().clone()).unwrap());
    }
}
