//! HDF5's fletcher32 filter: the chunk, then its checksum in four bytes, least significant first.
//!
//! The checksum is Fletcher's over big-endian 16-bit words, an odd last byte being the high half of a word.

use anyhow::{Result, bail};

/// Bytes that the filter appends.
pub(crate) const CHECKSUM_BYTES: usize = 4;

/// Both sums stay below 2³² for so many words before they are folded: 360 in HDF5's `H5_checksum_fletcher32`.
const WORDS_BETWEEN_FOLDS: usize = 360;

/// Copies `data` into the front of `stored` with its checksum behind it; returns the number of bytes.
pub(crate) fn append_checksum(data: &[u8], stored: &mut [u8]) -> usize {
    let end = data.len() + CHECKSUM_BYTES;
    stored[..data.len()].copy_from_slice(data);
    stored[data.len()..end].copy_from_slice(&fletcher32(data).to_le_bytes());
    end
}

/// The data of a stored chunk, if its checksum is right.
///
/// HDF5 1.6.2 and before wrote the checksum with each half's bytes exchanged; HDF5 accepts that, and so does this.
pub(crate) fn without_checksum(stored: &[u8]) -> Result<&[u8]> {
    let Some((data, stated)) = stored.split_last_chunk::<CHECKSUM_BYTES>() else {
        bail!(
            "the chunk of {} bytes has no room for its checksum",
            stored.len()
        );
    };
    let right = fletcher32(data).to_le_bytes();
    let exchanged = [right[1], right[0], right[3], right[2]];
    if *stated != right && *stated != exchanged {
        bail!("the fletcher32 checksum of the chunk does not match its data");
    }
    Ok(data)
}

fn fletcher32(data: &[u8]) -> u32 {
    let (words, odd) = data.as_chunks::<2>();
    let (mut first, mut second) = (0_u32, 0_u32);
    for run in words.chunks(WORDS_BETWEEN_FOLDS) {
        for word in run {
            first += u32::from(u16::from_be_bytes(*word));
            second += first;
        }
        (first, second) = (fold(first), fold(second));
    }
    if let [byte] = odd {
        first += u32::from(*byte) << 8;
        second += first;
        (first, second) = (fold(first), fold(second));
    }
    fold(second) << 16 | fold(first)
}

fn fold(sum: u32) -> u32 {
    (sum & 0xffff) + (sum >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_is_seen_and_old_byte_order_is_not_damage() {
        let data: Vec<u8> = (0..1001_u32).map(|at| (at * 7) as u8).collect();
        let mut stored = vec![0; data.len() + CHECKSUM_BYTES];
        assert_eq!(append_checksum(&data, &mut stored), stored.len());
        assert_eq!(without_checksum(&stored).unwrap(), data);
        stored[500] ^= 1;
        assert!(without_checksum(&stored).is_err());
        stored[500] ^= 1;
        stored[1001..].copy_from_slice(&{
            let right = fletcher32(&data).to_le_bytes();
            [right[1], right[0], right[3], right[2]]
        });
        assert!(without_checksum(&stored).is_ok());
        assert!(without_checksum(&[1, 2, 3]).is_err());
    }
}
