//! The image: what the Dockerfile describes and what `cargo cluster image` packs are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use test_cluster::image;

/// What an image is, as far as both ways to make it say.
#[derive(Debug, PartialEq, Eq)]
struct Described {
    user: String,
    folder: String,
    entrypoint: Vec<String>,
    labels: BTreeMap<String, String>,
    /// Paths and permissions of the files.
    files: BTreeSet<(String, u32)>,
}

/// What the last stage of the Dockerfile says.
fn dockerfile() -> Described {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile")).unwrap();
    let (_, last) = text.split_once("\nFROM scratch\n").expect("the last stage is FROM scratch");
    let said = |word: &str| last.lines().filter_map(|l| l.strip_prefix(word)).map(str::trim).collect::<Vec<_>>();
    let labels = said("LABEL ").into_iter().filter_map(|label| label.split_once('='));
    // The revision is told to the build, not by the sources.
    let labels = labels.filter(|(_, value)| !value.contains('$'));
    let file = |copied: &str| {
        let mode = copied.split_once("--chmod=").unwrap().1.split(' ').next().unwrap();
        (copied.rsplit(' ').next().unwrap().to_owned(), u32::from_str_radix(mode, 8).unwrap())
    };
    Described {
        user: said("USER ")[0].to_owned(),
        folder: said("WORKDIR ")[0].to_owned(),
        entrypoint: serde_json::from_str(said("ENTRYPOINT ")[0]).unwrap(),
        labels: labels.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())).collect(),
        files: said("COPY ").into_iter().map(file).collect(),
    }
}

/// What an OCI archive holds: <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>.
fn archive(path: &Path) -> Described {
    let mut blobs = BTreeMap::new();
    for entry in tar::Archive::new(std::fs::File::open(path).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        blobs.insert(entry.path().unwrap().to_string_lossy().into_owned(), content);
    }
    let read = |name: &str| -> Value { serde_json::from_slice(&blobs[name]).unwrap() };
    let blob = |digest: &Value| format!("blobs/{}", digest.as_str().unwrap().replace(':', "/"));
    let manifest = read(&blob(&read("index.json")["manifests"][0]["digest"]));
    let config = read(&blob(&manifest["config"]["digest"]))["config"].clone();
    let mut files = BTreeSet::new();
    for layer in manifest["layers"].as_array().unwrap() {
        for entry in tar::Archive::new(blobs[&blob(&layer["digest"])].as_slice()).entries().unwrap() {
            let entry = entry.unwrap();
            if entry.header().entry_type().is_file() {
                let path = format!("/{}", entry.path().unwrap().display());
                files.insert((path, entry.header().mode().unwrap()));
            }
        }
    }
    Described {
        user: config["User"].as_str().unwrap().to_owned(),
        folder: config["WorkingDir"].as_str().unwrap().to_owned(),
        entrypoint: serde_json::from_value(config["Entrypoint"].clone()).unwrap(),
        labels: serde_json::from_value(config["Labels"].clone()).unwrap(),
        files,
    }
}

#[test]
fn the_dockerfile_and_the_archive_describe_the_same_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    let packed = image::of_harness(Path::new(env!("CARGO_BIN_EXE_kibertas-rs"))).unwrap();
    packed.write("example.test/kibertas-rs:1", &path).unwrap();
    let described = archive(&path);
    assert_eq!(described, dockerfile());
    // What both have to be.
    assert_eq!(described.labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
    let user = described.user.split(':').next().unwrap();
    assert!(
        user.parse::<u32>().is_ok_and(|user| user != 0),
        "kubelet proves only a number to be nobody special: {user}"
    );
}

#[test]
fn the_dockerfile_builds_with_the_compiler_that_the_sources_are_tested_with() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let toolchain = std::fs::read_to_string(root.join("rust-toolchain.toml")).unwrap();
    let channel = toolchain.split("channel = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let text = std::fs::read_to_string(root.join("Dockerfile")).unwrap();
    assert!(text.contains(&format!(" rust:{channel}-slim-")), "the Dockerfile is not FROM rust:{channel}");
}

#[test]
fn the_same_program_is_the_same_image() {
    let pack = || image::of_harness(Path::new(env!("CARGO_BIN_EXE_kibertas-rs"))).unwrap();
    assert_eq!(pack().digest(), pack().digest());
}

#[test]
fn the_program_needs_nothing_that_the_image_has_not() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_kibertas-rs")).unwrap();
    // A dynamic executable names its loader, /lib64/ld-linux-x86-64.so.2 and the like, in a segment PT_INTERP (3).
    let (table, size, count) = (word(&program, 0x20, 8), word(&program, 0x36, 2), word(&program, 0x38, 2));
    let types: Vec<u64> = (0..count).map(|index| word(&program, table + index * size, 4)).collect();
    assert!(types.contains(&1), "no segment to load: {types:?}");
    assert!(!types.contains(&3), "it is linked dynamically");
}

/// A little-endian number of an ELF file.
fn word(file: &[u8], at: u64, bytes: usize) -> u64 {
    let at = usize::try_from(at).unwrap();
    file[at..at + bytes].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
