//! What an answer of S3 means for the check.

use super::bucket::Bucket;
pub(super) use crate::aws::refusal::Answer;
use crate::failure::{Certainty, Failure, Origin};

/// The failure that an answer is. A bucket that is not there is where the logs cannot be; everything else keeps us from looking.
pub(super) fn failure_of(answer: &Answer, expected: &str) -> Failure {
    match answer {
        Answer::NoBucket(text) => Failure::failed(expected).saw(text.as_str()),
        other => Failure::inconclusive(expected).saw(other.text()),
    }
}

/// Why the bucket could not be looked at to the end, said of a failure.
pub(super) fn unreachable(failure: Failure, bucket: &Bucket) -> Failure {
    failure
        .because(
            Certainty::Likely,
            Origin::Outside,
            format!("the S3 server of s3://{} cannot be reached from here, or cannot answer", bucket.name),
        )
        .next(
            "see AWS_ENDPOINT_URL_S3, AWS_REGION, and the way out of this network (VPC endpoint, proxy, egress policy)",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_bucket_is_the_clusters_fault() {
        use crate::verdict::Verdict;
        assert_eq!(failure_of(&Answer::NoBucket("NoSuchBucket".into()), "x").verdict, Verdict::Failed);
        let others: [fn(String) -> Answer; 3] = [Answer::Denied, Answer::WrongRegion, Answer::Transient];
        for other in others {
            assert_eq!(failure_of(&other("x".into()), "x").verdict, Verdict::Inconclusive);
        }
    }
}
