//! The bucket: pages of keys, and objects as streams. Nothing here writes or deletes.

use std::sync::{Arc, Mutex, PoisonError};

use aws_config::retry::RetryConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, ResponseChecksumValidation, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tokio::io::AsyncBufRead;
use tokio_util::io::StreamReader;

use super::content::TRANSFER;
use super::refusal::Answer;
use super::settings::Settings;
use crate::aws::Way;
use crate::aws::refusal::answer_of;

/// The bucket, and how much was asked of it.
pub(super) struct Bucket {
    client: Client,
    pub(super) name: String,
    clock: Clock,
    requests: std::cell::Cell<u64>,
}

/// A key that was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) key: String,
    /// When it was written, by the server's clock, in whole seconds.
    pub(super) modified: Timestamp,
    /// In bytes.
    pub(super) size: u64,
    /// Changes with the content.
    pub(super) etag: String,
}

/// One page of keys, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) found: Vec<Found>,
    /// Folders, where they were asked for.
    pub(super) folders: Vec<String>,
    /// Whether there are keys after these.
    pub(super) more: bool,
}

/// The time of day that the server's last reply told.
#[derive(Debug, Clone, Default)]
struct Clock(Arc<Mutex<Option<Timestamp>>>);

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "server clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // `Date: Sat, 21 Nov 2026 15:00:00 GMT`: <https://www.rfc-editor.org/rfc/rfc9110#name-date-time-formats>
        let told = context.response().headers().get("date").and_then(|date| rfc2822::parse(date).ok());
        if let Some(told) = told {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(told.timestamp());
        }
        Ok(())
    }
}

impl Bucket {
    /// Finds region and credentials; nothing is asked of the server yet.
    pub(super) async fn connect(settings: &Settings) -> Result<Self, Answer> {
        let way = Way {
            region: settings.region.clone(),
            endpoint: settings.endpoint.clone(),
            keys: settings.keys.clone(),
            profile: None,
        };
        let found = way.find().await.map_err(|error| Answer::Refused(error.to_string()))?;
        let clock = Clock::default();
        let mut config = aws_sdk_s3::config::Builder::from(&found)
            .force_path_style(settings.path_style)
            // Every step asks again by itself, and tells what it sees meanwhile.
            .retry_config(RetryConfig::disabled())
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .interceptor(clock.clone());
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let client = Client::from_conf(config.build());
        Ok(Self { client, name: settings.bucket.clone(), clock, requests: 0.into() })
    }

    /// The time of day by the server's clock, as of its last reply.
    pub(super) fn server_time(&self) -> Option<Timestamp> {
        *self.clock.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// At most `most` keys (1000 are the server's limit) that begin with `prefix` and come after `after`.
    ///
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
    pub(super) async fn page(&self, prefix: &str, after: Option<&str>, most: i32) -> Result<Page, Answer> {
        self.list(prefix, after, most, None).await
    }

    /// At most `most` folders and keys directly below `prefix`.
    pub(super) async fn folders(&self, prefix: &str, most: i32) -> Result<Page, Answer> {
        self.list(prefix, None, most, Some("/")).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, most: i32, by: Option<&str>) -> Result<Page, Answer> {
        self.requests.set(self.requests.get() + 1);
        let request = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).max_keys(most);
        let request = request.set_start_after(after.map(str::to_owned)).set_delimiter(by.map(str::to_owned));
        let reply = request.send().await.map_err(|error| answer_of(&error))?;
        let found = reply.contents().iter().filter_map(|object| {
            Some(Found {
                key: object.key()?.to_owned(),
                modified: Timestamp::from_second(object.last_modified()?.secs()).ok()?,
                size: u64::try_from(object.size().unwrap_or_default()).unwrap_or_default(),
                etag: object.e_tag().unwrap_or_default().to_owned(),
            })
        });
        let folders = reply.common_prefixes().iter().filter_map(|folder| folder.prefix().map(str::to_owned));
        Ok(Page { found: found.collect(), folders: folders.collect(), more: reply.is_truncated().unwrap_or_default() })
    }

    /// An object's content as it comes; never all of it is held.
    pub(super) async fn open(&self, key: &str) -> Result<impl AsyncBufRead + Unpin + use<>, Answer> {
        self.requests.set(self.requests.get() + 1);
        let reply = self.client.get_object().bucket(&self.name).key(key).send().await;
        let body = reply.map_err(|error| answer_of(&error))?.body;
        let pieces = futures::stream::try_unfold(body, async |mut body| {
            let piece = body.try_next().await.map_err(|error| std::io::Error::new(TRANSFER, error))?;
            Ok::<_, std::io::Error>(piece.map(|piece| (piece, body)))
        });
        Ok(StreamReader::new(Box::pin(pieces)))
    }
}
