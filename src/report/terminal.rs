//! The display on a terminal: one live line per running step, folded into one line of the story when it ends.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::Duration;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

use super::line::{Line, Tone};
use super::printable::one_line;
use super::text::{self, CLEAN_UP, Layout, TIME};
use crate::clock;
use crate::event::{Event, Sink, SinkError};

/// Redrawn this often, so that elapsed tenths of a second are seen to run.
const TICK: Duration = Duration::from_millis(100);
/// What turns while a step runs.
const TURNING: [&str; 11] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " "];

/// Shows the story of a run on a terminal.
pub struct Terminal {
    bars: MultiProgress,
    columns: Box<dyn Fn() -> usize>,
    colours: bool,
    animated: bool,
    layout: Layout,
    slots: Vec<Slot>,
    broken: bool,
}

/// A live line. It belongs to a check and shows its steps one after another, so that lines do not jump.
struct Slot {
    check: String,
    step: Option<String>,
    bar: ProgressBar,
}

impl Terminal {
    /// A display on this terminal. [`wants_colours`](super::wants_colours) tells whether to use colours.
    pub fn new(term: Term, colours: bool) -> Self {
        let target = ProgressDrawTarget::term(term.clone(), 20);
        let columns = move || term.size_checked().map_or(80, |(_, columns)| usize::from(columns));
        let terminal = Self::on(target, Box::new(columns), colours, true);
        // A process has one log; of several displays the first is the one that it must not tear.
        let _there_is_one_already = LIVE.set(terminal.bars.clone());
        terminal
    }

    fn on(target: ProgressDrawTarget, columns: Box<dyn Fn() -> usize>, colours: bool, animated: bool) -> Self {
        let layout = Layout::terminal(&[], columns());
        let bars = MultiProgress::with_draw_target(target);
        Self { bars, columns, colours, animated, layout, slots: Vec::new(), broken: false }
    }

    fn style(&self) -> ProgressStyle {
        let took = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let millis = u64::try_from(state.elapsed().as_millis()).unwrap_or(u64::MAX);
            // A line that cannot be drawn now is drawn again a moment later.
            let _ = write!(out, "{:>TIME$}", clock::human(millis));
        };
        let turning = TURNING.map(|sign| Line::of(Tone::Command, sign).paint(self.colours));
        ProgressStyle::with_template("{spinner} {prefix}{took}  {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .with_key("took", took)
            .tick_strings(&turning.each_ref().map(String::as_str))
    }

    fn begin(&mut self, check: &str, step: Option<&str>) {
        let idle = self.slots.iter().position(|slot| slot.check == check && slot.step.is_none());
        let index = idle.unwrap_or_else(|| self.open(check));
        let columns = Line::empty().column(Tone::Plain, check, self.layout.check + 1).and(Tone::Plain, " ");
        let columns = columns.column(Tone::Strong, step.unwrap_or_default(), self.layout.step);
        let slot = &mut self.slots[index];
        slot.step = step.map(str::to_owned);
        slot.bar.reset_elapsed();
        slot.bar.set_message("");
        slot.bar.set_prefix(columns.paint_whole(self.colours));
        slot.bar.tick();
    }

    fn open(&mut self, check: &str) -> usize {
        let bar = ProgressBar::new_spinner();
        let last = self.slots.iter().rposition(|slot| slot.check == check);
        let (index, bar) = match last {
            Some(last) => (last + 1, self.bars.insert_after(&self.slots[last].bar, bar)),
            None => (self.slots.len(), self.bars.add(bar)),
        };
        bar.set_style(self.style());
        if self.animated {
            bar.enable_steady_tick(TICK);
        }
        self.slots.insert(index, Slot { check: check.to_owned(), step: None, bar });
        index
    }

    fn progress(&self, check: &str, step: &str, seen: &str) {
        let running = self.slots.iter().find(|slot| slot.check == check && slot.step.as_deref() == Some(step));
        if let Some(slot) = running {
            slot.bar.set_message(Line::of(Tone::Faint, &one_line(seen)).paint(self.colours));
        }
    }

    /// The live line is free for the check's next step; where another one of the check is free already, it goes.
    fn end(&mut self, check: &str, step: &str) {
        let spare = self.slots.iter().any(|slot| slot.check == check && slot.step.is_none());
        let running = self.slots.iter().position(|slot| slot.check == check && slot.step.as_deref() == Some(step));
        let Some(index) = running else { return };
        if spare {
            self.close(index);
        } else {
            let slot = &mut self.slots[index];
            slot.step = None;
            slot.bar.set_message("");
        }
    }

    fn close(&mut self, index: usize) {
        let slot = self.slots.remove(index);
        slot.bar.finish_and_clear();
        self.bars.remove(&slot.bar);
    }

    fn follow(&mut self, event: &Event) {
        match event {
            Event::RunStarted { checks, .. } => self.layout = Layout::terminal(checks, (self.columns)()),
            Event::CheckStarted { check, .. } => self.begin(check, None),
            Event::StepStarted { check, step } => self.begin(check, Some(step)),
            Event::StepProgress { check, step, seen } => self.progress(check, step, seen),
            Event::StepFinished { check, step } => self.end(check, &step.name),
            Event::CleanupStarted { check } => self.begin(check, Some(CLEAN_UP)),
            Event::CleanupFinished { check, .. } => self.end(check, CLEAN_UP),
            Event::CheckFinished { result } => {
                while let Some(index) = self.slots.iter().position(|slot| slot.check == result.name) {
                    self.close(index);
                }
            }
            Event::RunFinished { .. } => {
                while !self.slots.is_empty() {
                    self.close(0);
                }
            }
            Event::Notice { .. } => {}
        }
    }
}

impl Sink for Terminal {
    fn take(&mut self, event: &Event) -> Result<(), SinkError> {
        // The reader may have made the window larger or smaller.
        self.layout.width = Layout::terminal(&[], (self.columns)()).width;
        self.follow(event);
        let mut lines = text::lines(event, &self.layout).into_iter();
        let shown = lines.try_for_each(|line| self.bars.println(line.paint(self.colours)));
        match shown {
            Err(error) if !self.broken => {
                self.broken = true;
                Err(SinkError { sink: "display".to_owned(), reason: format!("cannot write any more: {error}") })
            }
            _ => Ok(()),
        }
    }
}

/// The live lines that log lines have to keep clear of.
static LIVE: OnceLock<MultiProgress> = OnceLock::new();

/// Writes log lines to standard error: above the live lines once there is a [`Terminal`], else as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogLines;

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match LIVE.get() {
            Some(bars) => bars.suspend(|| io::stderr().write(bytes)),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for LogLines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;
    use crate::report::sample;

    /// What the screen shows. Where the spinner stands, and how long a live step has taken, depends on the machine.
    fn shown(screen: &InMemoryTerm) -> String {
        let turning = |c: char| TURNING[..10].iter().any(|sign| sign.starts_with(c));
        let line = |line: &str| match line.strip_prefix(turning) {
            Some(live) => format!("⠋{}", live.split_inclusive(' ').map(untimed).collect::<String>()),
            None => line.to_owned(),
        };
        screen.contents().lines().map(line).collect::<Vec<_>>().join("\n")
    }

    /// A word, or `#.#` where it is a time.
    fn untimed(word: &str) -> String {
        let is_time = word.contains('.') && word.trim_end().chars().all(|c| c.is_ascii_digit() || c == '.');
        if is_time { "#.# ".to_owned() } else { word.to_owned() }
    }

    fn terminal(columns: u16) -> (InMemoryTerm, Terminal) {
        let screen = InMemoryTerm::new(200, columns);
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        (screen, Terminal::on(target, Box::new(move || usize::from(columns)), false, false))
    }

    fn play(terminal: &mut Terminal, events: &[Event]) {
        for event in events {
            terminal.take(event).unwrap();
        }
    }

    #[test]
    fn running_steps_are_live_and_ended_ones_are_folded() {
        let events = sample::events(&sample::all_passed());
        let middle = events
            .iter()
            .position(|e| matches!(e, Event::StepStarted { step, .. } if step == "canary at 25 %"))
            .unwrap();
        let (screen, mut terminal) = terminal(100);
        play(&mut terminal, &events[..=middle]);
        terminal
            .take(&Event::StepProgress {
                check: "rollouts".into(),
                step: "canary at 25 %".into(),
                seen: "0 of 1 canary pods ready".into(),
            })
            .unwrap();
        insta::assert_snapshot!("live", shown(&screen));
        play(&mut terminal, &events[middle + 1..]);
        assert!(!shown(&screen).contains('⠋'), "a live line is left:\n{}", screen.contents());
        insta::assert_snapshot!("folded", screen.contents());
    }

    #[test]
    fn checks_side_by_side_keep_their_lines() {
        let (screen, mut terminal) = terminal(100);
        let started = |check: &str, step: &str| Event::StepStarted { check: check.into(), step: step.into() };
        let opening = sample::events(&sample::all_passed()).remove(0);
        play(&mut terminal, &[opening, started("a", "one"), started("b", "two"), started("a", "aside")]);
        let live = |screen: &InMemoryTerm| -> Vec<String> {
            let contents = shown(screen);
            let live = contents.lines().filter(|line| line.starts_with('⠋'));
            live.map(|line| line.split_whitespace().skip(1).take(2).collect::<Vec<_>>().join(" ")).collect()
        };
        assert_eq!(live(&screen), ["a one", "a aside", "b two"]);
        let mut step = sample::all_passed().checks[0].steps[0].clone();
        step.name = "one".into();
        play(&mut terminal, &[Event::StepFinished { check: "a".into(), step }, started("a", "three")]);
        assert_eq!(live(&screen), ["a three", "a aside", "b two"]);
    }

    #[test]
    fn a_failure_fits_a_narrow_terminal() {
        let (screen, mut terminal) = terminal(80);
        play(&mut terminal, &sample::events(&sample::every_verdict()));
        insta::assert_snapshot!(screen.contents());
    }

    #[test]
    fn hostile_text_cannot_clear_the_screen() {
        let (screen, mut terminal) = terminal(120);
        play(&mut terminal, &sample::events(&sample::hostile()));
        assert!(screen.contents().starts_with("kibertas-rs "), "{}", screen.contents());
        assert!(screen.contents().contains("exit code 1"), "{}", screen.contents());
    }
}
