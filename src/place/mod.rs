//! Where the program keeps what outlasts a run: a folder, or a prefix in a bucket of S3.
//!
//! Paths in a place have `/` between folders and lead nowhere else; [`folder_of`] makes a folder's name of any text.

mod directory;
mod s3;

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use self::s3::Bucket;
use crate::aws::Way;
use crate::aws::refusal::Answer;
use crate::config::Core;

/// A place by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder of the local file system, such as a mounted volume.
    Directory(PathBuf),
    /// The keys of a bucket that begin with a prefix.
    S3 {
        /// The bucket.
        bucket: String,
        /// The prefix, without a slash at its ends; empty: the whole bucket.
        prefix: String,
    },
}

/// Why something of a place cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct PlaceError {
    /// Where.
    pub place: String,
    /// Why not.
    pub reason: String,
    /// Whether the place may be there again later, without anybody changing anything here.
    pub passing: bool,
}

/// How a bucket is reached, from the harness's settings.
#[derive(Debug, Clone, Default)]
pub struct S3Access {
    /// Region, endpoint and credentials.
    pub way: Way,
    /// Whether the bucket stands in the path of URLs; `None`: where the endpoint is one's own.
    pub path_style: Option<bool>,
}

impl S3Access {
    /// What the harness's settings say.
    pub fn of(core: &Core) -> Self {
        let way = Way { region: core.s3_region.clone(), endpoint: core.s3_endpoint.clone(), ..Way::default() };
        Self { way, path_style: core.s3_path_style }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl Place {
    /// Reads a folder's path, or `s3://BUCKET/PREFIX`. The error completes "should be …".
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            None if text.is_empty() => Err("a folder, or s3://BUCKET/PREFIX".to_owned()),
            None => Ok(Self::Directory(PathBuf::from(text))),
            Some(("s3", rest)) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if !is_bucket(bucket) {
                    return Err(format!(
                        "s3://BUCKET/PREFIX, with a bucket's name of 3 to 63 lower-case letters, digits, '-' and '.', unlike {bucket:?}"
                    ));
                }
                let prefix = prefix.trim_matches('/');
                let steps = prefix.split('/').filter(|_| !prefix.is_empty());
                if steps.clone().any(|step| matches!(step, "" | "." | "..")) {
                    return Err("s3://BUCKET/PREFIX, without empty parts, '.' and '..' in the prefix".to_owned());
                }
                if prefix.contains(['?', '#']) || prefix.chars().any(char::is_control) {
                    return Err("s3://BUCKET/PREFIX, without '?', '#' and control characters in the prefix".to_owned());
                }
                Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
            }
            Some((scheme, _)) => Err(format!("a folder, or s3://BUCKET/PREFIX: {scheme}:// is neither")),
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>; an access point's alias keeps them as well.
fn is_bucket(name: &str) -> bool {
    let usual = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let at_ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.chars().all(usual)
        && name.starts_with(at_ends)
        && name.ends_with(at_ends)
        && !name.contains("..")
}

/// A place that is ready to be read and written.
#[derive(Debug, Clone)]
pub struct Store {
    place: Place,
    by: By,
}

#[derive(Debug, Clone)]
enum By {
    Directory(PathBuf),
    S3(Bucket),
}

/// What is written besides the content; a folder knows none of it.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// The media type, so that browsers show it.
    pub content_type: &'static str,
    /// Whether it changes under the same path.
    pub changes: bool,
}

impl Store {
    /// Finds the way to the place; nothing is asked of it yet.
    pub async fn open(place: Place, access: &S3Access) -> Result<Self, PlaceError> {
        let by = match &place {
            Place::Directory(path) => By::Directory(path.clone()),
            Place::S3 { bucket, prefix } => By::S3(
                Bucket::find(bucket, prefix, access).await.map_err(|answer| refused(&place, "GetObject", &answer))?,
            ),
        };
        Ok(Self { place, by })
    }

    /// The place.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Proves that the place can be read and written: a folder by a file that is removed again, a bucket by the small object
    /// `.kibertas-rs` that stays, so that nothing needs to be deleted.
    pub async fn prove(&self) -> Result<(), PlaceError> {
        match &self.by {
            By::Directory(root) => directory::prove(root).map_err(|error| self.broken(&error)),
            By::S3(_) => {
                let shown = Shown { content_type: "text/plain; charset=utf-8", changes: true };
                self.read(MARK).await?;
                self.write(MARK, MARK_TEXT.as_bytes(), shown).await
            }
        }
    }

    /// Writes a file, whole or not at all.
    pub async fn write(&self, path: &str, content: &[u8], shown: Shown) -> Result<(), PlaceError> {
        match &self.by {
            By::Directory(root) => directory::write(root, path, content).map_err(|error| self.broken(&error)),
            By::S3(bucket) => {
                bucket.put(path, content, shown).await.map_err(|answer| refused(&self.place, "PutObject", &answer))
            }
        }
    }

    /// Reads a file; `None` where there is none.
    pub async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, PlaceError> {
        match &self.by {
            By::Directory(root) => directory::read(root, path).map_err(|error| self.broken(&error)),
            By::S3(bucket) => match bucket.get(path).await {
                Err(Answer::NoObject(_)) => Ok(None),
                read => read.map(Some).map_err(|answer| refused(&self.place, "GetObject", &answer)),
            },
        }
    }

    /// The names of the files directly in a folder, in their order; empty where there is no such folder. Hidden ones are left out.
    pub async fn list(&self, folder: &str) -> Result<Vec<String>, PlaceError> {
        let mut names = match &self.by {
            By::Directory(root) => directory::list(root, folder).map_err(|error| self.broken(&error))?,
            By::S3(bucket) => {
                bucket.list(folder).await.map_err(|answer| refused(&self.place, "ListBucket", &answer))?
            }
        };
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        Ok(names)
    }

    /// Removes a file; one that is not there is fine.
    pub async fn delete(&self, path: &str) -> Result<(), PlaceError> {
        match &self.by {
            By::Directory(root) => directory::delete(root, path).map_err(|error| self.broken(&error)),
            By::S3(bucket) => bucket.delete(path).await.map_err(|answer| refused(&self.place, "DeleteObject", &answer)),
        }
    }

    fn broken(&self, error: &std::io::Error) -> PlaceError {
        PlaceError { place: self.place.to_string(), reason: error.to_string(), passing: false }
    }
}

/// What proves that a bucket is written to.
const MARK: &str = ".kibertas-rs";
const MARK_TEXT: &str = "kibertas-rs keeps reports here, and writes this before each run to prove that it may.\n";

fn refused(place: &Place, action: &str, answer: &Answer) -> PlaceError {
    let text = answer.text();
    // Without s3:ListBucket a key that is not there is forbidden, and not missing:
    // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html#API_GetObject_Permissions>
    let reason = match (answer, action) {
        (Answer::Denied(_), "GetObject") => {
            format!("{text}: the credentials lack s3:GetObject there, or s3:ListBucket")
        }
        (Answer::Denied(_), action) => format!("{text}: the credentials lack s3:{action} there"),
        (Answer::Credentials(_), _) => {
            format!("{text}: see AWS_ACCESS_KEY_ID, AWS_PROFILE, or the role of the ServiceAccount")
        }
        (Answer::WrongRegion(_), _) => format!("{text}: see s3Region (KIBERTAS_S3_REGION, AWS_REGION)"),
        _ => text.to_owned(),
    };
    PlaceError { place: place.to_string(), reason, passing: matches!(answer, Answer::Transient(_)) }
}

/// A name as a folder's, which neither a path nor a URL takes for anything else. One that would not do as it is, such as an ARN, gets
/// a few digits of its hash, so that no two share one.
pub fn folder_of(name: &str) -> String {
    let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let plain = !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.chars().all(usual);
    if plain {
        return name.to_owned();
    }
    let safe: String = name.chars().take(60).map(|c| if usual(c) { c } else { '_' }).collect();
    let hash: String = Sha256::digest(name.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{hash}", safe.trim_start_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(bucket: &str, prefix: &str) -> Place {
        Place::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() }
    }

    #[test]
    fn places_are_read_as_they_are_shown() {
        assert_eq!(Place::parse("s3://reports"), Ok(s3("reports", "")));
        assert_eq!(Place::parse("s3://reports/"), Ok(s3("reports", "")));
        assert_eq!(Place::parse("s3://reports/a/b/"), Ok(s3("reports", "a/b")));
        assert_eq!(Place::parse("/srv/reports"), Ok(Place::Directory("/srv/reports".into())));
        for text in ["s3://reports", "s3://reports/a/b", "/srv/reports", "relative"] {
            assert_eq!(Place::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_place_is_told() {
        for wrong in ["s3://", "s3:///x", "s3://Reports", "s3://ab", "s3://a..b", "s3://-abc", "s3://arn:aws:s3:x"] {
            assert!(Place::parse(wrong).unwrap_err().contains("a bucket's name"), "{wrong}");
        }
        for wrong in ["s3://reports/a//b", "s3://reports/../x", "s3://reports/a/./b"] {
            assert!(Place::parse(wrong).unwrap_err().contains("empty parts"), "{wrong}");
        }
        assert!(Place::parse("s3://reports/a?versionId=1").unwrap_err().contains("'?'"));
        assert_eq!(Place::parse("ftp://x").unwrap_err(), "a folder, or s3://BUCKET/PREFIX: ftp:// is neither");
        assert!(Place::parse("").is_err());
    }

    #[test]
    fn refusals_name_what_is_missing_and_what_passes() {
        let place = s3("reports", "x");
        let denied = Answer::Denied("AccessDenied: Access Denied (status 403)".to_owned());
        let error = refused(&place, "PutObject", &denied);
        assert_eq!(
            error.to_string(),
            "s3://reports/x: AccessDenied: Access Denied (status 403): the credentials lack s3:PutObject there"
        );
        assert!(!error.passing);
        assert!(refused(&place, "GetObject", &denied).reason.ends_with("s3:GetObject there, or s3:ListBucket"));
        assert!(refused(&place, "GetObject", &Answer::Transient("SlowDown".to_owned())).passing);
    }

    #[test]
    fn no_name_leads_out_of_the_folder_and_no_two_share_one() {
        assert_eq!(folder_of("blue-1.eu_x"), "blue-1.eu_x");
        let arn = "arn:aws:eks:eu-west-1:123456789012:cluster/blue";
        assert!(folder_of(arn).starts_with("arn_aws_eks_eu-west-1_123456789012_cluster_blue-"), "{}", folder_of(arn));
        assert_ne!(folder_of("a/b"), folder_of("a:b"));
        for evil in ["..", "../../etc", "", ".hidden", "a/../b", &"x".repeat(500)] {
            let folder = folder_of(evil);
            let inside = !folder.contains('/') && !folder.starts_with('.') && !folder.is_empty() && folder.len() < 101;
            assert!(inside, "{folder}");
        }
    }
}
