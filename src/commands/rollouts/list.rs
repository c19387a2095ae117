//! `rollouts list`.

use std::io::Write as _;
use std::rc::Rc;

use serde::Serialize;

use super::scene::Scene;
use super::table;
use crate::cli::rollouts::ListRollouts;
use crate::cli::{Global, Output};
use crate::commands::{UsageError, json};
use crate::exit;
use crate::result::Target;
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

/// The Rollouts of one of several clusters.
#[derive(Serialize)]
struct OfCluster<'a> {
    target: &'a Target,
    rollouts: Vec<Listed<'a>>,
}

/// Prints the Rollouts.
pub(super) async fn run(global: &Global, args: &ListRollouts) -> Result<u8, UsageError> {
    let scenes = match Scene::open_all(global, &args.which, false).await {
        Ok(opened) => opened,
        Err(error) => return error.code(),
    };
    let rollouts: Vec<Vec<(&Key, Rc<Rollout>)>> = scenes.iter().map(|(scene, _)| rollouts(scene)).collect();
    let mut out = std::io::stdout().lock();
    match args.output {
        Output::Json => {
            let mut of_clusters: Vec<OfCluster<'_>> = Vec::new();
            for ((scene, _), rollouts) in scenes.iter().zip(&rollouts) {
                of_clusters.push(OfCluster { target: &scene.target, rollouts: rollouts.iter().map(listed).collect() });
            }
            let text = match of_clusters.as_slice() {
                [one] => json(&one.rollouts)?,
                several => json(&several)?,
            };
            out.write_all(text.as_bytes())?;
        }
        Output::Human => {
            for ((scene, _), rollouts) in scenes.iter().zip(&rollouts) {
                if scenes.len() > 1 {
                    writeln!(out, "{}", scene.heading())?;
                }
                if rollouts.is_empty() {
                    writeln!(out, "no Rollouts")?;
                    continue;
                }
                let rows: Vec<(&Key, &Rollout)> = rollouts.iter().map(|(key, rollout)| (*key, &**rollout)).collect();
                super::display::print(&mut out, &table::listed(&rows))?;
            }
        }
    }
    let mut code = exit::PASSED;
    for (scene, _) in &scenes {
        for notice in &scene.notices {
            eprintln!("note: {notice}");
        }
        for key in &scene.selected.missing {
            eprintln!("error: {}: there is no Rollout {key}", scene.target.name);
            code = exit::FAILED;
        }
    }
    Ok(code)
}

fn rollouts(scene: &Scene) -> Vec<(&Key, Rc<Rollout>)> {
    scene.selected.found.iter().filter_map(|key| Some((key, scene.board.now(key)?))).collect()
}

fn listed<'a>((key, rollout): &(&'a Key, Rc<Rollout>)) -> Listed<'a> {
    Listed { key, images: images(rollout), replicas: rollout.spec.replicas.unwrap_or(1), state: State::of(rollout) }
}
