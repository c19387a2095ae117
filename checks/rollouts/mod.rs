//! Proves that Argo Rollouts brings a new version out step by step, promotes it, and takes it back.

mod analysis;
mod installed;
mod manifests;
mod replies;
mod scene;
mod settings;
mod story;
mod traefik;
mod traffic;
mod view;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use self::settings::{NO_ROUTER, Options, TRAEFIK};
use self::story::Story;
use self::traffic::Router;
use crate::check::{About, Check, Grant, NotConfigured};
use crate::config::{Setting, Values};
use crate::context::Context;
use crate::failure::Failure;

/// The API group of Argo Rollouts.
const GROUP: &str = "argoproj.io";

/// The check.
pub struct Rollouts;

static ABOUT: About = About {
    name: "rollouts",
    aliases: &["rollout", "argo-rollouts"],
    summary: "Argo Rollouts brings a new version out step by step, promotes it, and takes it back.",
    proves: &[
        "a new template stops at its first weight, and its pods alone carry the canary's label",
        "a promotion goes on to the next weight and no further; a full promotion makes it stable and leaves no canary label",
        "an abort brings traffic and pods back to the stable template; that template again is Healthy without a pod replaced",
        "an analysis that passes lets an update go on; one that fails aborts it by itself",
        "with a traffic router: its weights are the steps' weights, and replies through it are shared accordingly",
    ],
};

static GRANTS: &[Grant] = &[
    Grant::namespaced(
        GROUP,
        "rollouts",
        &["get", "list", "watch", "create", "patch", "delete"],
        "the Rollouts of the run",
    ),
    Grant::namespaced(GROUP, "rollouts/status", &["patch"], "to promote and to abort them"),
    Grant::namespaced(GROUP, "analysistemplates", &["get", "create"], "what the analyses measure")
        .when("analysis", "true"),
    Grant::namespaced(GROUP, "analysistemplates", REMOVAL, "to remove them")
        .in_given_namespace()
        .unless("analysis", "false"),
    Grant::namespaced(GROUP, "analysisruns", &["list", "watch"], "to see how the analyses end")
        .when("analysis", "true"),
    Grant::namespaced("", "services", &["get", "create"], "the Services of canary and stable pods")
        .when("trafficRouter", TRAEFIK),
    Grant::namespaced("", "services", REMOVAL, "to remove them")
        .in_given_namespace()
        .unless("trafficRouter", NO_ROUTER),
    Grant::namespaced(traefik::GROUP, "traefikservices", &["get", "create"], "what carries the weights")
        .when("trafficRouter", TRAEFIK),
    Grant::namespaced(traefik::GROUP, "ingressroutes", &["get", "create"], "the route to the pods")
        .when("trafficRouter", TRAEFIK),
    Grant::namespaced(traefik::GROUP, "traefikservices", REMOVAL, "to remove it")
        .in_given_namespace()
        .unless("trafficRouter", NO_ROUTER),
    Grant::namespaced(traefik::GROUP, "ingressroutes", REMOVAL, "to remove it")
        .in_given_namespace()
        .unless("trafficRouter", NO_ROUTER),
    Grant::namespaced(
        "networking.k8s.io",
        "ingresses",
        &["get", "list", "watch", "create", "delete"],
        "to learn the router's address where routerUrl does not say it",
    )
    .when("trafficRouter", TRAEFIK),
];

/// What removing objects one by one takes, and waiting until they are gone.
const REMOVAL: &[&str] = &["list", "watch", "delete"];

impl Check for Rollouts {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn settings(&self) -> &'static [Setting] {
        settings::SETTINGS
    }

    fn grants(&self) -> &'static [Grant] {
        GRANTS
    }

    fn configured(&self, values: &Values) -> Result<(), NotConfigured> {
        settings::configured(values)
    }

    fn run<'a>(&'a self, cx: &'a Context) -> LocalBoxFuture<'a, Result<(), Failure>> {
        prove(cx).boxed_local()
    }
}

/// The stories share nothing but the namespace, so they run side by side. One that fails does not hide what the others find.
async fn prove(cx: &Context) -> Result<(), Failure> {
    let options = Options::of(&cx.values);
    cx.step("Argo Rollouts installed", async |step| installed::prove(cx, step, options.router.is_some()).await).await?;
    let by_replicas = Story::by_replicas(cx, &options);
    let (by_replicas, routed, analysed) =
        tokio::join!(by_replicas.tell().boxed_local(), routed(cx, &options), analysed(cx, &options));
    all([("by replicas", by_replicas), ("by traffic", routed), ("by analysis", analysed)])
}

/// The outcome of all stories: the worst, with what the others came to. A story that could not be told hides none that failed.
fn all<const N: usize>(stories: [(&'static str, Result<(), Failure>); N]) -> Result<(), Failure> {
    let mut failures: Vec<_> = stories.into_iter().filter_map(|(story, told)| Some((story, told.err()?))).collect();
    // A stable sort: among equals, the first story is the one that is told.
    failures.sort_by_key(|(_, failure)| std::cmp::Reverse(failure.verdict));
    let mut failures = failures.into_iter();
    let Some((_, first)) = failures.next() else { return Ok(()) };
    Err(failures.fold(first, |first, (story, other)| {
        first.detail(format!("the update {story} ended as well"), vec![other.summary()])
    }))
}

async fn routed(cx: &Context, options: &Options) -> Result<(), Failure> {
    let Some(router_options) = &options.router else { return Ok(()) };
    let router = cx.step("traffic: route", async |step| Router::prepare(cx, step, router_options).await).await?;
    Story::routed(cx, options, &router).tell().boxed_local().await
}

async fn analysed(cx: &Context, options: &Options) -> Result<(), Failure> {
    if options.analysis { analysis::prove(cx, options).boxed_local().await } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_story_is_the_checks_and_the_others_are_told() {
        let (unknown, failed) = (Failure::inconclusive("a").saw("blind"), Failure::failed("b").saw("v1 answered"));
        let told = all([("by replicas", Err(unknown)), ("by traffic", Err(failed)), ("by analysis", Ok(()))]);
        let told = told.unwrap_err();
        assert_eq!((told.verdict, told.expected.as_str()), (crate::verdict::Verdict::Failed, "b"));
        let details = format!("{:?}", told.details);
        assert!(details.contains("by replicas") && details.contains("blind"), "{details}");
        assert!(all([("by replicas", Ok(()))]).is_ok());
    }
}
