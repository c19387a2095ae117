//! Which clusters a command is for.

use super::{Given, Target, Way, address, declared};
use crate::cluster::Access;
use crate::config::{ConfigError, Overlay, Sources};

/// The targets that `--target` names; without it all of the configuration where `every` says so, else the cluster that `access` leads to.
/// A kubeconfig's context on the command line is a choice, too, and wins over the configuration's list.
pub fn choose(
    sources: &Sources,
    given: &[String],
    access: &Access,
    every: bool,
) -> Result<Vec<Target<Given>>, ConfigError> {
    let declared = declared::read(sources.file.targets(), access)?;
    if given.is_empty() {
        let all = every && access.context.is_none() && !declared.is_empty();
        let lone = || vec![Target { overlay: None, way: Given::Way(Way::Kubeconfig(access.clone())) }];
        return Ok(if all { declared } else { lone() });
    }
    let mut targets: Vec<Target<Given>> = Vec::new();
    for text in given {
        let target = match declared.iter().find(|target| target.name() == Some(text)) {
            Some(target) => target.clone(),
            None => by_address(text, access, &declared)?,
        };
        if targets.iter().any(|other| other.name() == target.name()) {
            return Err(ConfigError::one("--target", Some(text.clone()), "given once"));
        }
        targets.push(target);
    }
    let needs_context = |target: &Target<Given>| matches!(target.way, Given::ArgoCd { .. });
    if let Some(context) = access.context.clone().filter(|_| !targets.iter().any(needs_context)) {
        let expected = "left out: every --target says itself how it is reached";
        return Err(ConfigError::one("--context", Some(context), expected));
    }
    Ok(targets)
}

fn by_address(text: &str, access: &Access, declared: &[Target<Given>]) -> Result<Target<Given>, ConfigError> {
    if let Some((name, way)) = address::parse(text, access)? {
        return Ok(Target { overlay: Some(Overlay::parse(&name, "--target", None, None)?), way });
    }
    let known = declared.iter().filter_map(Target::name).collect::<Vec<_>>().join(", ");
    let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {known}") };
    Err(ConfigError::one("--target", Some(text.to_owned()), format!("{} ({known})", address::FORMS)))
}
