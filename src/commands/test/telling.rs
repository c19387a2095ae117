//! After the runs: their reports are published, and everybody who should know is told of all of them in one message.

use std::rc::Rc;

use super::ground::Ground;
use crate::event::Bus;
use crate::notify::{Audience, Outcome, Told};
use crate::publish::Publisher;
use crate::result::RunResult;

/// Who is told, and where reports are published.
pub(super) struct Telling<'a> {
    pub(super) grounds: &'a [Ground],
    pub(super) publisher: Option<&'a Publisher>,
    pub(super) audience: Option<&'a Audience>,
}

/// A run on its way to the public.
struct Story {
    result: RunResult,
    before: Option<RunResult>,
    report: Option<String>,
}

impl Telling<'_> {
    /// Publishes the reports and tells everybody. What does not work out becomes a note of the result and a warning.
    pub(super) async fn tell(&self, results: Vec<RunResult>, buses: &[Rc<Bus>]) -> Vec<RunResult> {
        let cleaned = results.into_iter().zip(buses).map(|(result, bus)| bus.cleaned(result));
        let mut stories: Vec<Story> = futures::future::join_all(cleaned.map(|result| self.published(result))).await;
        for (story, bus) in stories.iter_mut().zip(buses) {
            story.result = bus.cleaned(story.result.clone());
        }
        if let Some(audience) = self.audience {
            let told: Vec<Told<'_>> = stories
                .iter()
                .zip(self.grounds)
                .map(|(story, ground)| Told {
                    result: &story.result,
                    before: story.before.as_ref(),
                    report: story.report.as_deref(),
                    cluster: ground.cluster.as_ref().ok().map(|cluster| &cluster.client),
                })
                .collect();
            let complaints: Vec<String> = audience.tell(&told).await.iter().filter_map(Outcome::complaint).collect();
            if !complaints.is_empty() {
                self.amended(&mut stories, buses, &complaints).await;
            }
        }
        stories.into_iter().map(|story| story.result).collect()
    }

    async fn published(&self, mut result: RunResult) -> Story {
        let Some(publisher) = self.publisher else { return Story { result, before: None, report: None } };
        let before = publisher.before(&result.target.name).await.unwrap_or_else(|error| {
            complain(
                &mut result,
                format!("the run before is not known, so that everything counts as changed: {error}"),
            );
            None
        });
        // Before the messages: what they link to is there when they arrive.
        let report = match publisher.publish(&result).await {
            Ok(()) => Some(publisher.link(&result)),
            Err(error) => {
                complain(&mut result, format!("the reports are not published: {error}"));
                None
            }
        };
        Story { result, before, report }
    }

    /// Publishes once more with what did not arrive.
    async fn amended(&self, stories: &mut [Story], buses: &[Rc<Bus>], complaints: &[String]) {
        for (Story { result, report, .. }, bus) in stories.iter_mut().zip(buses) {
            for text in complaints {
                complain(result, bus.cleaned(text.clone()));
            }
            if let Some(publisher) = self.publisher.filter(|_| report.is_some())
                && let Err(error) = publisher.publish(result).await
            {
                complain(result, bus.cleaned(format!("the reports are published without the last notes: {error}")));
            }
        }
    }
}

fn complain(result: &mut RunResult, text: String) {
    tracing::warn!("{text}");
    result.notices.push(text);
}
