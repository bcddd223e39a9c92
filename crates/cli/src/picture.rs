//! A frame as a small PNG: what a person wants to see of a detector image.
//!
//! Counts span orders of magnitude, so the scale is a square root from the 1st to the 99.8th percentile. Pixels that
//! measure nothing are grey. The image has few colours on purpose: it is there to be recognised, and a noisy image of
//! many colours is as large as the rest of the report.

use std::io::Write;

use etalon_codec::{ByteOrder, Element, ElementClass};
use flate2::Crc;
use flate2::write::ZlibEncoder;

/// Longest side of a picture in pixels.
const LONGEST_SIDE: usize = 300;
/// Colours of the scale; one more is for masked pixels.
const SHADES: u8 = 31;

/// A frame of numbers; masked pixels are NaN.
pub(crate) struct Frame {
    /// Rows.
    pub(crate) rows: usize,
    /// Columns.
    pub(crate) columns: usize,
    /// The values, row by row.
    pub(crate) values: Vec<f64>,
}

/// The first frame of a decoded chunk of this shape, if it holds frames of numbers.
pub(crate) fn frame_of(element: &Element, chunk_shape: &[u64], chunk: &[u8]) -> Option<Frame> {
    const LEAST_SIDE: usize = 16;
    let &[.., rows, columns] = chunk_shape else {
        return None;
    };
    let (rows, columns) = (rows as usize, columns as usize);
    if rows.min(columns) < LEAST_SIDE || element.bytes > 8 || element.class == ElementClass::Other {
        return None;
    }
    let values = chunk
        .chunks_exact(element.bytes)
        .take(rows * columns)
        .map(|bytes| number(element.class, element.order, bytes))
        .collect();
    Some(Frame {
        rows,
        columns,
        values,
    })
}

/// The value of an element. Detectors mark pixels that measure nothing by the largest unsigned or a negative number.
fn number(class: ElementClass, order: ByteOrder, bytes: &[u8]) -> f64 {
    let word = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
    let bits = match order {
        ByteOrder::Little => bytes.iter().rev().fold(0, word),
        ByteOrder::Big => bytes.iter().fold(0, word),
    };
    let all_set = u64::MAX >> (64 - 8 * bytes.len());
    match (class, bytes.len()) {
        (ElementClass::Float, 4) => f64::from(f32::from_bits(bits as u32)),
        (ElementClass::Float, 8) => f64::from_bits(bits),
        (ElementClass::Unsigned, _) if bits != all_set || bytes.len() == 1 => bits as f64,
        (ElementClass::Signed, _) if bits <= all_set / 2 => bits as f64,
        _ => f64::NAN,
    }
}

impl Frame {
    /// The frame as a PNG in a `data:` address.
    pub(crate) fn data_uri(&self) -> String {
        let small = self.shrunk();
        let shades = small.shades();
        format!(
            "data:image/png;base64,{}",
            base64(&png(
                small.columns,
                small.rows,
                &shades,
                Colours::Palette(&palette())
            ))
        )
    }

    /// Means over squares, so that the longest side fits.
    fn shrunk(&self) -> Frame {
        let factor = self.rows.max(self.columns).div_ceil(LONGEST_SIDE).max(1);
        let (rows, columns) = (self.rows.div_ceil(factor), self.columns.div_ceil(factor));
        let mut values = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            for column in 0..columns {
                values.push(self.mean(row * factor, column * factor, factor));
            }
        }
        Frame {
            rows,
            columns,
            values,
        }
    }

    fn mean(&self, top: usize, left: usize, side: usize) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for row in top..(top + side).min(self.rows) {
            for column in left..(left + side).min(self.columns) {
                let value = self.values[row * self.columns + column];
                if value.is_finite() {
                    sum += value;
                    count += 1;
                }
            }
        }
        // No valid pixel: 0/0, which is masked again.
        sum / f64::from(count)
    }

    fn shades(&self) -> Vec<u8> {
        let mut sorted: Vec<f64> = self
            .values
            .iter()
            .copied()
            .filter(|value| value.is_finite())
            .collect();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| sorted.get((part * sorted.len() as f64) as usize).copied();
        let low = at(0.01).unwrap_or(0.0);
        let high = at(0.998).unwrap_or(1.0).max(low + f64::MIN_POSITIVE);
        self.values
            .iter()
            .map(
                |value| match ((value - low) / (high - low)).clamp(0.0, 1.0) {
                    share if share.is_nan() => SHADES,
                    share => (share.sqrt() * f64::from(SHADES - 1)).round() as u8,
                },
            )
            .collect()
    }
}

/// What the bytes of a PNG mean.
#[derive(Clone, Copy)]
pub(crate) enum Colours<'a> {
    /// Brightness.
    Grey,
    /// Indices of red, green and blue.
    Palette(&'a [u8]),
}

/// A PNG (<https://www.w3.org/TR/png/>) of 8 bits per pixel.
pub(crate) fn png(columns: usize, rows: usize, shades: &[u8], colours: Colours<'_>) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::new();
    header.extend((columns as u32).to_be_bytes());
    header.extend((rows as u32).to_be_bytes());
    // 8 bits, grey or indexed colour, deflate, no filter method but 0, not interlaced.
    let colour_type = match colours {
        Colours::Grey => 0,
        Colours::Palette(_) => 3,
    };
    header.extend([8, colour_type, 0, 0, 0]);
    chunk(&mut file, *b"IHDR", &header);
    if let Colours::Palette(palette) = colours {
        chunk(&mut file, *b"PLTE", palette);
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    for row in shades.chunks(columns.max(1)) {
        // Writing into a Vec does not fail.
        let _ = encoder
            .write_all(&[0])
            .and_then(|()| encoder.write_all(row));
    }
    chunk(&mut file, *b"IDAT", &encoder.finish().unwrap_or_default());
    chunk(&mut file, *b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    let mut sum = Crc::new();
    sum.update(&kind);
    sum.update(data);
    file.extend((data.len() as u32).to_be_bytes());
    file.extend(kind);
    file.extend(data);
    file.extend(sum.sum().to_be_bytes());
}

/// A dark-to-light scale through blue and orange, even to the eye, then the grey of masked pixels.
fn palette() -> Vec<u8> {
    const STOPS: [[f64; 3]; 6] = [
        [8.0, 10.0, 24.0],
        [44.0, 28.0, 96.0],
        [128.0, 40.0, 110.0],
        [214.0, 82.0, 72.0],
        [248.0, 162.0, 60.0],
        [252.0, 250.0, 200.0],
    ];
    let mut colours = Vec::new();
    for shade in 0..SHADES {
        let position = f64::from(shade) / f64::from(SHADES - 1) * (STOPS.len() - 1) as f64;
        let below = (position as usize).min(STOPS.len() - 2);
        let share = position - below as f64;
        for (from, to) in STOPS[below].iter().zip(STOPS[below + 1]) {
            colours.push((from + (to - from) * share).round() as u8);
        }
    }
    colours.extend([112, 116, 122]);
    colours
}

/// Base64 with padding (RFC 4648).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = (0..3).fold(0u32, |word, at| {
            word << 8 | u32::from(group.get(at).copied().unwrap_or(0))
        });
        for digit in 0..4 {
            let index = (word >> (18 - 6 * digit)) & 63;
            text.push(if digit <= group.len() {
                ALPHABET[index as usize] as char
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }

    #[test]
    fn a_large_frame_becomes_a_small_picture_and_masks_stay_visible() {
        let mut frame = Frame {
            rows: 700,
            columns: 1000,
            values: (0..700_000).map(|at| f64::from(at % 1000)).collect(),
        };
        frame.values[..4000].fill(f64::NAN);
        let small = frame.shrunk();
        assert_eq!((small.rows, small.columns), (175, 250));
        let shades = small.shades();
        assert!(shades[..250].iter().all(|&shade| shade == SHADES));
        assert_eq!((shades[250], shades[499]), (0, SHADES - 1));
        assert!(
            frame
                .data_uri()
                .starts_with("data:image/png;base64,iVBORw0KGgo")
        );
    }
}
