//! Why a step did not pass, laid out for somebody who is called at night.

use super::line::{Line, Tone};
use super::printable::{lines as safe_lines, one_line};
use crate::failure::{Certainty, Failure, Origin};
use crate::result::{CleanupResult, Survivor};

/// The columns before a field's name.
const INDENT: &str = "    ";
/// The columns of a field's name.
const FIELD: usize = 10;
/// The most lines of one detail that a display shows; the report has all.
const DETAIL: usize = 20;

/// A failure in full. `width`: the columns that there are; prose is wrapped to it, commands and logs never, to be copied whole.
pub(crate) fn lines(width: Option<usize>, failure: &Failure) -> Vec<Line> {
    let mut lines = prose(width, field("expected"), Tone::Plain, &failure.expected);
    if !failure.seen.is_empty() {
        lines.extend(prose(width, field("seen"), Tone::Strong, &failure.seen));
    }
    if let Some(object) = &failure.object {
        lines.push(field("object").and(Tone::Plain, &object.to_string()));
    }
    if let Some(cause) = &failure.cause {
        let text = format!("{} ({}, {})", cause.text, certainty(cause.certainty), origin(cause.origin));
        lines.extend(prose(width, field("cause"), Tone::Strong, &text));
    }
    for (index, command) in failure.next.iter().enumerate() {
        lines.push(field(if index == 0 { "next" } else { "" }).and(Tone::Command, command));
    }
    for detail in &failure.details {
        lines.push(Line::of(Tone::Plain, INDENT).and(Tone::Faint, &detail.title).and(Tone::Faint, ":"));
        let all: Vec<String> = detail.lines.iter().flat_map(|line| safe_lines(line)).collect();
        let hidden = all.len().saturating_sub(DETAIL);
        if hidden > 0 {
            lines.push(quoted(Tone::Faint, &format!("… {hidden} earlier lines are in the report")));
        }
        lines.extend(all[hidden..].iter().map(|line| quoted(Tone::Plain, line)));
    }
    lines
}

/// What a clean-up left behind, and what holds it.
pub(crate) fn survivors(width: Option<usize>, cleanup: &CleanupResult) -> Vec<Line> {
    let lines = |survivor: &Survivor| {
        let held_by = survivor.held_by.join("; ");
        let held_by = if held_by.is_empty() { "nothing that shows".to_owned() } else { held_by };
        let object = field("left").and(Tone::Strong, &survivor.object.to_string());
        std::iter::once(object).chain(prose(width, field("held by"), Tone::Plain, &held_by))
    };
    cleanup.survivors.iter().flat_map(lines).collect()
}

/// How sure a cause is, in a word.
pub(crate) const fn certainty(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Certain => "certain",
        Certainty::Likely => "likely",
        Certainty::Possible => "possible",
    }
}

/// Where a cause lies, in a few words.
pub(crate) const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Cluster => "in the cluster",
        Origin::Harness => "on the side of this run",
        Origin::Outside => "outside the cluster",
    }
}

fn field(name: &str) -> Line {
    Line::of(Tone::Plain, INDENT).column(Tone::Faint, name, FIELD)
}

fn quoted(tone: Tone, text: &str) -> Line {
    Line::of(Tone::Plain, INDENT).and(Tone::Faint, "│ ").and(tone, text)
}

/// Prose after a line's beginning, wrapped under itself.
pub(crate) fn prose(width: Option<usize>, beginning: Line, tone: Tone, text: &str) -> Vec<Line> {
    let text = one_line(text);
    let Some(width) = width else { return vec![beginning.and(tone, &text)] };
    let indent = " ".repeat(beginning.width());
    // Names stay whole, even one that is longer than the line, as they may be copied.
    let options = textwrap::Options::new(width.saturating_sub(indent.len()).max(20))
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let mut wrapped = textwrap::wrap(&text, options).into_iter();
    let first = beginning.and(tone, &wrapped.next().unwrap_or_default());
    std::iter::once(first).chain(wrapped.map(|line| Line::of(Tone::Plain, &indent).and(tone, &line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_wrapped_under_itself_and_commands_never() {
        let failure = Failure::failed("the record set of the host to be the addresses of the Ingress")
            .next("kubectl --namespace external-dns logs deployment/external-dns --tail 100 --timestamps");
        let shown: Vec<String> = lines(Some(50), &failure).iter().map(|line| line.paint(false)).collect();
        assert_eq!(
            shown,
            [
                "    expected  the record set of the host to be the",
                "              addresses of the Ingress",
                "    next      kubectl --namespace external-dns logs deployment/external-dns --tail 100 --timestamps",
            ]
        );
    }

    #[test]
    fn of_a_long_log_the_end_is_shown() {
        let log = (1..=30).map(|number| format!("line {number}")).collect();
        let shown = lines(None, &Failure::failed("x").detail("log", log));
        assert_eq!(shown[2].paint(false), "    │ … 10 earlier lines are in the report");
        assert_eq!(shown.last().unwrap().paint(false), "    │ line 30");
        assert_eq!(shown.len(), 3 + DETAIL);
    }
}
