//! A failure's advice, once the run has removed the objects that it is about.

use crate::failure::Failure;

/// Rewrites commands about objects of this run, which are gone by now: how to have them again, and then which command.
///
/// `run`: the run's id, which the names of all its objects and namespaces carry. Commands about what is still there come first.
pub(super) fn after_removal(failure: &mut Failure, check: &str, run: &str) {
    let (gone, mut kept): (Vec<String>, Vec<String>) =
        std::mem::take(&mut failure.next).into_iter().partition(|command| command.contains(run));
    if let Some(first) = gone.first() {
        let command = first.replace(run, "RUN");
        kept.push(format!("kibertas-rs test {check} --keep, then: {command}   # RUN: the id of that run; what this one made is removed"));
    }
    failure.next = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_about_removed_objects_name_a_run_that_keeps_them() {
        let mut failure = Failure::failed("x")
            .next("kubectl -n kibertas-ingress-blue-abc describe ingress web-abc")
            .next("kubectl -n kibertas-ingress-blue-abc get events")
            .next("kubectl get ingressclasses");
        after_removal(&mut failure, "ingress", "abc");
        assert_eq!(
            failure.next,
            [
                "kubectl get ingressclasses",
                "kibertas-rs test ingress --keep, then: kubectl -n kibertas-ingress-blue-RUN describe ingress web-RUN   \
                 # RUN: the id of that run; what this one made is removed",
            ]
        );
    }

    #[test]
    fn advice_without_such_commands_stays() {
        let mut failure = Failure::failed("x").next("kubectl get nodes");
        after_removal(&mut failure, "ingress", "abc");
        assert_eq!(failure.next, ["kubectl get nodes"]);
    }
}
