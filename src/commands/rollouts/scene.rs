//! What every command on Rollouts begins with: the cluster, the selection, and the watch that shows it.

use std::rc::Rc;

use kube::Client;
use tokio::time::Instant;

use crate::cli::Global;
use crate::cli::rollouts::Which;
use crate::cluster::call::Answer;
use crate::cluster::connect;
use crate::cluster::counted::{Requests, counted};
use crate::commands::UsageError;
use crate::config::{Config, Core};
use crate::exit;
use crate::result::Target;
use crate::rollout::bulk::board::Feed;
use crate::rollout::bulk::{Board, BoardError, Key, Selected, Selection, project};
use crate::targets;

/// The longest that the first look may take.
const FIRST_LOOK: std::time::Duration = std::time::Duration::from_secs(60);

/// The Rollouts that a command is about.
pub(super) struct Scene {
    pub(super) client: Client,
    pub(super) target: Target,
    pub(super) core: Core,
    pub(super) board: Rc<Board>,
    pub(super) selected: Selected,
    pub(super) by_name: bool,
    /// What the reader should know about the selection.
    pub(super) notices: Vec<String>,
    requests: Requests,
}

/// Why there is no scene.
pub(super) enum NoScene {
    /// Something is wrong with the command line, the configuration or the way to the cluster.
    Usage(UsageError),
    /// The Rollouts cannot be seen; the exit code says whose fault that is.
    Unseen(BoardError),
}

impl<E: Into<UsageError>> From<E> for NoScene {
    fn from(error: E) -> Self {
        Self::Usage(error.into())
    }
}

impl NoScene {
    /// Tells it, and answers with the exit code.
    pub(super) fn code(self) -> Result<u8, UsageError> {
        match self {
            Self::Usage(error) => Err(error),
            Self::Unseen(error) => {
                eprintln!("error: {error}");
                if matches!(error.answer, Answer::NotFound(_)) {
                    eprintln!("hint: the cluster does not know {}; is it installed?", error.action.resource);
                    return Ok(exit::FAILED);
                }
                Ok(exit::INCONCLUSIVE)
            }
        }
    }
}

impl Scene {
    /// Connects to every cluster that is meant, and looks at the selection in each once. Where one of them does not answer, nothing is done in
    /// any. The feeds have to be driven for the boards to stay up to date.
    pub(super) async fn open_all(
        global: &Global,
        which: &Which,
        needs_choice: bool,
    ) -> Result<Vec<(Self, Feed)>, NoScene> {
        if needs_choice {
            chosen(which)?;
        }
        let sources = crate::commands::sources(global)?;
        let access = crate::commands::access(global);
        // Operations are for the clusters that somebody names: a list in a configuration file is none.
        let targets = targets::choose(&sources, &which.targets.target, &access, false).map_err(UsageError::from)?;
        let targets = targets::resolve(targets, &access).await.map_err(UsageError::from)?;
        let one = async |target: &targets::Target| {
            let core = Config::of_harness(&sources.of_target(target.overlay.clone())).map_err(UsageError::from)?;
            let cluster = target.connect(&access, core.cluster_name.as_deref()).await;
            let cluster = cluster.map_err(UsageError::from)?;
            // The Applications are where Argo CD is.
            let applications = match target.in_argo_cd() {
                Some(name) if which.project.is_some() => {
                    let hub = access.connect(None).await.map_err(UsageError::from)?;
                    Some((hub.client, name.to_owned()))
                }
                _ => None,
            };
            Self::of(cluster, applications, which, core).await
        };
        let opened: Vec<(Self, Feed)> =
            futures::future::join_all(targets.iter().map(one)).await.into_iter().collect::<Result<_, _>>()?;
        let apart = targets::apart(opened.iter().map(|(scene, _)| (&scene.client, &scene.target))).await;
        apart.map_err(UsageError::from)?;
        Ok(opened)
    }

    async fn of(
        cluster: connect::Cluster,
        applications: Option<(Client, String)>,
        which: &Which,
        core: Core,
    ) -> Result<(Self, Feed), NoScene> {
        let connect::Cluster { client, target } = cluster;
        let (client, requests) = counted(&client);
        let deadline = Instant::now() + FIRST_LOOK;
        let mut notices = Vec::new();
        let mut selection = selection(which, client.default_namespace())?;
        if let Some(name) = &which.project {
            let (hub, known_as) = applications.unzip();
            let here = project::Destination { server: target.server.clone(), name: known_as };
            let found = project::rollouts_of(hub.as_ref().unwrap_or(&client), name, &here, deadline).await;
            let found = found.map_err(NoScene::Unseen)?;
            if !found.elsewhere.is_empty() {
                let list = found.elsewhere.join(", ");
                notices.push(format!("left out, as they deploy to other clusters: the Applications {list}"));
            }
            if found.applications == 0 {
                notices.push(format!("no Application of project {name} deploys to this cluster"));
            }
            selection.project = Some(found.rollouts);
        }
        let (board, feed) = Board::open(&client, &selection.scopes(), deadline).await.map_err(NoScene::Unseen)?;
        let selected = selection.of(&board);
        let by_name = selection.is_by_name();
        Ok((Self { client, target, core, board, selected, by_name, notices, requests }, feed))
    }

    /// The cluster, as it is named where there are several.
    pub(super) fn heading(&self) -> String {
        format!("{} ({})", self.target.name, self.target.server)
    }

    /// The number of requests to the API server so far, watches and the one that connected included.
    pub(super) fn requests(&self) -> u64 {
        self.requests.count() + 1
    }
}

/// Nothing is changed that nobody asked for.
fn chosen(which: &Which) -> Result<(), UsageError> {
    if which.names.is_empty() && which.selector.is_none() && which.project.is_none() && !which.all {
        let text =
            "which Rollouts? Give their names, -l SELECTOR, --project APPPROJECT or --all (with -A: of all namespaces)";
        return Err(UsageError::Flag(text.to_owned()));
    }
    Ok(())
}

fn selection(which: &Which, default_namespace: &str) -> Result<Selection, UsageError> {
    let given = which.namespace.clone();
    let own = || given.clone().unwrap_or_else(|| default_namespace.to_owned());
    let key = |name: &String| match name.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(Key::new(namespace, name))
        }
        None if !name.is_empty() => Ok(Key::new(own(), name.clone())),
        _ => Err(UsageError::Flag(format!("{name:?} should be NAME or NAMESPACE/NAME"))),
    };
    let names = which.names.iter().map(key).collect::<Result<Vec<_>, _>>()?;
    // A project's Applications say themselves where their Rollouts are.
    let everywhere = which.all_namespaces || (which.project.is_some() && given.is_none());
    let namespace = (!everywhere).then(own);
    Ok(Selection { names, namespace, labels: which.selector.clone(), project: None })
}
