//! Tells everybody: all channels side by side, so that a slow one holds up no other, and within one time limit.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use tokio::time::Instant;

use super::delivery::{Http, Patience, Undelivered};
use super::message::{Message, Told};
use super::settings::{self, Channel, Service};
use super::when::When;
use super::{kubernetes_event, pushgateway};
use crate::config::{ConfigError, Core, Problem, Sources};
use crate::tls;

/// Everybody who is told of runs.
#[derive(Debug, Clone)]
pub struct Audience {
    channels: Vec<Channel>,
    pushgateway: Option<String>,
    events: Option<String>,
    timeout: Duration,
    patience: Patience,
}

/// What became of one message.
#[derive(Debug)]
pub struct Outcome {
    /// Who: `slack (notify[0])`.
    pub to: String,
    /// The tries that it took, `None` where there was nothing to tell, or why it did not arrive.
    pub sent: Result<Option<u32>, Undelivered>,
}

impl Outcome {
    /// The line of the report, where the message did not arrive.
    pub fn complaint(&self) -> Option<String> {
        self.sent.as_ref().err().map(|error| format!("{} was not told: {error}", self.to))
    }
}

impl Audience {
    /// Reads who is told. Whatever is wrong with it is told at once.
    pub fn of(sources: &Sources, core: &Core) -> Result<Self, ConfigError> {
        let channels = settings::channels(sources)?;
        let problems: Vec<Problem> = channels
            .iter()
            .filter(|channel| channel.on == When::Change && core.publish.is_none())
            .map(|channel| Problem {
                field: "publish".to_owned(),
                value: None,
                expected: format!("given: {} is told on change, and the run before is known from there", channel.name),
            })
            .collect();
        if !problems.is_empty() {
            return Err(ConfigError(problems));
        }
        Ok(Self {
            channels,
            pushgateway: core.pushgateway.clone(),
            events: core.events.clone(),
            timeout: core.notify_timeout,
            patience: Patience::default(),
        })
    }

    /// The same with other patience.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The same, told of every run whatever `on` says.
    #[must_use]
    pub fn of_everything(mut self) -> Self {
        for channel in &mut self.channels {
            channel.on = When::Always;
        }
        self
    }

    /// The same without metrics.
    #[must_use]
    pub fn without_metrics(mut self) -> Self {
        self.pushgateway = None;
        self
    }

    /// Whether nobody is told.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.pushgateway.is_none() && self.events.is_none()
    }

    /// The namespace for Events, if they are wanted.
    pub fn events(&self) -> Option<&str> {
        self.events.as_deref()
    }

    /// Every secret, for the redactor.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.channels.iter().flat_map(|channel| &channel.secrets.0).map(String::as_str)
    }

    /// Tells of these runs, in one message to each channel.
    pub async fn tell(&self, runs: &[Told<'_>]) -> Vec<Outcome> {
        let message = &Message::new(runs);
        let deadline = Instant::now() + self.timeout;
        let mut sending: Vec<LocalBoxFuture<'_, Outcome>> = Vec::new();
        for channel in &self.channels {
            let applies = runs.iter().any(|told| channel.on.applies(told.result, told.before));
            let sent = async move {
                if !applies {
                    return Ok(None);
                }
                let http = self.http(channel.ca_file.as_deref(), deadline)?;
                match &channel.service {
                    Service::Chatwork(room) => room.send(&http, message).await,
                    Service::Slack(slack) => slack.send(&http, message).await,
                    Service::Teams(teams) => teams.send(&http, message).await,
                    Service::Webhook(webhook) => webhook.send(&http, message).await,
                    Service::GitHub(github) => github.send(&http, message).await,
                }
                .map(Some)
            };
            sending.push(async move { Outcome { to: channel.name.clone(), sent: sent.await } }.boxed_local());
        }
        if let Some(base) = &self.pushgateway {
            let sent = async move {
                let http = self.http(None, deadline)?;
                let mut tries = 0;
                for told in runs {
                    tries = tries.max(pushgateway::push(&http, base, told.result).await?);
                }
                Ok(Some(tries))
            };
            sending.push(async move { Outcome { to: "pushgateway".to_owned(), sent: sent.await } }.boxed_local());
        }
        if let Some(namespace) = &self.events {
            for (client, part) in runs.iter().zip(&message.parts).filter_map(|(told, part)| Some((told.cluster?, part)))
            {
                let writing = kubernetes_event::write(client, namespace, part, deadline);
                let to = format!("events in namespace {namespace} of {}", part.cluster);
                sending.push(async move { Outcome { to, sent: writing.await.map(Some) } }.boxed_local());
            }
        }
        futures::future::join_all(sending).await
    }

    fn http(&self, ca_file: Option<&std::path::Path>, deadline: Instant) -> Result<Http, Undelivered> {
        let tls = tls::client_config(ca_file).map_err(|error| Undelivered { reason: error.to_string(), tries: 0 })?;
        Http::new(tls, self.patience, deadline)
    }
}
