//! How often each value occurs, exact, in order of the values.
//!
//! Small types and integers near 0 are counted in a table. Other keys ([`crate::order_key`]) are collected, sorted and
//! merged into sorted runs of value and count, of which the later ones are shorter than the earlier ones, so that
//! each entry is merged a logarithmic number of times. Memory is 16 bytes for each different value outside the table, and
//! as much again while runs are merged; beyond the limit it is an error that says what to do.

use crate::Error;
use crate::order_key::{KeyKind, Ordered};

/// Entries of the table for integers wider than 16 bits, around 0.
const TABLE: u64 = 1 << 17;
/// Keys that are sorted at once.
const PENDING: usize = 1 << 18;
/// Memory where the settings name none, in bytes.
const DEFAULT_MEMORY_BYTES: u64 = 1 << 30;
const ENTRY_BYTES: u64 = 16;

/// A value's key and how often it occurs.
pub(crate) type Entry = (u64, u64);

/// Counts of values.
#[derive(Debug, Clone)]
pub(crate) struct ValueCounts {
    metric: &'static str,
    limit_bytes: u64,
    kind: Option<KeyKind>,
    /// Key of the first entry of the table.
    first: u64,
    table: Vec<u64>,
    pending: Vec<u64>,
    runs: Vec<Vec<Entry>>,
    /// NaN, which have no key.
    pub(crate) not_a_number: u64,
}

impl ValueCounts {
    /// Counts of nothing, which may take a share of the memory that is allowed.
    pub(crate) fn new(metric: &'static str, memory_bytes: Option<u64>, sharers: u64) -> Self {
        Self {
            metric,
            limit_bytes: memory_bytes.unwrap_or(DEFAULT_MEMORY_BYTES) / sharers,
            kind: None,
            first: 0,
            table: Vec::new(),
            pending: Vec::new(),
            runs: Vec::new(),
            not_a_number: 0,
        }
    }

    /// Counts values, all of one type.
    pub(crate) fn add<T: Ordered>(&mut self, values: impl Iterator<Item = T>) -> Result<(), Error> {
        self.prepare::<T>();
        for value in values {
            if !value.is_number() {
                self.not_a_number += 1;
                continue;
            }
            let key = value.key();
            match self.table.get_mut(key.wrapping_sub(self.first) as usize) {
                Some(count) => *count += 1,
                None => {
                    self.pending.push(key);
                    if self.pending.len() == PENDING {
                        self.flush()?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds what another one counted.
    pub(crate) fn merge(&mut self, other: ValueCounts) -> Result<(), Error> {
        self.not_a_number += other.not_a_number;
        self.kind = self.kind.or(other.kind);
        let entries = other.sorted()?;
        self.push(entries)
    }

    /// All values in ascending order.
    pub(crate) fn sorted(mut self) -> Result<Vec<Entry>, Error> {
        self.flush()?;
        let first = self.first;
        let table = self.table.iter().zip(first..);
        let table = table.filter(|(count, _)| **count > 0);
        let mut all: Vec<Entry> = table.map(|(count, key)| (key, *count)).collect();
        while let Some(run) = self.runs.pop() {
            all = merged(&all, &run);
        }
        Ok(all)
    }

    /// What turns keys into values; `None` where nothing was counted.
    pub(crate) fn kind(&self) -> Option<KeyKind> {
        self.kind
    }

    fn prepare<T: Ordered>(&mut self) {
        if self.kind.is_some() {
            return;
        }
        self.kind = Some(KeyKind::of::<T>());
        if T::BITS <= 16 {
            self.table = vec![0; 1 << T::BITS];
        } else if let Some(zero) = T::zero_key_of_integer() {
            self.first = zero.saturating_sub(TABLE / 2);
            self.table = vec![0; TABLE as usize];
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let mut keys = std::mem::take(&mut self.pending);
        keys.sort_unstable();
        let run = keys
            .chunk_by(|a, b| a == b)
            .map(|same| (same[0], same.len() as u64))
            .collect();
        keys.clear();
        self.pending = keys;
        self.push(run)
    }

    /// Adds a sorted run.
    fn push(&mut self, mut run: Vec<Entry>) -> Result<(), Error> {
        while self
            .runs
            .last()
            .is_some_and(|last| last.len() < 2 * run.len())
        {
            if let Some(last) = self.runs.pop() {
                run = merged(&last, &run);
            }
        }
        if !run.is_empty() {
            self.runs.push(run);
        }
        let entries: usize = self.runs.iter().map(Vec::len).sum();
        if entries as u64 * ENTRY_BYTES > self.limit_bytes {
            return Err(Error::Unsuitable {
                metric: self.metric,
                reason: format!(
                    "the data have more different values than fit in memory ({entries} so far); measure some of the \
                     frames, or give a larger memory_bytes"
                ),
            });
        }
        Ok(())
    }
}

/// Two sorted runs in one; counts of equal keys are added.
fn merged(a: &[Entry], b: &[Entry]) -> Vec<Entry> {
    let mut all = Vec::with_capacity(a.len() + b.len());
    walk(a, b, |key, count_a, count_b| {
        all.push((key, count_a + count_b))
    });
    all.shrink_to_fit();
    all
}

/// Calls `take` with every key of either run in order, and its counts in both.
pub(crate) fn walk(mut a: &[Entry], mut b: &[Entry], mut take: impl FnMut(u64, u64, u64)) {
    loop {
        let key = match (a.first(), b.first()) {
            (Some(a), Some(b)) => a.0.min(b.0),
            (Some(only), None) | (None, Some(only)) => only.0,
            (None, None) => return,
        };
        let count = |run: &mut &[Entry]| match run.split_first() {
            Some((first, rest)) if first.0 == key => {
                *run = rest;
                first.1
            }
            _ => 0,
        };
        let (count_a, count_b) = (count(&mut a), count(&mut b));
        take(key, count_a, count_b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_values_in_parts_are_counted_like_few() {
        let values = || (0..700_000u64).map(|at| (at.wrapping_mul(0x9e37_79b9) % 300_007) as f32);
        let mut whole = ValueCounts::new("ks", None, 1);
        whole.add(values()).unwrap();
        let mut parts = ValueCounts::new("ks", None, 1);
        for skip in 0..3 {
            let mut part = ValueCounts::new("ks", None, 1);
            part.add(values().skip(skip).step_by(3)).unwrap();
            parts.merge(part).unwrap();
        }
        let whole = whole.sorted().unwrap();
        assert!(whole.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(whole.iter().map(|entry| entry.1).sum::<u64>(), 700_000);
        assert_eq!(whole, parts.sorted().unwrap());
    }

    #[test]
    fn integers_beyond_the_table_are_counted_too() {
        let mut counts = ValueCounts::new("ks", None, 1);
        counts.add([-70_000i32, 5, 1 << 30, 5].into_iter()).unwrap();
        let value = counts.kind().unwrap().value;
        let found: Vec<(f64, u64)> = counts
            .sorted()
            .unwrap()
            .iter()
            .map(|&(key, count)| (value(key), count))
            .collect();
        assert_eq!(found, [(-70_000.0, 1), (5.0, 2), (f64::from(1 << 30), 1)]);
    }

    #[test]
    fn too_many_values_are_an_error_that_says_what_to_do() {
        let mut counts = ValueCounts::new("ks", Some(1 << 20), 1);
        let error = counts.add((0..300_000).map(f64::from)).unwrap_err();
        assert!(error.to_string().contains("memory_bytes"), "{error}");
    }
}
