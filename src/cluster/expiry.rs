//! Whose an object is, and until when: read from its labels and annotations alone.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{EXPIRES, MANAGED_BY, MANAGER, RUN_LABEL};

/// Whether this program made the object, in any run.
pub(super) fn is_managed(meta: &ObjectMeta) -> bool {
    let labels = meta.labels.as_ref();
    let label = |key: &str| labels.and_then(|l| l.get(key)).map(String::as_str);
    label(MANAGED_BY) == Some(MANAGER) && label(RUN_LABEL).is_some()
}

/// The run that made the object.
pub(super) fn run_of(meta: &ObjectMeta) -> Option<&str> {
    meta.labels.as_ref()?.get(RUN_LABEL).map(String::as_str)
}

/// Whether the object's run must be over by `now`. Without a readable expiry it is not: rather left than taken from a live run.
pub(super) fn is_expired(meta: &ObjectMeta, now: Timestamp) -> bool {
    let text = meta.annotations.as_ref().and_then(|a| a.get(EXPIRES));
    text.and_then(|t| t.parse::<Timestamp>().ok()).is_some_and(|expires| expires <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(labels: &[(&str, &str)], expires: Option<&str>) -> ObjectMeta {
        ObjectMeta {
            labels: Some(labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()),
            annotations: expires.map(|t| [(EXPIRES.to_owned(), t.to_owned())].into()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn a_helm_release_of_ours_is_not_an_object_of_a_run() {
        assert!(!is_managed(&meta(&[(MANAGED_BY, MANAGER)], None)));
        assert!(!is_managed(&meta(&[(RUN_LABEL, "abc")], None)));
        assert!(is_managed(&meta(&[(MANAGED_BY, MANAGER), (RUN_LABEL, "abc")], None)));
    }

    #[test]
    fn unreadable_expiry_is_never_expired() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert!(is_expired(&meta(&[], Some("2025-12-31T23:59:59Z")), now));
        for text in [None, Some("soon"), Some("2026-01-01T00:00:01Z")] {
            assert!(!is_expired(&meta(&[], text), now), "{text:?}");
        }
    }
}
