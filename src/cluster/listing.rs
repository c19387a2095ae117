//! What a watch has told of a selection so far, kept as summaries: whole objects of a large cluster would be heavy, and copying
//! them at every change heavier.

use std::collections::BTreeMap;

use kube::ResourceExt;
use kube::runtime::watcher::Event;

/// A selection as it is now, each object summarised as a `T`, by its name.
///
/// While a watch that expired lists anew, the state before stays visible; what is missing from the new list goes once it is complete.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    now: BTreeMap<String, T>,
    relisted: BTreeMap<String, T>,
    complete: bool,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { now: BTreeMap::new(), relisted: BTreeMap::new(), complete: false }
    }
}

impl<T> Listing<T> {
    /// A complete one, as a list call answers it.
    pub fn complete<K: ResourceExt>(objects: impl IntoIterator<Item = K>, summarize: impl Fn(&K) -> T) -> Self {
        let now = objects.into_iter().map(|object| (object.name_any(), summarize(&object))).collect();
        Self { now, relisted: BTreeMap::new(), complete: true }
    }

    /// Takes one change of the watch.
    pub fn take<K: ResourceExt>(&mut self, event: Event<K>, summarize: impl FnOnce(&K) -> T) {
        match event {
            Event::Init => self.relisted.clear(),
            Event::InitApply(object) => drop(self.relisted.insert(object.name_any(), summarize(&object))),
            Event::InitDone => {
                self.now = std::mem::take(&mut self.relisted);
                self.complete = true;
            }
            Event::Apply(object) => drop(self.now.insert(object.name_any(), summarize(&object))),
            Event::Delete(object) => drop(self.now.remove(&object.name_any())),
        }
    }

    /// Whether the first list has come to its end; before that, nothing follows from an object's absence.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The object of this name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.now.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.now.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.now.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.now.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;
    use crate::cluster::scratch::named;

    fn listing(events: Vec<Event<ConfigMap>>) -> Listing<String> {
        let mut listing = Listing::default();
        for event in events {
            listing.take(event, ConfigMap::name_any);
        }
        listing
    }

    fn map(name: &str) -> ConfigMap {
        ConfigMap { metadata: named(name), ..ConfigMap::default() }
    }

    fn names(listing: &Listing<String>) -> Vec<&str> {
        listing.iter().map(String::as_str).collect()
    }

    #[test]
    fn a_list_that_is_under_way_says_nothing_yet() {
        let begun = listing(vec![Event::Init, Event::InitApply(map("a"))]);
        assert!(!begun.is_complete());
        assert!(begun.is_empty());
        let done = listing(vec![Event::Init, Event::InitApply(map("a")), Event::InitDone, Event::Apply(map("b"))]);
        assert!(done.is_complete());
        assert_eq!(names(&done), ["a", "b"]);
    }

    #[test]
    fn a_new_list_replaces_the_old_one_only_once_it_is_complete() {
        let first = || vec![Event::Init, Event::InitApply(map("a")), Event::InitApply(map("b")), Event::InitDone];
        let again = || [first(), vec![Event::Init, Event::InitApply(map("b"))]].concat();
        assert_eq!(names(&listing(again())), ["a", "b"]);
        let done = [again(), vec![Event::InitDone]].concat();
        assert_eq!(names(&listing(done)), ["b"], "what went while nobody watched is gone");
        assert_eq!(names(&listing([first(), vec![Event::Delete(map("a"))]].concat())), ["b"]);
    }
}
