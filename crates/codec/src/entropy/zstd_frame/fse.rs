//! Finite state entropy: tables from frequencies, their description, and coding with them.
//!
//! RFC 8878, 4.1, says how a decoder builds its table from normalised frequencies; [`Table::new`] is the inverse of that, as in
//! libzstd's `FSE_buildCTable`. Symbols are coded from the last to the first, because they are decoded the other way.

use super::bits::BitWriter;

/// Symbols of the largest alphabet, that of match lengths.
pub(super) const MAX_SYMBOLS: usize = 53;
/// Largest accuracy of any table here: literal and match lengths.
const MAX_LOG: u32 = 9;
const MIN_LOG: u32 = 5;

/// A frequency of "less than one": one cell, at the end of the table.
pub(super) const LESS_THAN_ONE: i16 = -1;

/// Frequencies that add up to `1 << log`, [`LESS_THAN_ONE`] counting one.
pub(super) struct Distribution {
    pub(super) log: u32,
    pub(super) frequencies: [i16; MAX_SYMBOLS],
    /// Symbols up to the last with a frequency.
    pub(super) symbols: usize,
}

impl Distribution {
    /// Shares the cells of a table among symbols as they were counted; two symbols at least must occur.
    pub(super) fn of(counts: &[u32; MAX_SYMBOLS], max_log: u32) -> Self {
        let total: u32 = counts.iter().sum();
        let symbols = counts.iter().rposition(|&count| count > 0).unwrap_or(0) + 1;
        let used = counts.iter().filter(|&&count| count > 0).count() as u32;
        // A table finer than the sample says nothing more and takes longer to describe.
        let log = (total.max(2).ilog2().saturating_sub(1)).clamp(MIN_LOG, max_log);
        let log = log.max(used.next_power_of_two().ilog2());
        let mut frequencies = [0i16; MAX_SYMBOLS];
        for (frequency, &count) in frequencies.iter_mut().zip(counts) {
            if count > 0 {
                let share = (u64::from(count) << (log + 1)) / u64::from(total);
                *frequency = share.div_ceil(2).max(1) as i16;
            }
        }
        settle(&mut frequencies, 1 << log);
        Self {
            log,
            frequencies,
            symbols,
        }
    }

    /// The table with one symbol that takes no bits.
    pub(super) fn only(symbol: u8) -> Self {
        let mut frequencies = [0; MAX_SYMBOLS];
        frequencies[usize::from(symbol)] = 1;
        Self {
            log: 0,
            frequencies,
            symbols: usize::from(symbol) + 1,
        }
    }

    /// One of the predefined tables of RFC 8878, 3.1.1.3.2.2.
    pub(super) fn predefined(log: u32, frequencies: &[i16]) -> Self {
        let mut all = [0; MAX_SYMBOLS];
        all[..frequencies.len()].copy_from_slice(frequencies);
        Self {
            log,
            frequencies: all,
            symbols: frequencies.len(),
        }
    }

    /// Writes the description that decoders read (RFC 8878, 4.1.1); returns its length in bytes.
    pub(super) fn describe(&self, dst: &mut [u8]) -> Option<usize> {
        let mut writer = BitWriter::new(dst);
        writer.put(u64::from(self.log - MIN_LOG), 4);
        let mut remaining = (1i32 << self.log) + 1;
        let mut threshold = 1i32 << self.log;
        let mut bits = self.log + 1;
        let mut symbol = 0;
        while symbol < self.symbols && remaining > 1 {
            let frequency = i32::from(self.frequencies[symbol]);
            symbol += 1;
            let most = 2 * threshold - 1 - remaining;
            remaining -= frequency.abs();
            let mut value = frequency + 1;
            if value >= threshold {
                value += most;
            }
            writer.put(value as u64, bits - u32::from(value < most));
            writer.flush()?;
            if frequency == 0 {
                symbol += skip_zeros(&mut writer, &self.frequencies[symbol..self.symbols])?;
            }
            while remaining < threshold {
                bits -= 1;
                threshold >>= 1;
            }
        }
        writer.close_unmarked()
    }
}

/// Takes from or gives to the most frequent symbols until the frequencies add up to `total`.
fn settle(frequencies: &mut [i16; MAX_SYMBOLS], total: i16) {
    let mut surplus = frequencies.iter().sum::<i16>() - total;
    while surplus != 0 {
        let most = (0..MAX_SYMBOLS).max_by_key(|&symbol| frequencies[symbol]);
        let most = &mut frequencies[most.unwrap_or(0)];
        // Not all at once: a symbol that loses more than an eighth of its cells costs more than several that lose one.
        let step = surplus.min((*most / 8).max(1));
        *most -= step;
        surplus -= step;
    }
}

/// Writes how many zeros follow a zero; returns that number.
fn skip_zeros(writer: &mut BitWriter, frequencies: &[i16]) -> Option<usize> {
    let zeros = frequencies.iter().take_while(|&&f| f == 0).count();
    let mut left = zeros;
    while left >= 3 {
        writer.put(3, 2);
        writer.flush()?;
        left -= 3;
    }
    writer.put(left as u64, 2);
    writer.flush()?;
    Some(zeros)
}

/// What coding a symbol does to a state.
#[derive(Clone, Copy, Default)]
struct Step {
    /// Added to a state, the upper half is the number of bits to write.
    bits: u32,
    /// Added to what is left of a state, the index of the next.
    next: i32,
}

/// An encoder's table.
#[derive(Clone)]
pub(super) struct Table {
    log: u32,
    states: [u16; 1 << MAX_LOG],
    steps: [Step; MAX_SYMBOLS],
}

impl Table {
    pub(super) fn new(distribution: &Distribution) -> Self {
        let log = distribution.log;
        let cells = spread(distribution);
        let mut first = [0usize; MAX_SYMBOLS];
        let mut steps = [Step::default(); MAX_SYMBOLS];
        let mut total = 0i32;
        for (symbol, &frequency) in distribution.frequencies.iter().enumerate() {
            let cells = i32::from(frequency.abs());
            first[symbol] = total as usize;
            if cells > 0 {
                steps[symbol] = step(log, cells, total);
            }
            total += cells;
        }
        let mut states = [0; 1 << MAX_LOG];
        for (cell, &symbol) in cells[..1 << log].iter().enumerate() {
            let slot = &mut first[usize::from(symbol)];
            states[*slot] = ((1 << log) + cell) as u16;
            *slot += 1;
        }
        Self { log, states, steps }
    }

    /// The state in which coding begins, with the symbol that is decoded last.
    #[inline(always)]
    pub(super) fn begin(&self, symbol: u8) -> u32 {
        let step = self.steps[usize::from(symbol)];
        let bits = step.bits.wrapping_add(1 << 15) >> 16;
        let state = (bits << 16).wrapping_sub(step.bits);
        self.state_at((state >> bits) as i32 + step.next)
    }

    /// Codes `symbol`: the bits to write, how many they are, and the next state.
    #[inline(always)]
    pub(super) fn code(&self, state: u32, symbol: u8) -> (u64, u32, u32) {
        let step = self.steps[usize::from(symbol)];
        let bits = state.wrapping_add(step.bits) >> 16;
        let low = u64::from(state) & ((1 << bits) - 1);
        (low, bits, self.state_at((state >> bits) as i32 + step.next))
    }

    /// What is written of the last state: its place in the table.
    pub(super) fn finish(&self, state: u32) -> (u64, u32) {
        (u64::from(state) & ((1 << self.log) - 1), self.log)
    }

    #[inline(always)]
    fn state_at(&self, index: i32) -> u32 {
        u32::from(self.states[index as usize % (1 << MAX_LOG)])
    }
}

fn step(log: u32, cells: i32, total: i32) -> Step {
    let most_bits = if cells == 1 {
        log
    } else {
        log - (cells as u32 - 1).ilog2()
    };
    Step {
        bits: (most_bits << 16).wrapping_sub((cells as u32) << most_bits),
        next: total - cells,
    }
}

/// The symbol of every cell, spread as RFC 8878, 4.1.1, says.
fn spread(distribution: &Distribution) -> [u8; 1 << MAX_LOG] {
    let mut cells = [0u8; 1 << MAX_LOG];
    let size = 1usize << distribution.log;
    let frequencies = || distribution.frequencies.iter().enumerate();
    let mut high = size;
    for (symbol, _) in frequencies().filter(|(_, f)| **f == LESS_THAN_ONE) {
        high -= 1;
        cells[high] = symbol as u8;
    }
    let stride = (size >> 1) + (size >> 3) + 3;
    let mut cell = 0;
    for (symbol, &frequency) in frequencies() {
        for _ in 0..frequency.max(0) {
            cells[cell] = symbol as u8;
            cell = (cell + stride) % size;
            while cell >= high {
                cell = (cell + stride) % size;
            }
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_add_up_whatever_was_counted() {
        for seed in 1..200u32 {
            let mut counts = [0; MAX_SYMBOLS];
            for (i, count) in counts.iter_mut().enumerate() {
                let draw = seed.wrapping_mul(2_654_435_761).rotate_left(i as u32);
                *count = if draw % 3 == 0 { draw % 1000 } else { 0 };
            }
            counts[0] += 1;
            counts[52] += seed * seed;
            let distribution = Distribution::of(&counts, 9);
            let sum: i16 = distribution.frequencies.iter().sum();
            assert_eq!(sum, 1 << distribution.log, "{seed}");
            for (&count, &frequency) in counts.iter().zip(&distribution.frequencies) {
                assert_eq!(count > 0, frequency > 0, "{seed}");
            }
        }
    }

    #[test]
    fn every_cell_of_a_table_has_its_symbol() {
        let mut counts = [0; MAX_SYMBOLS];
        counts[..4].copy_from_slice(&[700, 200, 99, 1]);
        let distribution = Distribution::of(&counts, 9);
        let cells = spread(&distribution);
        for (symbol, &frequency) in distribution.frequencies.iter().enumerate() {
            let found = cells[..1 << distribution.log].iter();
            let found = found.filter(|&&cell| usize::from(cell) == symbol).count();
            assert_eq!(found, frequency as usize, "{symbol}");
        }
    }
}
