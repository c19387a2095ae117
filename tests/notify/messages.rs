//! What people see in the medium.

use libtest_mimic::{Failed, Trial};

use super::SECRET;
use super::audience::{HOSTILE, configuration, environment, result, saying, tell};
use super::service::{Service, StandIn, Trust};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("hostile_text_is_text_everywhere", hostile_text_is_text_everywhere),
        Trial::test("a_comment_is_updated_and_not_repeated", a_comment_is_updated_and_not_repeated),
    ]
}

/// What each medium would take for markup or a mention is not in what people see.
fn hostile_text_is_text_everywhere() -> Result<(), Failed> {
    let trust = Trust::new()?;
    for (service, forbidden) in [
        (Service::Chatwork, &["[toall]", "[To:1]", "\u{1b}"][..]),
        (Service::SlackWebhook, &["mrkdwn", "\"text\":\"<!channel>", "\u{1b}"]),
        (Service::Teams, &["\"type\":\"TextBlock\"", "\u{1b}"]),
        // What is markup in a comment only a parser tells: that is a test beside the renderer.
        (Service::GitHubComment, &["\u{1b}"]),
    ] {
        let stand_in = StandIn::start(service, &trust.authority)?;
        let base = stand_in.url();
        let file = configuration(service, &base, Some(trust.ca_file.path())).replace(", mention: [here]", "");
        let told = tell(&file, environment(&base, SECRET), &[&saying(HOSTILE, 6)?])?;
        let seen = stand_in.shown().join("\n");
        if told != ["told"] || !seen.contains("bold") {
            return Err(format!("{service:?}: {told:?}\n{seen}").into());
        }
        // In Chatwork's code a tag is text.
        let outside = seen.split("[code]").map(|part| part.split_once("[/code]").map_or(part, |(_, rest)| rest));
        let outside: String = if service == Service::Chatwork { outside.collect() } else { seen.clone() };
        if let Some(found) = forbidden.iter().find(|&&text| outside.contains(text)) {
            return Err(format!("{service:?}: {found:?} is in\n{outside}").into());
        }
    }
    Ok(())
}

fn a_comment_is_updated_and_not_repeated() -> Result<(), Failed> {
    let trust = Trust::new()?;
    let stand_in = StandIn::start(Service::GitHubComment, &trust.authority)?;
    let StandIn::GitHub(server) = &stand_in else { return Err("no GitHub".into()) };
    // 120 comments of others come first: ours is on the second page.
    let others = (1..=120).map(|id| serde_json::json!({"id": id, "body": "somebody else's"}));
    server.rules().comments.lock().map_err(|_| "poisoned")?.extend(others);
    let base = stand_in.url();
    let file = configuration(Service::GitHubComment, &base, Some(trust.ca_file.path()));
    let first = result()?;
    let mut second = first.clone();
    "second".clone_into(&mut second.run);
    for run in [&first, &second] {
        let told = tell(&file, environment(&base, SECRET), &[run])?;
        if told != ["told"] {
            return Err(format!("{told:?}").into());
        }
    }
    let shown = stand_in.shown();
    let ours: Vec<&String> = shown.iter().filter(|text| text.contains("kibertas")).collect();
    if shown.len() == 121 && ours.len() == 1 && ours[0].contains("run second") {
        Ok(())
    } else {
        Err(format!("{} comments, ours: {ours:#?}", shown.len()).into())
    }
}
