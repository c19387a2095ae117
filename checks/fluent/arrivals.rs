//! What has arrived of the run's lines, over all objects.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::content::Packing;
use super::lines::Tally;

/// The most that a list in a text says one by one.
const SHOWN: usize = 5;

/// An object with lines of this run.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) tally: Tally,
    pub(super) packing: Packing,
    /// In bytes, as it is stored.
    pub(super) size: u64,
    /// When it was first listed.
    pub(super) listed: Instant,
}

/// Objects with lines of this run, by their keys. An object that is written again replaces what it was.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    objects: BTreeMap<String, Arrival>,
}

impl Arrivals {
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    pub(super) fn insert(&mut self, key: String, arrival: Arrival) {
        self.objects.insert(key, arrival);
    }

    /// The object that was there first.
    pub(super) fn first(&self) -> Option<(&String, &Arrival)> {
        self.objects.iter().min_by_key(|(_, arrival)| arrival.listed)
    }

    /// When the last object came.
    pub(super) fn last_listed(&self) -> Option<Instant> {
        self.objects.values().map(|arrival| arrival.listed).max()
    }

    pub(super) fn keys(&self) -> Vec<&String> {
        self.objects.keys().take(SHOWN).collect()
    }

    fn times(&self) -> BTreeMap<u32, u32> {
        let mut times = BTreeMap::new();
        for (&number, &count) in self.objects.values().flat_map(|arrival| &arrival.tally.whole) {
            *times.entry(number).or_default() += count;
        }
        times
    }

    /// The number of different lines that are there, whole.
    pub(super) fn whole(&self) -> usize {
        self.times().len()
    }

    /// The lines up to `last` that are not there.
    pub(super) fn missing(&self, last: u32) -> BTreeSet<u32> {
        let there = self.times();
        (0..=last).filter(|number| !there.contains_key(number)).collect()
    }

    /// The lines that are there more than once.
    pub(super) fn doubled(&self) -> BTreeSet<u32> {
        self.times().into_iter().filter(|&(_, times)| times > 1).map(|(number, _)| number).collect()
    }

    /// Lines that are there but not whole: how they begin, and in which object.
    pub(super) fn cut(&self) -> Vec<String> {
        let cut = self.objects.iter().flat_map(|(key, arrival)| arrival.tally.cut.iter().map(move |text| (key, text)));
        cut.map(|(key, text)| format!("{key}: {text:?}")).collect()
    }
}

/// A number of things: `1 new object`, `3 new objects`.
pub(super) fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Numbers as people write them: `3, 7–9, 12 …`; line 0 is the one that begins.
pub(super) fn ranges(numbers: &BTreeSet<u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, to)) if *to + 1 == number => *to = number,
            _ => ranges.push((number, number)),
        }
    }
    let text = |&(from, to): &(u32, u32)| if from == to { from.to_string() } else { format!("{from}–{to}") };
    let mut shown = ranges.iter().take(SHOWN).map(text).collect::<Vec<_>>().join(", ");
    if ranges.len() > SHOWN {
        shown.push_str(" …");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(whole: &[(u32, u32)], cut: &[&str]) -> Arrival {
        let cut = cut.iter().map(|&text| text.to_owned()).collect();
        let tally = Tally { whole: whole.iter().copied().collect(), cut, others: BTreeSet::new() };
        Arrival { tally, packing: Packing::Plain, size: 1, listed: Instant::now() }
    }

    #[test]
    fn what_is_lost_doubled_and_cut_is_told_over_all_objects() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.missing(2).len(), 3, "nothing has arrived");
        arrivals.insert("a".into(), arrival(&[(0, 1), (1, 1)], &[]));
        arrivals.insert("b".into(), arrival(&[(1, 1), (4, 2)], &["x"]));
        assert_eq!(arrivals.missing(5), [2, 3, 5].into());
        assert_eq!(arrivals.doubled(), [1, 4].into());
        assert_eq!((arrivals.whole(), arrivals.cut()), (3, vec!["b: \"x\"".to_owned()]));
    }

    #[test]
    fn an_object_that_is_written_again_counts_once() {
        let mut arrivals = Arrivals::default();
        arrivals.insert("a".into(), arrival(&[(0, 1)], &[]));
        arrivals.insert("a".into(), arrival(&[(0, 1), (1, 1)], &[]));
        assert!(arrivals.missing(1).is_empty() && arrivals.doubled().is_empty());
    }

    #[test]
    fn numbers_are_told_in_ranges() {
        assert_eq!(ranges(&[3, 7, 8, 9, 12].into()), "3, 7–9, 12");
        assert_eq!(ranges(&(0..20).step_by(2).collect()), "0, 2, 4, 6, 8 …");
        assert_eq!(ranges(&BTreeSet::new()), "");
    }
}
