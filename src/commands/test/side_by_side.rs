//! One run on each cluster, all at the same time, shown in one place.

use std::cell::RefCell;
use std::rc::Rc;

use super::ground::Ground;
use crate::checks;
use crate::cluster::sweep::{Fate, Which, sweep};
use crate::cluster::{Cluster, RunId};
use crate::config::Config;
use crate::event::{Bus, Event, Sink};
use crate::redact::Redactor;
use crate::report::{Labelled, SharedDisplay};
use crate::result::RunResult;
use crate::runner::signals::Interruption;
use crate::runner::unreached::unreached;
use crate::runner::{Run, RunOptions};

/// What all runs of a command have in common.
pub(super) struct Runs<'a> {
    pub(super) grounds: &'a [Ground],
    pub(super) options: RunOptions,
    pub(super) redactor: &'a Redactor,
    pub(super) interruption: &'a Interruption,
    /// The ids of the runs that are going on, for whoever ends them the hard way.
    pub(super) ids: &'a RefCell<Vec<RunId>>,
}

impl Runs<'_> {
    /// Runs on all clusters; the results are in their order, each with the bus that its end is to be told on.
    pub(super) async fn execute(&self, display: Box<dyn Sink>) -> Vec<(RunResult, Rc<Bus>)> {
        let ids: Vec<RunId> = self.grounds.iter().map(|_| RunId::random()).collect();
        self.ids.replace(ids.clone());
        let sinks = self.sinks(display);
        let one = async |((ground, id), sink): ((&Ground, RunId), Box<dyn Sink>)| {
            let bus = Rc::new(Bus::new(self.redactor.clone(), vec![sink]));
            let result = self.one(ground, id, &bus).await;
            (result, bus)
        };
        futures::future::join_all(self.grounds.iter().zip(ids).zip(sinks).map(one)).await
    }

    /// The display as it is for a single cluster; for several, each names its own.
    fn sinks(&self, display: Box<dyn Sink>) -> Vec<Box<dyn Sink>> {
        if self.grounds.len() == 1 {
            return vec![display];
        }
        let width = self.grounds.iter().map(|ground| console::measure_text_width(ground.name())).max();
        let shared: SharedDisplay = Rc::new(RefCell::new(display));
        let label = |ground: &Ground| Labelled::new(ground.name(), width.unwrap_or_default(), Rc::clone(&shared));
        self.grounds.iter().map(|ground| Box::new(label(ground)) as Box<dyn Sink>).collect()
    }

    async fn one(&self, ground: &Ground, id: RunId, bus: &Rc<Bus>) -> RunResult {
        let Ground { config, plan, cluster, .. } = ground;
        let cluster = match cluster {
            Ok(cluster) => cluster,
            Err(gone) => return unreached(gone, plan, config, bus),
        };
        let run = Run {
            cluster,
            config,
            plan: plan.clone(),
            id,
            options: self.options,
            interruption: self.interruption.clone(),
            bus: Rc::clone(bus),
        };
        tokio::join!(run.execute(), sweep_expired(cluster, config, bus)).0
    }
}

/// Removes what killed runs left, beside the checks. What may not be listed is simply not swept.
async fn sweep_expired(cluster: &Cluster, config: &Config, bus: &Bus) {
    let namespace = config.core.resource_namespace.as_deref();
    let kinds = if namespace.is_some() { checks::ALL } else { &[] };
    let budget = config.core.cleanup_timeout;
    let swept = sweep(&cluster.client, kinds, namespace, &Which::Expired, false, budget).await;
    for leftover in swept.leftovers {
        match leftover.fate {
            Fate::Removed => bus.emit(Event::Notice {
                text: format!("removed {}, left by run {} which was killed", leftover.object, leftover.run),
            }),
            Fate::Stuck(why) => bus.emit(Event::Notice {
                text: format!(
                    "{} is left by run {} and cannot be removed: {}",
                    leftover.object,
                    leftover.run,
                    why.join("; ")
                ),
            }),
            Fate::Alive(_) | Fate::WouldBeRemoved => {}
        }
    }
}
