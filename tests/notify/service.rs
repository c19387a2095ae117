//! The services, and the stand-in of each.

use libtest_mimic::Failed;
use serde_json::Value;
use stand_ins::authority::Authority;
use stand_ins::chatwork::Chatwork;
use stand_ins::github::GitHub;
use stand_ins::pushgateway::Pushgateway;
use stand_ins::script::Script;
use stand_ins::server::{Rules, Server};
use stand_ins::slack::Slack;
use stand_ins::teams::Teams;
use stand_ins::webhook::Webhook;

use super::{COMMIT, SECRET};

/// A service as the table names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Chatwork,
    SlackWebhook,
    SlackBot,
    Teams,
    Webhook,
    GitHubStatus,
    GitHubComment,
    Pushgateway,
}

pub(crate) const SERVICES: [Service; 8] = [
    Service::Chatwork,
    Service::SlackWebhook,
    Service::SlackBot,
    Service::Teams,
    Service::Webhook,
    Service::GitHubStatus,
    Service::GitHubComment,
    Service::Pushgateway,
];

/// An authority that the services' certificates come from, and the file that makes a sender trust it.
pub(crate) struct Trust {
    pub(crate) authority: Authority,
    pub(crate) ca_file: tempfile::NamedTempFile,
}

impl Trust {
    pub(crate) fn new() -> Result<Self, Failed> {
        let (authority, ca_file) = (Authority::new()?, tempfile::NamedTempFile::new()?);
        authority.write(ca_file.path())?;
        Ok(Self { authority, ca_file })
    }
}

/// The stand-in of one service.
pub(crate) enum StandIn {
    Chatwork(Server<Chatwork>),
    Slack(Server<Slack>),
    Teams(Server<Teams>),
    Webhook(Server<Webhook>),
    GitHub(Server<GitHub>),
    Pushgateway(Server<Pushgateway>),
}

impl StandIn {
    pub(crate) fn start(service: Service, authority: &Authority) -> Result<Self, Failed> {
        let identity = authority.identity(&["127.0.0.1"])?;
        let own = SECRET.to_owned();
        Ok(match service {
            Service::Chatwork => Self::Chatwork(Server::tls(Chatwork::new(SECRET, "42"), identity)?),
            Service::SlackWebhook | Service::SlackBot => {
                Self::Slack(Server::tls(Slack::new(&format!("/services/{own}"), SECRET, "C42"), identity)?)
            }
            Service::Teams => Self::Teams(Server::tls(Teams::new(&format!("/workflows/{own}")), identity)?),
            Service::Webhook => Self::Webhook(Server::tls(Webhook::new(SECRET), identity)?),
            Service::GitHubStatus | Service::GitHubComment => {
                Self::GitHub(Server::tls(GitHub::new(SECRET, "acme/addons", COMMIT), identity)?)
            }
            // Inside the cluster, and so over plain HTTP.
            Service::Pushgateway => Self::Pushgateway(Server::plain(Pushgateway::default())?),
        })
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Chatwork(server) => server.url(),
            Self::Slack(server) => server.url(),
            Self::Teams(server) => server.url(),
            Self::Webhook(server) => server.url(),
            Self::GitHub(server) => server.url(),
            Self::Pushgateway(server) => server.url(),
        }
    }

    pub(crate) fn script(&self) -> &Script {
        match self {
            Self::Chatwork(server) => server.script(),
            Self::Slack(server) => server.script(),
            Self::Teams(server) => server.script(),
            Self::Webhook(server) => server.script(),
            Self::GitHub(server) => server.script(),
            Self::Pushgateway(server) => server.script(),
        }
    }

    pub(crate) fn requests(&self) -> usize {
        fn count<R: Rules>(server: &Server<R>) -> usize {
            server.requests().len()
        }
        match self {
            Self::Chatwork(server) => count(server),
            Self::Slack(server) => count(server),
            Self::Teams(server) => count(server),
            Self::Webhook(server) => count(server),
            Self::GitHub(server) => count(server),
            Self::Pushgateway(server) => count(server),
        }
    }

    /// What people see there, one text for each message.
    pub(crate) fn shown(&self) -> Vec<String> {
        fn texts<'v>(values: impl IntoIterator<Item = &'v Value>) -> Vec<String> {
            values.into_iter().map(ToString::to_string).collect()
        }
        let poisoned = "a stand-in has panicked";
        match self {
            Self::Chatwork(server) => server.rules().messages.lock().expect(poisoned).clone(),
            Self::Slack(server) => texts(server.rules().messages.lock().expect(poisoned).iter()),
            Self::Teams(server) => texts(server.rules().cards.lock().expect(poisoned).iter()),
            Self::Webhook(server) => texts(server.rules().bodies.lock().expect(poisoned).values()),
            Self::GitHub(server) => {
                let statuses = server.rules().statuses.lock().expect(poisoned);
                let comments = server.rules().comments.lock().expect(poisoned);
                texts(statuses.values().chain(comments.iter()))
            }
            Self::Pushgateway(server) => server.rules().groups.lock().expect(poisoned).values().cloned().collect(),
        }
    }
}
