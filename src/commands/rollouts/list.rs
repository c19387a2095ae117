//! `rollouts list`.

use std::io::Write as _;
use std::rc::Rc;

use serde::Serialize;

use super::scene::Scene;
use super::table;
use crate::cli::rollouts::ListRollouts;
use crate::cli::{Global, Output};
use crate::commands::UsageError;
use crate::exit;
use crate::rollout::Rollout;
use crate::rollout::bulk::Key;
use crate::rollout::bulk::guard::images;
use crate::rollout::status::State;

#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    key: &'a Key,
    images: Vec<String>,
    replicas: i32,
    state: State,
}

/// Prints the Rollouts.
pub(super) async fn run(global: &Global, args: &ListRollouts) -> Result<u8, UsageError> {
    let (scene, _feed) = match Scene::open(global, &args.which, false).await {
        Ok(opened) => opened,
        Err(error) => return error.code(),
    };
    let rollouts: Vec<(&Key, Rc<Rollout>)> =
        scene.selected.found.iter().filter_map(|key| Some((key, scene.board.now(key)?))).collect();
    let mut out = std::io::stdout().lock();
    match args.output {
        Output::Json => {
            let listed = |(key, rollout): &(&'_ Key, Rc<Rollout>)| {
                let replicas = rollout.spec.replicas.unwrap_or(1);
                serde_json::to_value(Listed { key, images: images(rollout), replicas, state: State::of(rollout) })
            };
            let listed = rollouts.iter().map(listed).collect::<Result<Vec<_>, _>>();
            let listed = listed.and_then(|listed| serde_json::to_string_pretty(&listed));
            writeln!(out, "{}", listed.map_err(|error| UsageError::Flag(error.to_string()))?)?;
        }
        Output::Human if rollouts.is_empty() => writeln!(out, "no Rollouts")?,
        Output::Human => {
            let rows: Vec<(&Key, &Rollout)> = rollouts.iter().map(|(key, rollout)| (*key, &**rollout)).collect();
            super::display::print(&mut out, &table::listed(&rows))?;
        }
    }
    for notice in &scene.notices {
        eprintln!("note: {notice}");
    }
    for key in &scene.selected.missing {
        eprintln!("error: there is no Rollout {key}");
    }
    Ok(if scene.selected.missing.is_empty() { exit::PASSED } else { exit::FAILED })
}
