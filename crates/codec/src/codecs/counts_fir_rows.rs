//! The rows above the one that is coded: in numbers of 16 bits where values are small enough, else in those of 32. Both
//! make the same bins and bases.

use super::counts_fir::{Model, Scale};
use super::counts_fir_state::State;
use crate::kernels::counts_fir::{self as wide, Weights};
use crate::kernels::counts_fir_narrow::{
    self as narrow, Above, HALO, Kind, MAX_LIMIT, Row, padded,
};
use crate::kernels::levels::Level;
use crate::kernels::pixels::Word;

/// What a row is expected by.
#[derive(Default)]
pub(crate) struct Rows {
    model: Option<Model>,
    /// How numbers of 16 bits hold the rows, if they do and that is faster.
    kind: Option<Kind>,
    columns: usize,
    narrow: Narrow,
    wide: State,
}

/// The rows in numbers of 16 bits.
#[derive(Default)]
struct Narrow {
    /// V₁, V₂ and V₃, each with its halo.
    rows: [Row; 3],
    /// C with its halo.
    columns: Row,
    /// Of the row: what special pixels are taken for; of `variance` the base.
    expected: Row,
    bins: Vec<u8>,
}

impl Rows {
    /// Begins a chunk.
    pub(super) fn begin(&mut self, level: Level, model: &Model, columns: usize) {
        self.model = Some(*model);
        self.kind = match model.scale {
            _ if !narrow::is_faster(level) => None,
            Scale::Roots => Some(Kind::Roots),
            Scale::Values { limit } if limit <= MAX_LIMIT => Some(Kind::Values { limit }),
            Scale::Values { .. } => None,
        };
        self.columns = columns;
        self.narrow.expected.clear(padded(columns));
        self.narrow.bins.resize(padded(columns), 0);
    }

    /// Begins a frame.
    pub(super) fn begin_frame(&mut self) {
        if self.kind.is_none() {
            self.wide.begin(self.columns);
            return;
        }
        let rows = &mut self.narrow.rows;
        for row in rows.iter_mut().chain([&mut self.narrow.columns]) {
            row.clear(padded(self.columns) + 2 * HALO);
        }
    }

    /// Pixels in a row.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Numbers to a row, with those that fill up its last block.
    pub(super) fn padded(&self) -> usize {
        padded(self.columns)
    }

    /// The bins of the row that is expected, and of what fills it up.
    pub(super) fn bins(&self) -> &[u8] {
        &self.narrow.bins
    }

    /// The base of a pixel of the row that is expected.
    pub(super) fn base(&self, x: usize) -> i32 {
        match self.kind {
            Some(_) => i32::from(self.narrow.expected[x]),
            None => self.wide.estimates[x],
        }
    }

    fn scale(&self) -> Scale {
        self.model.map_or(Scale::Roots, |model| model.scale)
    }

    fn origin<W: Word>(&self) -> W {
        W::new(self.model.map_or(0, |model| model.origin))
    }

    /// Sets the bins and bases of the next row.
    pub(super) fn expect(&mut self, level: Level) {
        let Some(kind) = self.kind else {
            if let Some(model) = &self.model {
                self.wide.expect(level, model);
                self.narrow.bins[..self.columns].copy_from_slice(&self.wide.bins);
            }
            return;
        };
        let Narrow {
            rows: [first, second, third],
            columns,
            expected,
            bins,
            ..
        } = &mut self.narrow;
        let above = Above {
            rows: [first, second, third],
            columns,
        };
        let weights = self.model.map_or(Weights::default(), |model| model.weights);
        narrow::expect(level, kind, above, &weights, expected, bins);
    }

    /// The words that symbols stand for on their own.
    pub(super) fn words_of_symbols<W: Word>(&self, level: Level, symbols: &[u8], words: &mut [W]) {
        let origin = self.origin();
        match (self.scale(), self.kind) {
            (Scale::Roots, _) => wide::words_of_symbols(level, symbols, origin, words),
            (_, Some(_)) => {
                narrow::words_of_differences(level, symbols, origin, &self.narrow.expected, words);
            }
            _ => wide::words_of_differences(level, symbols, origin, &self.wide.estimates, words),
        }
    }

    /// Differences of the words of a row and their bases.
    pub(super) fn differences<W: Word>(&self, level: Level, words: &[W], differences: &mut [i32]) {
        let (origin, words) = (self.origin(), &words[..differences.len()]);
        match self.kind {
            Some(_) => {
                let bases = &self.narrow.expected[..words.len()];
                narrow::differences(level, words, origin, bases, differences);
            }
            None => wide::differences(level, words, origin, &self.wide.estimates, differences),
        }
    }

    /// Takes the row that was expected, filled up; its special pixels have a bit in `special`. Of `fir`, `values` are those
    /// of the row up to 255.
    pub(super) fn learn<W: Word>(
        &mut self,
        level: Level,
        (words, values): (&[W], &[u8]),
        special: &[u8],
    ) {
        let (scale, origin) = (self.scale(), self.origin::<W>());
        let Some(kind) = self.kind else {
            let words = &words[..self.columns];
            self.wide
                .learn(level, (scale, origin.value()), words, special);
            return;
        };
        let own = &mut self.narrow;
        own.rows.rotate_right(1);
        let row = &mut own.rows[0];
        let Kind::Values { limit } = kind else {
            let both = (&mut **row, &mut *own.columns);
            narrow::learn_roots(level, (values, special), &own.expected, both);
            return;
        };
        let inner = &mut row[HALO..HALO + words.len()];
        narrow::values(level, words, origin, limit, inner);
        narrow::select(special, &own.expected, inner);
        narrow::repeat_ends(row, self.columns);
        narrow::follow(level, row, 6, &mut own.columns);
    }
}
