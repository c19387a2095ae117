//! Container images without a container engine: one static binary FROM scratch, as an OCI archive.
//!
//! The same content gives the same archive, byte for byte, and so the same digest (the format:
//! <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{Error, Result, state};

/// Where the certificates of public authorities lie, on Debian and in the image.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Nobody in particular: pods have to run as a number that is not 0.
const USER: u32 = 65532;

/// A file of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it lies in the image, absolute.
    pub path: String,
    /// Its permissions, such as `0o755`.
    pub mode: u32,
    /// What is in it.
    pub content: Vec<u8>,
}

/// How an image is to be run, and what it says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The program that it runs, with its first arguments.
    pub entrypoint: Vec<String>,
    /// The user and group by number.
    pub user: u32,
    /// What it says of itself: <https://github.com/opencontainers/image-spec/blob/main/annotations.md>.
    pub labels: BTreeMap<String, String>,
}

/// An image, packed but for its name.
#[derive(Clone, Debug)]
pub struct Image {
    blobs: Vec<(String, Vec<u8>)>,
    manifest: serde_json::Value,
    digest: String,
}

/// Packs an image and writes its archive: what `Image::new` and `Image::write` do.
pub fn pack(reference: &str, files: &[File], settings: &Settings, out: &Path) -> Result<Image> {
    let image = Image::new(files, settings)?;
    image.write(reference, out)?;
    Ok(image)
}

/// The harness's image: the binary as `/kibertas-rs`, and the machine's certificates of public authorities. What the Dockerfile
/// builds is the same; tests/image.rs compares.
pub fn of_harness(binary: &Path) -> Result<Image> {
    let content = |path: &Path| std::fs::read(path).map_err(Error::file("read", path));
    let mut files = vec![File { path: "/kibertas-rs".to_owned(), mode: 0o755, content: content(binary)? }];
    if Path::new(CERTIFICATES).exists() {
        files.push(File { path: CERTIFICATES.to_owned(), mode: 0o644, content: content(Path::new(CERTIFICATES))? });
    }
    let labels = [
        ("title", "kibertas-rs"),
        ("description", "Proves, end to end, that a Kubernetes cluster's add-ons really work"),
        ("licenses", "Apache-2.0"),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    let labels = labels.map(|(key, value)| (format!("org.opencontainers.image.{key}"), value.to_owned()));
    Image::new(&files, &Settings { entrypoint: vec!["/kibertas-rs".to_owned()], user: USER, labels: labels.into() })
}

/// The image of pod sandboxes.
pub(crate) fn of_pause() -> Result<Image> {
    let content = include_bytes!(concat!(env!("OUT_DIR"), "/pause")).to_vec();
    let settings = Settings { entrypoint: vec!["/pause".to_owned()], user: USER, labels: BTreeMap::new() };
    Image::new(&[File { path: "/pause".to_owned(), mode: 0o755, content }], &settings)
}

impl Image {
    /// Packs the files, with the folders that they lie in.
    pub fn new(files: &[File], settings: &Settings) -> Result<Self> {
        let Settings { entrypoint, user, labels } = settings;
        let layer = layer(files).map_err(Error::file("pack", "the layer"))?;
        let config = json!({
            "architecture": match std::env::consts::ARCH { "x86_64" => "amd64", "aarch64" => "arm64", other => other },
            "os": "linux",
            "config": {"Entrypoint": entrypoint, "User": format!("{user}:{user}"), "WorkingDir": "/", "Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
            "history": [{"created_by": "kibertas-rs test-cluster"}],
        })
        .to_string()
        .into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
        })
        .to_string()
        .into_bytes();
        Ok(Self {
            digest: digest(&manifest),
            manifest: descriptor("application/vnd.oci.image.manifest.v1+json", &manifest),
            blobs: [layer, config, manifest].into_iter().map(|blob| (digest(&blob), blob)).collect(),
        })
    }

    /// The digest of its manifest: `sha256:…`.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// A name under which it was never there with another content.
    pub fn reference(&self, repository: &str, tag_prefix: &str) -> String {
        let short: String = self.digest.trim_start_matches("sha256:").chars().take(12).collect();
        format!("{repository}:{tag_prefix}{short}")
    }

    /// Writes it as an OCI archive under this name.
    pub fn write(&self, reference: &str, out: &Path) -> Result<()> {
        let mut manifest = self.manifest.clone();
        manifest["annotations"] =
            json!({"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference});
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [manifest],
        });
        let mut files = vec![
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            ("index.json".to_owned(), index.to_string().into_bytes()),
        ];
        for (digest, blob) in &self.blobs {
            files.push((format!("blobs/{}", digest.replace(':', "/")), blob.clone()));
        }
        let files: Vec<_> = files.into_iter().map(|(path, content)| File { path, mode: 0o644, content }).collect();
        let archive = layer(&files).map_err(Error::file("pack", out))?;
        state::write_text(out, archive)
    }
}

/// A tar of the files and their folders, without times and owners.
fn layer(files: &[File]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut folders = BTreeSet::new();
    for file in files {
        let path = PathBuf::from(file.path.trim_start_matches('/'));
        folders.extend(path.ancestors().skip(1).filter(|folder| folder.parent().is_some()).map(Path::to_owned));
    }
    for folder in folders {
        let mut header = header(tar::EntryType::Directory, 0o755, 0);
        archive.append_data(&mut header, folder, std::io::empty())?;
    }
    for file in files {
        let mut header = header(tar::EntryType::Regular, file.mode, file.content.len());
        archive.append_data(&mut header, file.path.trim_start_matches('/'), file.content.as_slice())?;
    }
    archive.into_inner()
}

fn header(kind: tar::EntryType, mode: u32, size: usize) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn digest(blob: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(blob))
}

fn descriptor(media_type: &str, blob: &[u8]) -> serde_json::Value {
    json!({"mediaType": media_type, "digest": digest(blob), "size": blob.len()})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(content: &str) -> Vec<File> {
        vec![File { path: "/etc/ssl/x".to_owned(), mode: 0o644, content: content.as_bytes().to_vec() }]
    }

    #[test]
    fn the_same_content_is_the_same_archive() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one.tar"), folder.path().join("two.tar"));
        let image = pack("example.test/x:1", &files("a"), &Settings::default(), &one).unwrap();
        pack("example.test/x:1", &files("a"), &Settings::default(), &two).unwrap();
        assert_eq!(std::fs::read(one).unwrap(), std::fs::read(two).unwrap());
        let other = Image::new(&files("b"), &Settings::default()).unwrap();
        assert_ne!(image.digest(), other.digest());
        assert_ne!(image.reference("r", "dev-"), other.reference("r", "dev-"));
        assert_eq!(image.reference("r", "dev-").len(), "r:dev-".len() + 12);
    }

    #[test]
    fn every_blob_has_the_name_of_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("x.tar");
        pack("example.test/x:1", &files("a"), &Settings::default(), &out).unwrap();
        let mut archive = tar::Archive::new(std::fs::File::open(out).unwrap());
        let mut blobs = 0;
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().into_owned();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            if let Ok(name) = path.strip_prefix("blobs/sha256")
                && !content.is_empty()
            {
                assert_eq!(digest(&content), format!("sha256:{}", name.display()));
                blobs += 1;
            }
        }
        assert_eq!(blobs, 3);
    }

    #[test]
    fn a_layer_holds_the_folders_of_its_files() {
        let layer = layer(&files("a")).unwrap();
        let mut archive = tar::Archive::new(layer.as_slice());
        let paths: Vec<_> = archive.entries().unwrap().map(|it| it.unwrap().path().unwrap().into_owned()).collect();
        assert_eq!(paths, ["etc", "etc/ssl", "etc/ssl/x"].map(PathBuf::from));
    }

    #[test]
    fn the_sandbox_holds_a_program() {
        let image = of_pause().unwrap();
        assert!(image.blobs[0].1.len() > 10_000, "the layer has {} bytes", image.blobs[0].1.len());
    }
}
