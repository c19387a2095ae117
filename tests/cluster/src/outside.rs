//! The outside services that cannot be had here, for a run on a test cluster: stand-ins that keep their documented rules.

use stand_ins::datadog::{Agent, Datadog};
use stand_ins::server::Server;

use crate::{Error, Result};

const API_KEY: &str = "key-of-the-stand-in";
const APPLICATION_KEY: &str = "application-key-of-the-stand-in";

/// Servers on the loopback interface; they end when this is dropped.
pub struct OutsideServices {
    datadog: Server<Datadog>,
}

impl OutsideServices {
    /// Starts them. Datadog receives the metrics of an agent in the cluster of this name.
    pub fn of_cluster(name: &str) -> Result<Self> {
        let datadog =
            Datadog::new().api_key(API_KEY).application_key(APPLICATION_KEY).receives(Agent::of_cluster(name));
        let datadog = Server::plain(datadog)
            .map_err(|source| Error::Start { program: "the stand-in of Datadog".to_owned(), source })?;
        Ok(Self { datadog })
    }

    /// The environment in which kibertas-rs finds them.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DD_API_KEY", API_KEY.to_owned()),
            ("DD_APP_KEY", APPLICATION_KEY.to_owned()),
            ("KIBERTAS_DATADOG_URL", self.datadog.url()),
        ]
    }
}
