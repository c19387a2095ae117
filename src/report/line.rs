//! A line of a display: pieces of text, each with a tone. Whatever is put into it is made safe to print first.

use console::{Style, measure_text_width};

use super::printable::one_line;
use crate::verdict::Verdict;

/// How a piece of text is meant; a terminal shows it as a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it is.
    Plain,
    /// What the eye should find first.
    Strong,
    /// Beside the point.
    Faint,
    /// Passed.
    Good,
    /// Failed.
    Bad,
    /// Nobody knows: inconclusive or cancelled.
    Doubt,
    /// To be copied, such as a command.
    Command,
}

impl Tone {
    /// The tone of a verdict.
    pub(crate) const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Good,
            Verdict::Failed => Self::Bad,
            Verdict::Inconclusive | Verdict::Cancelled => Self::Doubt,
            Verdict::Skipped => Self::Faint,
        }
    }

    fn style(self) -> Style {
        let style = Style::new().force_styling(true);
        match self {
            Self::Plain => style,
            Self::Strong => style.bold(),
            Self::Faint => style.dim(),
            Self::Good => style.green(),
            Self::Bad => style.red().bold(),
            Self::Doubt => style.yellow(),
            Self::Command => style.cyan(),
        }
    }
}

/// The sign of a verdict; no verdict is told by colour alone.
pub(crate) const fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "✓",
        Verdict::Failed => "✗",
        Verdict::Inconclusive => "?",
        Verdict::Cancelled => "■",
        Verdict::Skipped => "–",
    }
}

/// One line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<(Tone, String)>);

impl Line {
    /// An empty line.
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    /// A line of one piece.
    pub(crate) fn of(tone: Tone, text: &str) -> Self {
        Self::empty().and(tone, text)
    }

    /// Adds a piece.
    #[must_use]
    pub(crate) fn and(mut self, tone: Tone, text: &str) -> Self {
        if !text.is_empty() {
            self.0.push((tone, one_line(text).into_owned()));
        }
        self
    }

    /// Adds a piece and fills it up with spaces to `columns`.
    #[must_use]
    pub(crate) fn column(self, tone: Tone, text: &str, columns: usize) -> Self {
        let text = one_line(text);
        let missing = columns.saturating_sub(measure_text_width(&text));
        self.and(tone, &text).and(Tone::Plain, &" ".repeat(missing))
    }

    /// Adds a piece with spaces before it, so that it ends at `columns`.
    #[must_use]
    pub(crate) fn right(self, tone: Tone, text: &str, columns: usize) -> Self {
        let missing = columns.saturating_sub(measure_text_width(text));
        self.and(Tone::Plain, &" ".repeat(missing)).and(tone, text)
    }

    /// The number of columns that the line takes.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| measure_text_width(text)).sum()
    }

    /// The line cut to `columns`, with `…` where something is missing.
    #[must_use]
    pub(crate) fn fitted(self, columns: usize) -> Self {
        let mut room = columns;
        let mut kept = Vec::new();
        for (tone, text) in self.0 {
            let width = measure_text_width(&text);
            if width <= room {
                room -= width;
                kept.push((tone, text));
                continue;
            }
            match kept.last_mut() {
                Some((_, last)) if room == 0 => {
                    let shorter = measure_text_width(last).saturating_sub(1);
                    *last = format!("{}…", console::truncate_str(last, shorter, ""));
                }
                _ => kept.push((tone, console::truncate_str(&text, room, "…").into_owned())),
            }
            break;
        }
        Self(kept)
    }

    /// The line as text, with colours or without, and without spaces at its end.
    pub(crate) fn paint(&self, colours: bool) -> String {
        let mut text = self.paint_whole(colours);
        text.truncate(text.trim_end().len());
        text
    }

    /// The same with the spaces at its end, for what follows it.
    pub(crate) fn paint_whole(&self, colours: bool) -> String {
        let mut text = String::new();
        for (tone, piece) in &self.0 {
            if colours && *tone != Tone::Plain {
                text.push_str(&tone.style().apply_to(piece).to_string());
            } else {
                text.push_str(piece);
            }
        }
        text
    }
}

/// Whether to show colours: on a terminal that can, unless `NO_COLOR` (<https://no-color.org>) or `CLICOLOR=0`
/// (<https://bixense.com/clicolors/>) forbids it.
pub fn wants_colours(is_terminal: bool, env: impl Fn(&str) -> Option<String>) -> bool {
    let given = |name: &str| env(name).filter(|value| !value.is_empty());
    is_terminal
        && given("NO_COLOR").is_none()
        && given("CLICOLOR").as_deref() != Some("0")
        && given("TERM").as_deref() != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_conventions() {
        let with = |name: &'static str, value: &'static str| {
            wants_colours(true, move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert!(wants_colours(true, |_| None));
        assert!(!wants_colours(false, |_| None));
        assert!(!with("NO_COLOR", "1"));
        assert!(with("NO_COLOR", ""), "an empty NO_COLOR is none");
        assert!(!with("CLICOLOR", "0"));
        assert!(with("CLICOLOR", "1"));
        assert!(!with("TERM", "dumb"));
    }

    #[test]
    fn columns_are_counted_in_cells() {
        let line = Line::empty().column(Tone::Plain, "クラ", 6).right(Tone::Good, "1.0 s", 7);
        assert_eq!(line.paint(false), "クラ    1.0 s");
        assert_eq!(line.width(), 13);
    }

    #[test]
    fn a_line_is_cut_to_the_room_that_there_is() {
        let line = Line::of(Tone::Good, "abcde").and(Tone::Plain, "fghij");
        assert_eq!(line.clone().fitted(10).paint(false), "abcdefghij");
        assert_eq!(line.clone().fitted(7).paint(false), "abcdef…");
        assert_eq!(line.clone().fitted(5).paint(false), "abcd…");
        assert!(line.fitted(7).paint(true).starts_with("\u{1b}[32mabcde\u{1b}[0m"));
    }

    #[test]
    fn only_our_own_escapes_are_printed() {
        let line = Line::of(Tone::Plain, "\u{1b}[31mx\u{1b}]0;t\u{7}\ny");
        assert!(!line.paint(true).contains(|c: char| c.is_control()), "{:?}", line.paint(true));
    }
}
