//! What people see of an operation while it goes on: a line per Rollout, and on a terminal one that counts.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::line::{Line, Tone, sign};
use crate::report::wants_colours;
use crate::rollout::bulk::{Key, Progress};
use crate::verdict::Verdict;

fn colours(is_terminal: bool) -> bool {
    wants_colours(is_terminal, |name| std::env::var(name).ok())
}

/// Prints lines, with colours where standard output is a terminal.
pub(super) fn print(out: &mut impl Write, lines: &[Line]) -> io::Result<()> {
    let colours = colours(io::stdout().is_terminal());
    lines.iter().try_for_each(|line| writeln!(out, "{}", line.paint(colours)))
}

/// The line of a Rollout that has ended.
pub(super) fn line(verdict: Verdict, cluster: &str, key: &Key, reason: &str) -> Line {
    let tone = Tone::of(verdict);
    Line::of(tone, sign(verdict))
        .and(Tone::Plain, " ")
        .and(Tone::Faint, cluster)
        .column(Tone::Strong, &key.to_string(), 32)
        .and(Tone::Plain, " ")
        .and(Tone::Plain, reason)
}

/// Progress on standard error.
pub(super) struct Display {
    bar: ProgressBar,
    live: bool,
    colours: bool,
}

impl Display {
    /// A display of so many Rollouts.
    pub(super) fn new(rollouts: usize) -> Self {
        let term = Term::stderr();
        let live = term.is_term();
        let target = if live { ProgressDrawTarget::term(term, 10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(u64::try_from(rollouts).unwrap_or(u64::MAX)), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} of {len} ended, {elapsed}  {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, live, colours: colours(live) }
    }

    /// Takes one event; `cluster` stands before each line, and is empty where there is one cluster.
    pub(super) fn take(&self, cluster: &str, progress: &Progress<'_>) {
        match progress {
            Progress::Patched(key) if self.live => self.bar.set_message(format!("{cluster}{key}: patched")),
            Progress::Patched(key) => self.say(&Line::of(Tone::Plain, &format!("… {cluster}{key:<32} patched"))),
            Progress::Sees(key, text) if self.live => {
                let line = Line::of(Tone::Plain, &format!("{cluster}{key}: {text}"));
                self.bar.set_message(line.paint(false));
            }
            Progress::Sees(..) => {}
            Progress::Ended(outcome) => {
                self.say(&line(outcome.verdict, cluster, &outcome.key, &outcome.reason));
                self.bar.inc(1);
            }
        }
    }

    fn say(&self, line: &Line) {
        let text = line.paint(self.colours);
        if self.live {
            self.bar.println(text);
        } else {
            eprintln!("{text}");
        }
    }

    /// Takes the live line away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
