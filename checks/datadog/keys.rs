//! Which of the two keys Datadog refuses, and why.

use super::client::{Api, Reply};
use crate::failure::{Certainty, Failure, Origin};

/// The permission that a query needs.
///
/// <https://docs.datadoghq.com/api/latest/metrics/query-timeseries-points/>
const PERMISSION: &str = "timeseries_query";
const KEYS_PAGE: &str = "https://docs.datadoghq.com/account_management/api-app-keys/";

/// Lengths of the classic keys: 32 hexadecimal digits for an API key, 40 for an application key.
const API_KEY: usize = 32;
const APP_KEY: usize = 40;

impl Api<'_> {
    /// The API key is refused.
    pub(super) fn api_key_refused(&self, reply: &Reply) -> Failure {
        let settings = self.settings;
        let cause = if self.keys_are_swapped() {
            "the two keys are swapped: DD_API_KEY has the form of an application key, DD_APP_KEY that of an API key"
                .to_owned()
        } else {
            format!(
                "Datadog does not know the API key (DD_API_KEY) at {}: it is mistyped or revoked, or belongs to another site",
                settings.place()
            )
        };
        Failure::inconclusive("")
            .saw(reply.words())
            .because(Certainty::Certain, Origin::Harness, cause)
            .next(format!("curl -H \"DD-API-KEY: $DD_API_KEY\" {}/api/v1/validate", settings.url))
            .next(
                "compare DD_SITE with the site that people log in to: https://docs.datadoghq.com/getting_started/site/",
            )
    }

    /// The query is refused, though the API key is accepted. Datadog's 403 does not say why, but a second question does.
    pub(super) async fn query_refused(&self, reply: &Reply) -> Failure {
        let failure = Failure::inconclusive("").saw(reply.words());
        let because = |text: String| failure.clone().because(Certainty::Certain, Origin::Harness, text);
        match self.validate_keys().await {
            Ok(keys) if keys.status == 200 => because(format!(
                "the application key (DD_APP_KEY) is valid but may not query metrics: it lacks the scope {PERMISSION}, or its owner the permission"
            ))
            .next(format!("add {PERMISSION} to the application key's scopes: {KEYS_PAGE}#scopes")),
            Ok(keys) if matches!(keys.status, 401 | 403) => because(
                "Datadog does not know the application key (DD_APP_KEY), though it accepts the API key: it is mistyped or revoked, or belongs to another organisation"
                    .to_owned(),
            )
            .next(format!("make an application key in the API key's organisation: {KEYS_PAGE}")),
            _ => because(format!(
                "Datadog accepts the API key (DD_API_KEY) but not the application key (DD_APP_KEY): it is unknown, or lacks {PERMISSION}"
            ))
            .next(format!("see the application key and its scopes: {KEYS_PAGE}")),
        }
    }

    fn keys_are_swapped(&self) -> bool {
        let has = |key: &http::HeaderValue, length: usize| {
            key.len() == length && key.as_bytes().iter().all(u8::is_ascii_hexdigit)
        };
        has(&self.settings.api_key, APP_KEY) && has(&self.settings.app_key, API_KEY)
    }
}
