//! A comparison for pull requests.

use super::terminal::time;
use super::{Comparison, Judgement, ratio};
use crate::report::line::sign;
use crate::report::markdown::{code, escaped, table};
use crate::verdict::Verdict;

/// The comparison as Markdown.
pub fn render(comparison: &Comparison) -> String {
    let Comparison { a, b, .. } = comparison;
    let mut blocks = vec![format!("# {} beside {}", escaped(&b.label), escaped(&a.label))];
    let worse = comparison.regressions(100);
    blocks.push(if worse.is_empty() {
        "Nothing is worse.".to_owned()
    } else {
        worse.iter().map(|line| format!("- {}", escaped(line))).collect::<Vec<_>>().join("\n")
    });
    let (label_a, label_b) = (escaped(&a.label), escaped(&b.label));
    let text = |text: &Option<String>| text.as_deref().map_or_else(|| "not there".to_owned(), code);
    let changed = comparison.changed.iter().map(|change| vec![code(&change.what), text(&change.a), text(&change.b)]);
    blocks.push(table(
        &["Different", &label_a, &label_b],
        changed.chain([vec!["runs".to_owned(), a.runs.to_string(), b.runs.to_string()]]),
    ));
    for check in &comparison.checks {
        let verdict = |verdict: Option<Verdict>| {
            verdict.map_or("not there".to_owned(), |verdict| format!("{} {verdict}", sign(verdict)))
        };
        blocks.push(format!("## {}: {} → {}", escaped(&check.name), verdict(check.a), verdict(check.b)));
        blocks.extend(check.reason.iter().map(|reason| escaped(reason)));
        let rows = check.steps.iter().map(|step| {
            let word = match step.judgement {
                Judgement::Slower | Judgement::Broken => format!("**{}**", step.judgement.word()),
                judgement => judgement.word().to_owned(),
            };
            let ratio = step.percent.map(ratio).unwrap_or_default();
            vec![escaped(&step.name), time(step.a.as_ref()), time(step.b.as_ref()), ratio, word]
        });
        if !check.steps.is_empty() {
            blocks.push(table(&["Step", &label_a, &label_b, "B / A", ""], rows));
        }
    }
    blocks.join("\n\n") + "\n"
}
