//! Parts of a list of files for several machines: every file belongs to one part, whoever asks.
//!
//! The part is chosen by a hash of the file's name as listed, so that parts do not change when files come and go.

use std::fmt;
use std::str::FromStr;

use anyhow::anyhow;

use crate::fault::Fault;

/// Part `index` of `count`, the first being 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl Default for Shard {
    /// Everything.
    fn default() -> Self {
        Self { index: 1, count: 1 }
    }
}

impl Shard {
    /// Whether the file of this name belongs to this part.
    pub fn takes(&self, name: &str) -> bool {
        fnv1a(name.as_bytes()) % self.count == self.index - 1
    }
}

/// FNV-1a of 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): parts stay the same in every version of this
/// program, which std's hashes do not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl FromStr for Shard {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let parts = text.split_once('/');
        let numbers = parts.and_then(|(index, count)| {
            let (index, count) = (index.parse::<u64>().ok()?, count.parse::<u64>().ok()?);
            (1..=count).contains(&index).then_some((index, count))
        });
        match numbers {
            Some((index, count)) => Ok(Self { index, count }),
            None => Err(Fault::Arguments(anyhow!(
                "'{text}' is no part: the second of four is 2/4"
            ))),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_belongs_to_one_part() {
        let parts: Vec<Shard> = (1..=5).map(|i| format!("{i}/5").parse().unwrap()).collect();
        let mut taken = [0; 5];
        for number in 0..1000 {
            let name = format!("run/scan_{number:04}.h5");
            let takers: Vec<usize> = (0..5).filter(|&i| parts[i].takes(&name)).collect();
            assert_eq!(takers.len(), 1, "{name}");
            taken[takers[0]] += 1;
        }
        assert!(
            taken.iter().all(|count| (120..280).contains(count)),
            "{taken:?}"
        );
        assert!(Shard::default().takes("anything"));
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for text in ["", "1", "0/4", "5/4", "1/0", "-1/4", "a/b", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
