//! Markdown for pull requests and wikis: GitHub's flavour, <https://github.github.com/gfm/>.

use std::fmt::Write as _;

use super::line::sign;
use super::printable::{lines as safe_lines, one_line};
use super::text::counted;
use super::{evidence, reason, summary};
use crate::clock;
use crate::failure::Failure;
use crate::result::{CheckResult, RunResult, StepResult};
use crate::verdict::Verdict;

/// The whole result; steps, evidence and settings are folded.
pub(crate) fn render(results: &[RunResult]) -> String {
    results.iter().map(run).collect::<Vec<_>>().join("\n")
}

fn run(result: &RunResult) -> String {
    let mut blocks = vec![
        format!("# {} {}: {}", sign(result.verdict), escaped(&result.target.name), result.verdict),
        format!("{} in {}.", summary::counts(result), clock::human(result.duration_ms)),
        target(result),
        overview(result),
    ];
    for check in result.checks.iter().filter(|check| check.verdict != Verdict::Skipped) {
        blocks.extend(section(check));
    }
    blocks.extend(result.notices.iter().map(|notice| format!("Note: {}", escaped(notice))));
    if !result.settings.is_empty() {
        let rows = result.settings.iter().map(|(key, value)| vec![code(key), code(value)]);
        blocks.push(folded("Settings of the run", &table(&["Setting", "Value"], rows)));
    }
    blocks.join("\n\n") + "\n"
}

fn target(result: &RunResult) -> String {
    let target = &result.target;
    let context = target.context.as_deref().map_or_else(|| "none: inside the cluster".to_owned(), code);
    let add_ons = target.add_ons.iter().map(|(name, version)| vec![escaped(name), code(version)]);
    let rows = [
        ("Server", code(&target.server)),
        ("Context", context),
        ("Run", code(&result.run)),
        ("Started", result.started.to_string()),
        ("kibertas-rs", code(&result.version)),
    ];
    let kubernetes = vec!["Kubernetes".to_owned(), code(&target.kubernetes)];
    let rows = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]);
    let rows = std::iter::once(kubernetes).chain(add_ons).chain(rows);
    table(&["Cluster", &escaped(&target.name)], rows)
}

fn overview(result: &RunResult) -> String {
    let row = |check: &CheckResult| {
        let ran = check.verdict != Verdict::Skipped;
        let if_ran = |text: String| if ran { text } else { String::new() };
        vec![
            escaped(&check.name),
            format!("{} {}", sign(check.verdict), check.verdict),
            if_ran(format!("{} of {}", check.passed_steps(), check.steps.len())),
            if_ran(clock::human(check.duration_ms)),
            if_ran(summary::clean_up(check)),
            if_ran(check.api_requests.to_string()),
            check.reason.as_deref().map(escaped).unwrap_or_default(),
        ]
    };
    let headings = ["Check", "Verdict", "Steps passed", "Time", "Clean-up", "API requests", "Reason"];
    table(&headings, result.checks.iter().map(row))
}

fn section(check: &CheckResult) -> Vec<String> {
    let mut blocks = vec![format!("## {} {}: {}", sign(check.verdict), escaped(&check.name), check.verdict)];
    if let Some(failure) = &check.failure {
        blocks.extend(why(failure));
    }
    for survivor in check.cleanup.iter().flat_map(|cleanup| &cleanup.survivors) {
        let held_by = escaped(&survivor.held_by.join("; "));
        blocks.push(format!("**Left in the cluster:** {}, held by {held_by}", code(&survivor.object.to_string())));
    }
    let title = format!("{} in {}", counted(check.steps.len(), "step"), clock::human(check.duration_ms));
    let headings = ["Step", "Verdict", "Start", "Time", "Evidence"];
    blocks.push(folded(&title, &table(&headings, check.steps.iter().map(row))));
    if !check.settings.is_empty() {
        let rows = check.settings.iter().map(|(key, value)| vec![code(key), code(value)]);
        blocks.push(folded("Settings", &table(&["Setting", "Value"], rows)));
    }
    blocks
}

fn row(step: &StepResult) -> Vec<String> {
    vec![
        escaped(&step.name),
        format!("{} {}", sign(step.verdict), step.verdict),
        clock::human(step.start_ms),
        clock::human(step.duration_ms),
        escaped(&evidence::in_a_line(&step.name, &step.evidence)),
    ]
}

fn why(failure: &Failure) -> Vec<String> {
    let mut facts = format!("- **Expected:** {}", escaped(&failure.expected));
    if !failure.seen.is_empty() {
        let _ = write!(facts, "\n- **Seen:** {}", escaped(&failure.seen));
    }
    if let Some(object) = &failure.object {
        let _ = write!(facts, "\n- **Object:** {}", code(&object.to_string()));
    }
    if let Some(cause) = &failure.cause {
        let (certainty, origin) = (reason::certainty(cause.certainty), reason::origin(cause.origin));
        let _ = write!(facts, "\n- **Cause:** {} ({certainty}, {origin})", escaped(&cause.text));
    }
    let mut blocks = vec![facts];
    if !failure.next.is_empty() {
        let commands: Vec<String> = failure.next.iter().map(|command| one_line(command).into_owned()).collect();
        blocks.push(format!("Next:\n\n{}", fenced("sh", &commands)));
    }
    for detail in &failure.details {
        let lines: Vec<String> = detail.lines.iter().flat_map(|line| safe_lines(line)).collect();
        blocks.push(folded(&detail.title, &fenced("", &lines)));
    }
    blocks
}

pub(crate) fn table<'a>(headings: &[&str], rows: impl Iterator<Item = Vec<String>> + 'a) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let rule = "|---".repeat(headings.len()) + "|";
    let rows = rows.map(|row| line(&row));
    [line(&headings), rule].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

fn folded(title: &str, body: &str) -> String {
    format!("<details><summary>{}</summary>\n\n{body}\n\n</details>", html_escaped(title))
}

/// A summary stands inside HTML, where Markdown does not reach.
fn html_escaped(text: &str) -> String {
    let text = one_line(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    without_mentions(&text)
}

/// Text that stays text: no markup, no cell's end, nobody mentioned.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        // Any of ASCII's punctuation may be escaped: https://spec.commonmark.org/0.31.2/#backslash-escapes
        if matches!(c, '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '$' | '!') {
            safe.push('\\');
        }
        safe.push(c);
    }
    without_mentions(&safe)
}

/// GitHub looks for mentions and issue numbers in the finished page, where no backslash is left; an invisible space keeps the
/// sign and the name apart. In the middle of a word, as in `image@sha256:…`, it looks for none.
fn without_mentions(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        safe.push(c);
        if matches!(c, '@' | '#') && !before.is_alphanumeric() {
            safe.push('\u{200b}');
        }
        before = c;
    }
    safe
}

/// A name as code, whatever it holds; a cell's end inside it is escaped for the table that it may stand in.
pub(crate) fn code(text: &str) -> String {
    let text = one_line(text).replace('|', "\\|");
    let fence = "`".repeat(longest_run(&text) + 1);
    let space = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// Lines as they are, in a fence that outlasts every fence among them.
pub(crate) fn fenced(language: &str, lines: &[String]) -> String {
    let longest = lines.iter().map(|line| longest_run(line)).max().unwrap_or_default();
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}{language}\n{}\n{fence}", lines.join("\n"))
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    use super::*;
    use crate::report::sample;

    #[test]
    fn the_report_of_every_verdict() {
        insta::assert_snapshot!(render(&[sample::every_verdict()]));
    }

    #[test]
    fn hostile_text_makes_no_markup() {
        let text = render(&[sample::hostile()]);
        let mut headings = 0;
        let mut in_code = false;
        for event in Parser::new_ext(&text, Options::all()) {
            match event {
                Event::Html(html) | Event::InlineHtml(html) => {
                    let ours = ["<details><summary>", "</details>"].iter().any(|tag| html.starts_with(tag));
                    assert!(ours && !html.contains("<script"), "{html}");
                }
                Event::Start(Tag::Heading { .. }) => headings += 1,
                Event::Start(tag @ (Tag::Link { .. } | Tag::Image { .. } | Tag::Emphasis | Tag::Strikethrough)) => {
                    panic!("{tag:?}")
                }
                Event::InlineMath(math) | Event::DisplayMath(math) => panic!("{math}"),
                Event::Start(Tag::CodeBlock(_)) => in_code = true,
                Event::End(TagEnd::CodeBlock) => in_code = false,
                Event::Text(text) => assert!(in_code || !text.contains(" @channel"), "{text}"),
                _ => {}
            }
        }
        // The run's and the check's.
        assert_eq!(headings, 2, "{text}");
    }

    #[test]
    fn tables_keep_their_columns_whatever_a_cell_holds() {
        let text = render(&[sample::hostile()]);
        let mut rows = Vec::new();
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Table(columns)) => rows.push((columns.len(), 0, 0)),
                Event::Start(Tag::TableRow) => rows.last_mut().unwrap().1 += 1,
                Event::Start(Tag::TableCell) => rows.last_mut().unwrap().2 += 1,
                _ => {}
            }
        }
        // Each table's columns, rows and cells: target, overview, steps, settings of the check and of the run.
        assert_eq!(rows, [(2, 7, 16), (7, 1, 14), (5, 1, 10), (2, 1, 4), (2, 1, 4)]);
    }

    #[test]
    fn code_outlasts_its_own_ticks() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("``x"), "``` ``x ```");
        assert_eq!(fenced("sh", &["```".to_owned()]), "````sh\n```\n````");
    }

    #[test]
    fn digests_stay_as_they_are_and_mentions_do_not() {
        assert_eq!(escaped("image@sha256:ab @team #12"), "image@sha256:ab @\u{200b}team #\u{200b}12");
    }
}
