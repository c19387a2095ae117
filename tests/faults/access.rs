//! Permissions: what the chart gives a check is enough, and each part of it is missed by name. docs/rbac.md shows the outcome.
//!
//! `UPDATE_DOCS=1 cargo test --test faults -- access` writes it anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use kibertas::check::{Grant, all_grants};
use kibertas::checks;
use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::account::{Account, Right, optional};
use super::run;
use super::world::{World, on_whole};

/// The checks that work in the cluster, and need permissions there.
const CHECKS: &[&str] = &["ingress", "cert-manager", "rollouts", "autoscaler", "fluent"];

/// Trials write their own part of the document, side by side.
static DOCUMENT: Mutex<()> = Mutex::new(());

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let each = CHECKS.iter().flat_map(|&check| {
        let name = check.replace('-', "_");
        [
            on_whole(world, format!("access::{name}::chart_s_rights_suffice"), move |world| suffice(world, check)),
            on_whole(world, format!("access::{name}::each_missing_right_is_named"), move |world| {
                each_missing(world, check)
            }),
        ]
    });
    let events = on_whole(world, "access::events_that_may_not_be_left_change_no_verdict", events_that_may_not_be_left);
    each.chain([events]).collect()
}

/// With the chart's rights and none of the optional ones, the check passes, in a namespace of its own and in one that is given.
fn suffice(world: &World, check: &str) -> Result<(), Failed> {
    let account = Account::of_chart(world, check, "own", None, &json!({}))?;
    run::test(account.environment(), &[check])?.expect_pass()?;
    let given = format!("trial-work-{check}");
    let account = Account::of_chart(world, check, "given", Some(&given), &json!({}))?;
    let passed = run::test(account.environment(), &[check]).and_then(|report| report.expect_pass());
    world.kubectl(&["delete", "namespace", &given, "--timeout=90s"])?;
    passed
}

/// Every right is taken away once, in both kinds of namespace.
fn each_missing(world: &World, check: &str) -> Result<(), Failed> {
    let mut rows: Vec<(Right, [String; 2])> = Vec::new();
    let given = format!("trial-work-less-{check}");
    for (column, (what, namespace)) in [("less", None), ("less-given", Some(given.as_str()))].into_iter().enumerate() {
        let account = Account::of_chart(world, check, what, namespace, &json!({}))?;
        let rights = account.rights();
        if rights.len() < 8 {
            return Err(format!("the chart gives {rights:?} only").into());
        }
        for right in rights {
            account.without(&right)?;
            let seen = missed(&account, check, &right)?;
            let place = if right.namespace.is_some() { "Role" } else { "ClusterRole" };
            let same = |row: &&mut (Right, _)| row.0.named() == right.named();
            if let Some(row) = rows.iter_mut().find(same) {
                row.1[column] = format!("{place}; {seen}");
            } else {
                let mut cells = [String::from("not given"), String::from("not given")];
                cells[column] = format!("{place}; {seen}");
                rows.push((right, cells));
            }
        }
    }
    world.kubectl(&["delete", "namespace", &given, "--timeout=90s"])?;
    documented(check, &table(check, &rows, &optional(world, check, &json!({}))?)?)
}

/// Demands that the check misses exactly this right, at once, and has created nothing; what it said.
fn missed(account: &Account, check: &str, right: &Right) -> Result<String, Failed> {
    let report = run::test(account.environment(), &[check])?;
    let said = format!("not allowed: {}", right.named());
    report.expect(3, "inconclusive", Some("permissions"), &[&said])?;
    if report.check()["failure"]["seen"] != said {
        return Err(format!("{} instead of {said:?}", report.check()["failure"]["seen"]).into());
    }
    if !report.check()["cleanup"].is_null() {
        return Err(format!("something was created all the same: {said}").into());
    }
    Ok(format!("Inconclusive, “{said}”"))
}

/// The chart's Role for Events is enough for them, and without it the run says so before and after, and passes.
fn events_that_may_not_be_left(world: &World) -> Result<(), Failed> {
    let account = Account::of_chart(world, "cert-manager", "events", None, &json!({"events": "default"}))?;
    let mut environment = account.environment().clone();
    environment.push(("KIBERTAS_EVENTS", "default".to_owned()));
    let told = |report: &run::Report| (report.progress.clone(), report.json["notices"].to_string());
    let report = run::test(&environment, &["cert-manager"])?;
    report.expect_pass()?;
    let (progress, notices) = told(&report);
    let left = world.kubectl(&["get", "events", "-n", "default", "--field-selector", "reason=ChecksPassed"])?;
    if progress.contains("no Events") || notices.contains("events in") || !left.contains(&run::id(&progress)?) {
        return Err(format!("{progress}\n{notices}\n{left}").into());
    }
    let of_events = |right: &&Right| right.named() == "create events.events.k8s.io";
    let right = account.rights().iter().find(of_events).cloned().ok_or("the chart gives no right to leave Events")?;
    account.without(&right)?;
    let report = run::test(&environment, &["cert-manager"])?;
    report.expect_pass()?;
    let (progress, notices) = told(&report);
    let early =
        "no Events will be left in namespace default: the credentials of this run may not create events.events.k8s.io";
    if progress.contains(early) && notices.contains("events in namespace default") {
        return Ok(());
    }
    Err(format!("{progress}\n{notices}").into())
}

fn table(check: &str, rows: &[(Right, [String; 2])], optional: &[Right]) -> Result<String, Failed> {
    let check = checks::ALL.iter().find(|one| one.about().name == check).ok_or("no such check")?;
    let mut text = String::from(
        "| right | what for | without it, in a namespace of the run's own | without it, in a given namespace |\n\
         |---|---|---|---|\n",
    );
    for (right, [own, given]) in rows {
        let of_right = |grant: &&Grant| {
            grant.group == right.group && grant.resource == right.resource && grant.verbs.contains(&right.verb.as_str())
        };
        let whys: BTreeSet<&str> =
            all_grants(*check).filter(|grant| !grant.optional).filter(of_right).map(|grant| grant.why).collect();
        let whys = whys.into_iter().collect::<Vec<_>>().join("; ");
        writeln!(text, "| {} | {whys} | {own} | {given} |", right.named())?;
    }
    let names: BTreeSet<String> = optional.iter().map(|right| format!("`{}`", right.named())).collect();
    writeln!(
        text,
        "\nOptional, and none of them given when the check passed: {}.",
        names.into_iter().collect::<Vec<_>>().join(", ")
    )?;
    Ok(text)
}

/// Demands that the document's part about the check is this text, or writes it there.
fn documented(check: &str, expected: &str) -> Result<(), Failed> {
    let _alone = DOCUMENT.lock().unwrap_or_else(PoisonError::into_inner);
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "docs/rbac.md"].iter().collect();
    let text = std::fs::read_to_string(&path)?;
    let (begin, end) = (format!("<!-- {check}: written by tests/faults/access.rs -->\n"), "<!-- end -->");
    let (before, rest) = text.split_once(&begin).ok_or_else(|| format!("docs/rbac.md has no part {check}"))?;
    let (found, after) = rest.split_once(end).ok_or("docs/rbac.md: a part has no end")?;
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return Ok(std::fs::write(&path, format!("{before}{begin}{expected}{end}{after}"))?);
    }
    if found == expected {
        return Ok(());
    }
    let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    Err(format!("docs/rbac.md is out of date: {differs:?}; UPDATE_DOCS=1 cargo test --test faults -- access").into())
}
