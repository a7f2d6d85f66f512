//! Which commits of the log a table has taken in: a set of intervals.

use std::{fmt, ops::RangeInclusive, str::FromStr};

/// No set of commits has more intervals.
pub const COVERAGE_INTERVALS_MAX: usize = 100_000;

/// A set of commit numbers, as few intervals as possible, in order.
///
/// Written as `1-7,9-9`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Coverage {
    intervals: Vec<(u64, u64)>,
}

impl Coverage {
    /// Adds the commits of an interval; an empty one adds nothing.
    pub fn insert(&mut self, commits: RangeInclusive<u64>) {
        let (mut first, mut last) = commits.into_inner();
        if first > last {
            return;
        }
        let from = self.intervals.partition_point(|it| it.1.saturating_add(1) < first);
        let mut to = from;
        while let Some(it) = self.intervals.get(to)
            && it.0 <= last.saturating_add(1)
        {
            first = first.min(it.0);
            last = last.max(it.1);
            to += 1;
        }
        self.intervals.splice(from..to, [(first, last)]);
    }

    /// Adds the commits of another set.
    pub fn extend(&mut self, other: &Self) {
        for (first, last) in &other.intervals {
            self.insert(*first..=*last);
        }
    }

    /// Tells whether a commit is in the set.
    pub fn contains(&self, commit: u64) -> bool {
        let at = self.intervals.partition_point(|it| it.1 < commit);
        self.intervals.get(at).is_some_and(|it| it.0 <= commit)
    }

    /// Tells whether the two sets have a commit in common.
    pub fn meets(&self, other: &Self) -> bool {
        other.intervals.iter().any(|(first, last)| {
            let at = self.intervals.partition_point(|it| it.1 < *first);
            self.intervals.get(at).is_some_and(|it| it.0 <= *last)
        })
    }

    /// Returns the first commit from `from` on that is not in the set.
    pub fn first_missing(&self, from: u64) -> u64 {
        let at = self.intervals.partition_point(|it| it.1 < from);
        match self.intervals.get(at) {
            Some((first, last)) if *first <= from => last.saturating_add(1),
            _ => from,
        }
    }

    /// Returns the set without the commits of another.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        for (first, last) in &self.intervals {
            let mut from = *first;
            let at = other.intervals.partition_point(|it| it.1 < from);
            for (begin, end) in &other.intervals[at..] {
                if begin > last {
                    break;
                }
                if *begin > from {
                    rest.intervals.push((from, begin - 1));
                }
                from = end.saturating_add(1);
            }
            if from <= *last {
                rest.intervals.push((from, *last));
            }
        }
        rest
    }

    /// Tells whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// Returns the greatest commit of the set.
    pub fn last(&self) -> Option<u64> {
        self.intervals.last().map(|it| it.1)
    }

    /// Returns the number of intervals.
    pub fn intervals(&self) -> usize {
        self.intervals.len()
    }
}

impl From<RangeInclusive<u64>> for Coverage {
    fn from(commits: RangeInclusive<u64>) -> Self {
        let mut set = Self::default();
        set.insert(commits);
        set
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.intervals.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{first}-{last}")?;
        }
        Ok(())
    }
}

impl FromStr for Coverage {
    type Err = ParseCoverageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut set = Self::default();
        for (index, part) in text.split(',').enumerate() {
            let (first, last) = part.split_once('-').ok_or(ParseCoverageError)?;
            let first = first.parse().map_err(|_| ParseCoverageError)?;
            let last = last.parse().map_err(|_| ParseCoverageError)?;
            if index >= COVERAGE_INTERVALS_MAX || first > last {
                return Err(ParseCoverageError);
            }
            set.insert(first..=last);
        }
        // One spelling per set.
        if set.to_string() == text { Ok(set) } else { Err(ParseCoverageError) }
    }
}

/// The text is no list of intervals.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a list of intervals such as 1-7,9-9")]
pub struct ParseCoverageError;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const COMMITS: u64 = 40;

    fn sets() -> impl Strategy<Value = (Coverage, BTreeSet<u64>)> {
        prop::collection::vec((1..COMMITS, 0..8_u64), 0..8).prop_map(|intervals| {
            let (mut set, mut naive) = (Coverage::default(), BTreeSet::new());
            for (first, more) in intervals {
                set.insert(first..=first + more);
                naive.extend(first..=first + more);
            }
            (set, naive)
        })
    }

    proptest! {
        #[test]
        fn it_behaves_like_a_set_of_numbers((a, x) in sets(), (b, y) in sets()) {
            for commit in 0..COMMITS + 10 {
                prop_assert_eq!(a.contains(commit), x.contains(&commit));
                prop_assert_eq!(a.without(&b).contains(commit), x.contains(&commit) && !y.contains(&commit));
                let missing = (commit..=2 * COMMITS).find(|it| !x.contains(it)).unwrap();
                prop_assert_eq!(a.first_missing(commit), missing);
            }
            prop_assert_eq!(a.meets(&b), x.intersection(&y).next().is_some());
            prop_assert_eq!(a.last(), x.last().copied());
            let mut both = a.clone();
            both.extend(&b);
            for commit in x.union(&y) {
                prop_assert!(both.contains(*commit));
            }
            if !a.is_empty() {
                prop_assert_eq!(a.to_string().parse::<Coverage>(), Ok(a.clone()));
            }
        }
    }

    #[test]
    fn a_set_has_one_spelling() {
        for text in ["", "1", "2-1", "1-2,3-4", "3-4,1-1", "1-2,", "a-b", "1-2-3", "+1-2"] {
            assert!(text.parse::<Coverage>().is_err(), "{text}");
        }
        assert_eq!("1-2,4-4".parse::<Coverage>().unwrap().intervals(), 2);
    }

    #[test]
    fn the_greatest_number_is_no_trap() {
        let mut set = Coverage::from(u64::MAX - 1..=u64::MAX);
        set.insert(1..=u64::MAX);
        assert_eq!(set.to_string(), format!("1-{}", u64::MAX));
    }
}
