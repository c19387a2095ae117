//! Tells what goes on: a live line a task on a terminal, a plain line otherwise.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Where progress is told. Cloned freely.
#[derive(Clone, Debug)]
pub struct Progress(Sink);

#[derive(Clone, Debug)]
enum Sink {
    Silent,
    Plain,
    Live(MultiProgress),
}

impl Progress {
    /// Tells nothing.
    pub fn silent() -> Self {
        Self(Sink::Silent)
    }

    /// A plain line to standard error when a task is done.
    pub fn plain() -> Self {
        Self(Sink::Plain)
    }

    /// Live lines if standard error is a terminal, plain ones if not.
    pub fn auto() -> Self {
        if std::io::stderr().is_terminal() { Self(Sink::Live(MultiProgress::new())) } else { Self::plain() }
    }

    /// Tells one line.
    pub fn say(&self, line: &str) {
        match &self.0 {
            Sink::Silent => {}
            Sink::Plain => eprintln!("{line}"),
            // A terminal that went away is no reason to stop.
            Sink::Live(lines) => drop(lines.println(line)),
        }
    }

    /// Begins a task.
    pub(crate) fn task(&self, name: &str) -> Task {
        let bar = match &self.0 {
            Sink::Live(lines) => lines.add(ProgressBar::new_spinner()),
            Sink::Silent | Sink::Plain => ProgressBar::hidden(),
        };
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix} {elapsed} {wide_msg:.dim}") {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Task { progress: self.clone(), name: name.to_owned(), bar, start: Instant::now() }
    }
}

/// Something that takes time. Its line vanishes when it is dropped.
#[derive(Debug)]
pub(crate) struct Task {
    progress: Progress,
    name: String,
    bar: ProgressBar,
    start: Instant,
}

impl Task {
    /// What it does just now; shown live only.
    pub(crate) fn detail(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    /// It is done, with this result.
    pub(crate) fn done(self, result: &str) {
        self.bar.finish_and_clear();
        self.progress.say(&format!("{:>6.1} s  {}: {result}", self.start.elapsed().as_secs_f64(), self.name));
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
