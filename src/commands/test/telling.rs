//! After a run: its reports are published, and everybody who should know is told.

use crate::cluster::Cluster;
use crate::event::Bus;
use crate::notify::{Audience, Told};
use crate::publish::Publisher;
use crate::result::RunResult;

/// Publishes the reports and tells everybody of the run. What does not work out becomes a note of the result and a warning.
pub(super) async fn tell(
    result: RunResult,
    bus: &Bus,
    publisher: Option<&Publisher>,
    audience: Option<&Audience>,
    cluster: &Cluster,
) -> RunResult {
    let mut result = bus.cleaned(result);
    let complain = |result: &mut RunResult, text: String| {
        let text = bus.cleaned(text);
        tracing::warn!("{text}");
        result.notices.push(text);
    };
    let mut before = None;
    let mut report = None;
    if let Some(publisher) = publisher {
        before = match publisher.before(&result.target.name).await {
            Ok(before) => before,
            Err(error) => {
                complain(
                    &mut result,
                    format!("the run before is not known, so that everything counts as changed: {error}"),
                );
                None
            }
        };
        // Before the messages: what they link to is there when they arrive.
        match publisher.publish(&result).await {
            Ok(()) => report = Some(publisher.link(&result)),
            Err(error) => complain(&mut result, format!("the reports are not published: {error}")),
        }
    }
    let Some(audience) = audience else { return result };
    let told = [Told { result: &result, before: before.as_ref(), report: report.as_deref() }];
    let outcomes = audience.tell(&told, Some(&cluster.client)).await;
    let complaints: Vec<String> = outcomes.iter().filter_map(crate::notify::Outcome::complaint).collect();
    if complaints.is_empty() {
        return result;
    }
    for complaint in complaints {
        complain(&mut result, complaint);
    }
    // Once more with what did not arrive.
    if let Some(publisher) = publisher.filter(|_| report.is_some())
        && let Err(error) = publisher.publish(&result).await
    {
        complain(&mut result, format!("the reports are published without the last notes: {error}"));
    }
    result
}
