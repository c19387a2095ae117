//! A prefix in a bucket of S3.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::primitives::ByteStream;

use super::{S3Access, Shown};
use crate::aws::refusal::{Answer, answer_of};

/// How long one operation may take, its tries included.
const OPERATION: Duration = Duration::from_secs(45);
/// The most tries of one operation: overload and lost connections pass.
const TRIES: u32 = 4;
/// The largest object that is read, in bytes. Reports are some hundred kilobytes.
const LARGEST: i64 = 64 << 20;

/// The bucket.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    client: Client,
    name: String,
    /// Empty, or with a slash at its end.
    prefix: String,
}

impl Bucket {
    pub(super) async fn find(name: &str, prefix: &str, access: &S3Access) -> Result<Self, Answer> {
        let found = access.way.find().await.map_err(|error| Answer::Refused(error.to_string()))?;
        let own = access.way.endpoint.is_some();
        let mut config = aws_sdk_s3::config::Builder::from(&found)
            .force_path_style(access.path_style.unwrap_or(own))
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
            .timeout_config(
                found
                    .timeout_config()
                    .map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder)
                    .operation_timeout(OPERATION)
                    .build(),
            )
            // Servers other than AWS know neither the newer checksums nor the trailers that carry them.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = &access.way.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { client: Client::from_conf(config.build()), name: name.to_owned(), prefix })
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>
    pub(super) async fn put(&self, path: &str, content: &[u8], shown: Shown) -> Result<(), Answer> {
        let request = self.client.put_object().bucket(&self.name).key(self.key(path));
        let request = request.content_type(shown.content_type).body(ByteStream::from(content.to_vec()));
        let request = request.set_cache_control(shown.changes.then(|| "no-cache".to_owned()));
        request.send().await.map(drop).map_err(|error| answer_of(&error))
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
    pub(super) async fn get(&self, path: &str) -> Result<Vec<u8>, Answer> {
        let reply = self.client.get_object().bucket(&self.name).key(self.key(path)).send().await;
        let reply = reply.map_err(|error| answer_of(&error))?;
        if let Some(size) = reply.content_length().filter(|size| *size > LARGEST) {
            return Err(Answer::Refused(format!("{path} has {size} bytes, more than {LARGEST}")));
        }
        let read = reply.body.collect().await;
        let content = read.map_err(|error| Answer::Transient(format!("{path} breaks off: {error}")))?;
        Ok(content.into_bytes().to_vec())
    }

    /// The names of the objects directly below a folder.
    ///
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<String>, Answer> {
        let prefix = if folder.is_empty() { self.prefix.clone() } else { format!("{}/", self.key(folder)) };
        let request = self.client.list_objects_v2().bucket(&self.name).prefix(&prefix).delimiter("/");
        let mut pages = request.into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| answer_of(&error))?;
            let keys = page.contents().iter().filter_map(|object| object.key()?.strip_prefix(&prefix));
            names.extend(keys.filter(|name| !name.is_empty()).map(str::to_owned));
        }
        Ok(names)
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html>
    pub(super) async fn delete(&self, path: &str) -> Result<(), Answer> {
        match self.client.delete_object().bucket(&self.name).key(self.key(path)).send().await.map_err(|e| answer_of(&e))
        {
            Ok(_) | Err(Answer::NoObject(_)) => Ok(()),
            Err(answer) => Err(answer),
        }
    }
}
