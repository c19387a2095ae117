//! An upgrade as users live it: blue of one version of Kubernetes, green of the next.

use libtest_mimic::{Failed, Trial};
use test_cluster::{Blocking, KubernetesVersion, Profile};

use super::sides::{Side, Sides};

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("versions::a_newer_kubernetes_passes_what_the_older_one_does", newer)]
}

fn newer() -> Result<(), Failed> {
    let [older, newer] = ["1.34", "1.36"].map(str::parse::<KubernetesVersion>);
    let (older, newer) = (older?, newer?);
    let of = |name, version| Side::of(Blocking::up_of(name, version, Profile::Full, &[])?);
    let sides = Sides { blue: of("blue-trials", older)?, green: of("newer-trials", newer)? };
    let compared = sides.compare(1)?;
    let changed = compared.comparison["changed"].as_array().into_iter().flatten().find(|it| it["what"] == "kubernetes");
    let versions = changed.map(|it| (it["a"].as_str(), it["b"].as_str()));
    if versions != Some((Some(older.name()), Some(newer.name()))) {
        return Err(format!("the versions are told as {versions:?}").into());
    }
    // `compare` has refused results that did not pass.
    for judgement in ["broken", "unknown"] {
        let found = compared.judged(judgement);
        if !found.is_empty() {
            return Err(format!("{judgement}: {found:?}").into());
        }
    }
    eprintln!("slower: {:?}, faster: {:?}", compared.judged("slower"), compared.judged("faster"));
    Ok(())
}
