//! The display where there is no terminal: one line per step, written when it ends.

use std::io::Write;

use super::line::Line;
use super::text::{self, Layout};
use crate::event::{Event, Sink, SinkError};
use crate::result::RunResult;

/// Writes the story of a run as plain lines, flushed one by one, so that a log shows them as they happen.
#[derive(Debug)]
pub struct Plain<W> {
    writer: W,
    layout: Layout,
    broken: bool,
}

impl<W: Write> Plain<W> {
    /// A display that writes to `writer`.
    pub fn new(writer: W) -> Self {
        Self { writer, layout: Layout::log(&[]), broken: false }
    }

    fn write(&mut self, lines: &[Line]) -> std::io::Result<()> {
        for line in lines {
            writeln!(self.writer, "{}", line.paint(false))?;
            self.writer.flush()?;
        }
        Ok(())
    }
}

impl<W: Write> Sink for Plain<W> {
    fn take(&mut self, event: &Event) -> Result<(), SinkError> {
        // Where the reader has gone away, one complaint is enough.
        if self.broken {
            return Ok(());
        }
        if let Event::RunStarted { checks, .. } = event {
            self.layout = Layout::log(checks);
        }
        self.write(&text::lines(event, &self.layout)).map_err(|error| {
            self.broken = true;
            SinkError { sink: "display".to_owned(), reason: format!("cannot write any more: {error}") }
        })
    }
}

/// The story of stored runs, one after the other.
pub(crate) fn render(results: &[RunResult]) -> String {
    results.iter().map(run).collect::<Vec<_>>().join("\n")
}

/// The story of a stored run, check by check.
fn run(result: &RunResult) -> String {
    let names: Vec<String> = result.checks.iter().map(|check| check.name.clone()).collect();
    let layout = Layout::log(&names);
    let mut lines = text::opening(&result.version, &result.run, &result.target, &names);
    for result in &result.checks {
        let check = || result.name.clone();
        let steps = result.steps.iter().map(|step| Event::StepFinished { check: check(), step: step.clone() });
        let cleanup = result.cleanup.iter().map(|c| Event::CleanupFinished { check: check(), cleanup: c.clone() });
        let end = Event::CheckFinished { result: Box::new(result.clone()) };
        lines.extend(steps.chain(cleanup).chain([end]).flat_map(|event| text::lines(&event, &layout)));
    }
    lines.extend(text::lines(&Event::RunFinished { result: Box::new(result.clone()) }, &layout));
    lines.iter().map(|line| line.paint(false) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn shown(result: &RunResult) -> String {
        let mut written = Vec::new();
        let mut plain = Plain::new(&mut written);
        for event in sample::events(result) {
            plain.take(&event).unwrap();
        }
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn the_story_of_a_run() {
        insta::assert_snapshot!(shown(&sample::every_verdict()));
    }

    #[test]
    fn the_story_of_a_good_run() {
        insta::assert_snapshot!(shown(&sample::all_passed()));
    }

    #[test]
    fn the_story_of_a_stored_run() {
        insta::assert_snapshot!(render(&[sample::all_passed()]));
    }

    #[test]
    fn hostile_text_is_shown_and_not_obeyed() {
        let shown = shown(&sample::hostile());
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
        assert!(!shown.contains('\u{202e}'));
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn every_line_is_flushed_on_its_own() {
        struct Counting(usize, usize);
        impl Write for Counting {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0 += String::from_utf8_lossy(bytes).matches('\n').count();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                self.1 += 1;
                assert_eq!(self.0, self.1, "a line was written without being flushed");
                Ok(())
            }
        }
        let mut plain = Plain::new(Counting(0, 0));
        for event in sample::events(&sample::all_passed()) {
            plain.take(&event).unwrap();
        }
        assert!(plain.writer.1 > 10);
    }

    #[test]
    fn a_reader_that_went_away_is_told_once() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut plain = Plain::new(Closed);
        let complaints: Vec<String> = sample::events(&sample::all_passed())
            .iter()
            .filter_map(|event| plain.take(event).err())
            .map(|error| error.to_string())
            .collect();
        assert_eq!(complaints, ["display: cannot write any more: broken pipe"]);
    }
}
