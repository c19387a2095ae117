//! The clusters of a run: each with its configuration, its plan, and the way in that was found to work.

use futures::future::join_all;

use crate::checks;
use crate::cli::TestArgs;
use crate::cluster::{Access, Cluster};
use crate::commands::UsageError;
use crate::compare::baseline::Baselines;
use crate::config::{Config, Core, Sources};
use crate::redact::Redactor;
use crate::result::RunResult;
use crate::runner::Plan;
use crate::runner::unreached::Unreached;
use crate::targets::{self, Target};

/// One cluster, and what runs there.
pub(super) struct Ground {
    pub(super) config: Config,
    pub(super) plan: Plan,
    /// Where its results are kept, if they are.
    pub(super) kept: Option<Baselines>,
    /// The cluster; or, of several, one that does not answer.
    pub(super) cluster: Result<Cluster, Unreached>,
}

impl Ground {
    /// What the cluster is called.
    pub(super) fn name(&self) -> &str {
        match &self.cluster {
            Ok(cluster) => &cluster.target.name,
            Err(unreached) => &unreached.name,
        }
    }

    /// Keeps its results for those that come after. What has seen no cluster tells nothing to them; what cannot be kept changes no verdict.
    pub(super) async fn keep(&self, results: &[RunResult], redactor: &Redactor) {
        let Some(kept) = &self.kept else { return };
        for result in results.iter().filter(|result| result.checks.iter().any(|check| !check.steps.is_empty())) {
            // What leaves the program carries no secret.
            if let Err(error) = kept.keep(&redactor.clean(result.clone())).await {
                tracing::warn!("{}", redactor.clean_text(&format!("the result is not kept as a baseline: {error}")));
            }
        }
    }

    /// Everything that must not be shown.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.config.secrets()
    }
}

/// The targets, with their configurations and plans; nothing is connected yet, but to Argo CD where it is asked for clusters.
pub(super) struct Prepared(Vec<(Target, Config, Plan)>);

impl Prepared {
    /// Tells whatever is wrong with any of them.
    pub(super) async fn make(sources: &Sources, args: &TestArgs, access: &Access) -> Result<Self, UsageError> {
        let targets = targets::choose(sources, &args.targets.target, access, true)?;
        let targets = targets::resolve(targets, access).await?;
        if args.compare && targets.len() < 2 {
            let found = targets.first().and_then(Target::name).map(|name| format!(", and this is {name} alone"));
            let text = format!("--compare needs two clusters{}: give --target twice", found.unwrap_or_default());
            return Err(UsageError::Flag(text));
        }
        let mut prepared: Vec<(Target, Config, Plan)> = Vec::with_capacity(targets.len());
        for target in targets {
            let config = crate::commands::configuration(&sources.of_target(target.overlay.clone()))?;
            let plan = Plan::make(&args.checks, checks::ALL, &config).map_err(|error| match target.name() {
                Some(name) => UsageError::Flag(format!("target {name}: {error}")),
                None => error.into(),
            })?;
            let name = config.core.cluster_name.as_deref();
            if let Some((other, ..)) =
                prepared.iter().find(|(_, c, _)| name.is_some() && c.core.cluster_name.as_deref() == name)
            {
                return Err(UsageError::Flag(format!(
                    "clusterName of the targets {} and {} is {:?}: give each its own, or none",
                    other.name().unwrap_or_default(),
                    target.name().unwrap_or_default(),
                    name.unwrap_or_default()
                )));
            }
            prepared.push((target, config, plan));
        }
        let of_ingress = args.no_dns_check || args.ingress_class_name.is_some();
        let plans_ingress = |plan: &Plan| plan.checks.iter().any(|planned| planned.check.about().name == "ingress");
        if of_ingress && !prepared.iter().any(|(_, _, plan)| plans_ingress(plan)) {
            let given = if args.no_dns_check { "--no-dns-check" } else { "--ingress-class-name" };
            return Err(UsageError::Flag(format!("{given} is for the check ingress, which is not asked for")));
        }
        Ok(Self(prepared))
    }

    /// Connects to all of them at once; `common` says where results are kept. A single cluster has to answer; of several, one that does
    /// not is no reason to know nothing of the others.
    pub(super) async fn connect(self, access: &Access, common: &Core) -> Result<Vec<Ground>, UsageError> {
        let alone = self.0.len() == 1;
        let one = async |(target, config, plan): (Target, Config, Plan)| -> Result<Ground, UsageError> {
            let name = config.core.cluster_name.clone();
            let cluster = match target.connect(access, name.as_deref()).await {
                Ok(cluster) => Ok(cluster),
                Err(error) if !alone && error.is_of_cluster() => Err(Unreached {
                    name: name.or_else(|| target.name().map(str::to_owned)).unwrap_or_default(),
                    place: target.place(),
                    reason: error.reason(),
                    next: target.question(),
                }),
                Err(error) => return Err(error.into()),
            };
            let kept = match &cluster {
                Ok(cluster) => Baselines::of(common, &cluster.client).await?,
                Err(_) => None,
            };
            if let Some(kept) = &kept {
                kept.prove().await?;
            }
            Ok(Ground { config, plan, kept, cluster })
        };
        let grounds: Vec<Ground> = join_all(self.0.into_iter().map(one)).await.into_iter().collect::<Result<_, _>>()?;
        let there = grounds.iter().filter_map(|ground| ground.cluster.as_ref().ok());
        targets::apart(there.map(|cluster| (&cluster.client, &cluster.target))).await?;
        Ok(grounds)
    }
}
