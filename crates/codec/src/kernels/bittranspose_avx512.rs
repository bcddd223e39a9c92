//! Bit transposition in one pass over registers: AVX-512 VBMI moves bytes, GFNI transposes 8 × 8 bits.
//!
//! A tile of elements fills 4, 8 or 16 registers of 64 bytes. The place of a byte is a number: six bits say which
//! byte of the register, the others which register. Bit transposition only permutes the bits of such numbers, so a
//! kernel is a list of [`Network::LAYOUTS`]: each line says which bit of (byte `J` of an element, element `E`, bit `B`
//! of the byte) is where. From one line to the next there is one of two steps:
//!
//! * *exchange*: one bit of the register number changes places with one of the byte number. Every output register is a
//!   choice of 64 bytes out of two input registers: one `vpermt2b`. It also puts the other byte bits in any order.
//! * *matrix*: the lowest byte bits `E0 E1 E2` become `B0 B1 B2`: in each 8 bytes, which are 8 elements, a transposed
//!   8 × 8 bit matrix: one `vgf2p8affineqb`.
//!
//! Loading makes the first line true, storing needs the last one. The inverse transposition walks the list backwards.
//! An element of 3, 5, 6 or 7 bytes is spread to 4 or 8 bytes after loading; the missing planes are not stored.
//!
//! * `vgf2p8affineqb` takes the matrix rows last first, so the exchange before it writes each 8 bytes in reverse.
//! * Tables and row numbers are computed at compile time. At most 16 registers hold data, 8 tables and 1 the unit
//!   matrix, so no vector is spilled.
//! * Rows of 32 bytes (16 for elements of 8) are a compromise: longer ones cost another exchange, shorter ones more
//!   stores. On Zen 4, with 256 KiB in blocks of 8 KiB, rows of 64 bytes were 7 to 15 % slower at 1 and 2 bytes; rows
//!   of 16 bytes 11 % slower to write there, 6 % faster to read, and equal at 4 bytes.
//! * Loads and stores that straddle cache lines cost 5 to 15 %: align buffers to 64 bytes where there is a choice.

#![allow(unsafe_code)] // Intrinsics on pointers; the caller has checked the lengths.

use std::arch::x86_64::*;

use super::bittranspose::Kernel;
use Bit::*;

/// The kernel for elements of `size` bytes, 1 to 8.
///
/// It needs AVX-512 F, BW, VL, VBMI and GFNI.
pub(super) fn kernel(size: usize) -> Option<&'static Kernel> {
    match size {
        1 => Some(kernel_of::<Width1, 1, 4>()),
        2 => Some(kernel_of::<Width2, 2, 8>()),
        3 => Some(kernel_of::<Width4, 3, 16>()),
        4 => Some(kernel_of::<Width4, 4, 16>()),
        5 => Some(kernel_of::<Width8, 5, 16>()),
        6 => Some(kernel_of::<Width8, 6, 16>()),
        7 => Some(kernel_of::<Width8, 7, 16>()),
        8 => Some(kernel_of::<Width8, 8, 16>()),
        _ => None,
    }
}

fn kernel_of<N: Network, const SIZE: usize, const REGISTERS: usize>() -> &'static Kernel {
    const {
        &Kernel {
            element_bytes: SIZE,
            tile_elements: REGISTERS * 64 / N::WIDTH,
            transpose: transpose::<N, SIZE, REGISTERS>,
            untranspose: untranspose::<N, SIZE, REGISTERS>,
        }
    }
}

/// A bit of the address of a bit: of the byte in the element, of the element in the tile, of the bit in the byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bit {
    J0,
    J1,
    J2,
    E0,
    E1,
    E2,
    E3,
    E4,
    E5,
    E6,
    E7,
    B0,
    B1,
    B2,
}

trait Network {
    /// Bytes per element in the registers: 1, 2, 4 or 8.
    const WIDTH: usize;
    /// Neighbouring bytes of a bit plane in the last layout.
    const ROW_BYTES: usize;
    /// First the six bits of the byte number, lowest first, then those of the register number.
    const LAYOUTS: &'static [&'static [Bit]];
}

struct Width1;
impl Network for Width1 {
    const WIDTH: usize = 1;
    const ROW_BYTES: usize = 32;
    const LAYOUTS: &'static [&'static [Bit]] = &[
        &[E0, E1, E2, E3, E4, E5, E6, E7],
        &[B0, B1, B2, E3, E4, E5, E6, E7],
        &[B0, B1, E3, E4, E5, E7, E6, B2],
        &[E3, E4, E5, E6, E7, B0, B1, B2],
    ];
}

struct Width2;
impl Network for Width2 {
    const WIDTH: usize = 2;
    const ROW_BYTES: usize = 32;
    const LAYOUTS: &'static [&'static [Bit]] = &[
        &[J0, E0, E1, E2, E3, E4, E5, E6, E7],
        &[E0, E1, E2, E3, E4, E7, E5, E6, J0],
        &[B0, B1, B2, E3, E4, E7, E5, E6, J0],
        &[B0, B1, E3, E4, E6, E7, E5, B2, J0],
        &[E3, E4, E5, E6, E7, B0, B1, B2, J0],
    ];
}

struct Width4;
impl Network for Width4 {
    const WIDTH: usize = 4;
    const ROW_BYTES: usize = 32;
    const LAYOUTS: &'static [&'static [Bit]] = &[
        &[J0, J1, E0, E1, E2, E3, E4, E5, E6, E7],
        &[J1, E0, E1, E2, E3, E7, E4, E5, E6, J0],
        &[E0, E1, E2, E3, E6, E7, E4, E5, J1, J0],
        &[B0, B1, B2, E3, E6, E7, E4, E5, J1, J0],
        &[B0, B1, E3, E5, E6, E7, E4, B2, J1, J0],
        &[E3, E4, E5, E6, E7, B0, B1, B2, J1, J0],
    ];
}

struct Width8;
impl Network for Width8 {
    const WIDTH: usize = 8;
    const ROW_BYTES: usize = 16;
    const LAYOUTS: &'static [&'static [Bit]] = &[
        &[J0, J1, J2, E0, E1, E2, E3, E4, E5, E6],
        &[J1, J2, E0, E1, E2, E6, E3, E4, E5, J0],
        &[J2, E0, E1, E2, E5, E6, E3, E4, J1, J0],
        &[E0, E1, E2, E4, E5, E6, E3, J2, J1, J0],
        &[B0, B1, B2, E4, E5, E6, E3, J2, J1, J0],
        &[E3, E4, E5, E6, B0, B1, B2, J2, J1, J0],
    ];
}

/// What leads from one layout to the next.
enum Step {
    Nothing,
    Matrix,
    Exchange(Exchange),
}

/// Output register `r` takes its bytes from registers `r` and `r` with `register_bit` flipped.
struct Exchange {
    register_bit: usize,
    /// Operands of `vpermt2b` for output registers with that bit clear and set.
    tables: [Table; 2],
}

#[repr(align(64))]
struct Table([u8; 64]);

/// The step from layout `from` to its neighbour `to`; nothing if the network has no such layout.
const fn step(layouts: &[&[Bit]], from: usize, to: usize) -> Step {
    if from >= layouts.len() || to >= layouts.len() {
        return Step::Nothing;
    }
    match changed_register_bit(layouts[from], layouts[to]) {
        None => Step::Matrix,
        Some(register_bit) => {
            let next = if to > from {
                to + 1
            } else {
                to.wrapping_sub(1)
            };
            let before_matrix =
                next < layouts.len() && changed_register_bit(layouts[to], layouts[next]).is_none();
            Step::Exchange(exchange(
                layouts[from],
                layouts[to],
                register_bit,
                before_matrix,
            ))
        }
    }
}

const fn changed_register_bit(from: &[Bit], to: &[Bit]) -> Option<usize> {
    let mut place = 6;
    while place < from.len() {
        if from[place] as u8 != to[place] as u8 {
            return Some(place - 6);
        }
        place += 1;
    }
    None
}

const fn exchange(from: &[Bit], to: &[Bit], register_bit: usize, reversed: bool) -> Exchange {
    let mut tables = [Table([0; 64]), Table([0; 64])];
    let mut register = 0;
    while register < 2 {
        let mut byte = 0;
        while byte < 64 {
            let place = if reversed { byte ^ 7 } else { byte };
            tables[register].0[byte] = source(from, to, register_bit, register, place);
            byte += 1;
        }
        register += 1;
    }
    Exchange {
        register_bit,
        tables,
    }
}

/// Which of 128 bytes of a register pair belongs to place `byte` of the output register.
const fn source(from: &[Bit], to: &[Bit], register_bit: usize, register: usize, byte: usize) -> u8 {
    let outgoing = to[6 + register_bit];
    let mut index = 0;
    let mut place = 0;
    while place < 7 {
        let bit = if place < 6 {
            from[place]
        } else {
            from[6 + register_bit]
        };
        let value = if bit as u8 == outgoing as u8 {
            register
        } else {
            byte >> place_of(to, bit) & 1
        };
        index |= value << place;
        place += 1;
    }
    index as u8
}

const fn place_of(layout: &[Bit], bit: Bit) -> usize {
    let mut place = 0;
    while layout[place] as u8 != bit as u8 {
        place += 1;
    }
    place
}

/// For each register of the last layout and each row in it, the bit plane `8 * byte + bit`.
const fn planes_of(layout: &[Bit], row_bytes: usize) -> [[usize; 4]; 16] {
    let mut planes = [[0; 4]; 16];
    let rows = 64 / row_bytes;
    let mut number = 0;
    while number < rows << (layout.len() - 6) {
        planes[number / rows][number % rows] = plane(layout, row_bytes, number);
        number += 1;
    }
    planes
}

/// The plane of row `number`, counted through all registers.
const fn plane(layout: &[Bit], row_bytes: usize, number: usize) -> usize {
    let first = row_bytes.trailing_zeros() as usize;
    let mut plane = 0;
    let mut place = first;
    while place < layout.len() {
        let weight = match layout[place] {
            B0 => 1,
            B1 => 2,
            B2 => 4,
            J0 => 8,
            J1 => 16,
            J2 => 32,
            _ => panic!("an element bit outside the row"),
        };
        plane += weight * (number >> (place - first) & 1);
        place += 1;
    }
    plane
}

/// # Safety
/// That of [`Kernel`], on a CPU with these features.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,gfni")]
unsafe fn transpose<N: Network, const SIZE: usize, const REGISTERS: usize>(
    src: *const u8,
    elements: usize,
    planes: *mut u8,
    plane_bytes: usize,
) {
    let tile_elements = REGISTERS * 64 / N::WIDTH;
    for first in (0..elements).step_by(tile_elements) {
        // SAFETY: the caller's promise: the tile lies in the elements and in the planes.
        let mut tile = unsafe { load_elements::<SIZE, REGISTERS>(src.add(first * SIZE), N::WIDTH) };
        if const { matches!(step(N::LAYOUTS, 0, 1), Step::Matrix) } {
            reverse_eights(&mut tile);
        }
        take_step::<N, 0, 1, REGISTERS>(&mut tile);
        take_step::<N, 1, 2, REGISTERS>(&mut tile);
        take_step::<N, 2, 3, REGISTERS>(&mut tile);
        take_step::<N, 3, 4, REGISTERS>(&mut tile);
        take_step::<N, 4, 5, REGISTERS>(&mut tile);
        // SAFETY: as above.
        unsafe { store_rows::<N, SIZE, REGISTERS>(tile, planes.add(first / 8), plane_bytes) };
    }
}

/// The inverse of [`transpose`].
///
/// # Safety
/// That of [`Kernel`], on a CPU with these features.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,gfni")]
unsafe fn untranspose<N: Network, const SIZE: usize, const REGISTERS: usize>(
    planes: *const u8,
    plane_bytes: usize,
    dst: *mut u8,
    elements: usize,
) {
    let tile_elements = REGISTERS * 64 / N::WIDTH;
    for first in (0..elements).step_by(tile_elements) {
        // SAFETY: the caller's promise: the tile lies in the elements and in the planes.
        let mut tile =
            unsafe { load_rows::<N, SIZE, REGISTERS>(planes.add(first / 8), plane_bytes) };
        take_step::<N, 5, 4, REGISTERS>(&mut tile);
        take_step::<N, 4, 3, REGISTERS>(&mut tile);
        take_step::<N, 3, 2, REGISTERS>(&mut tile);
        take_step::<N, 2, 1, REGISTERS>(&mut tile);
        take_step::<N, 1, 0, REGISTERS>(&mut tile);
        // SAFETY: as above.
        unsafe { store_elements::<SIZE, REGISTERS>(tile, dst.add(first * SIZE), N::WIDTH) };
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,gfni")]
fn take_step<N: Network, const FROM: usize, const TO: usize, const REGISTERS: usize>(
    tile: &mut [__m512i; REGISTERS],
) {
    let before = *tile;
    match const { &step(N::LAYOUTS, FROM, TO) } {
        Step::Nothing => {}
        Step::Matrix => {
            let unit = _mm512_set1_epi64(0x8040_2010_0804_0201_u64 as i64);
            for register in 0..REGISTERS {
                tile[register] = _mm512_gf2p8affine_epi64_epi8::<0>(unit, before[register]);
            }
        }
        Step::Exchange(exchange) => {
            let tables = [table(&exchange.tables[0]), table(&exchange.tables[1])];
            let bit = 1 << exchange.register_bit;
            for register in 0..REGISTERS {
                tile[register] = _mm512_permutex2var_epi8(
                    before[register & !bit],
                    tables[usize::from(register & bit != 0)],
                    before[register | bit],
                );
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn table(table: &Table) -> __m512i {
    // SAFETY: the reference is to 64 bytes, aligned to 64.
    unsafe { _mm512_load_si512(table.0.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn reverse_eights<const REGISTERS: usize>(tile: &mut [__m512i; REGISTERS]) {
    let order = _mm512_set4_epi32(0x0809_0a0b, 0x0c0d_0e0f, 0x0001_0203, 0x0405_0607);
    for register in tile {
        *register = _mm512_shuffle_epi8(*register, order);
    }
}

/// The bytes of a register that holds elements of `size` bytes in places of `width` bytes.
const fn bytes_mask(size: usize, width: usize) -> u64 {
    let bytes = 64 / width * size;
    u64::MAX >> (64 - bytes)
}

/// For each place of a register of spread elements, the byte of the packed elements; and which places have one.
const fn spread(size: usize, width: usize) -> (Table, u64) {
    let (mut places, mut mask) = (Table([0; 64]), 0);
    let mut place = 0;
    while place < 64 {
        if place % width < size {
            places.0[place] = (place / width * size + place % width) as u8;
            mask |= 1 << place;
        }
        place += 1;
    }
    (places, mask)
}

/// The inverse of [`spread`].
const fn pack(size: usize, width: usize) -> Table {
    let mut places = Table([0; 64]);
    let mut byte = 0;
    while byte < 64 / width * size {
        places.0[byte] = (byte / size * width + byte % size) as u8;
        byte += 1;
    }
    places
}

/// # Safety
/// All elements of the tile may be read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
unsafe fn load_elements<const SIZE: usize, const REGISTERS: usize>(
    src: *const u8,
    width: usize,
) -> [__m512i; REGISTERS] {
    let mut tile = [_mm512_setzero_si512(); REGISTERS];
    for (index, register) in tile.iter_mut().enumerate() {
        // SAFETY: the caller's promise: the register's elements are in range; the mask leaves out what is not.
        *register = unsafe {
            if SIZE == width {
                _mm512_loadu_si512(src.add(index * 64).cast())
            } else {
                let packed = _mm512_maskz_loadu_epi8(
                    bytes_mask(SIZE, width),
                    src.add(index * (64 / width) * SIZE).cast(),
                );
                let (places, mask) = const { &spread(SIZE, SIZE.next_power_of_two()) };
                _mm512_maskz_permutexvar_epi8(*mask, table(places), packed)
            }
        };
    }
    tile
}

/// # Safety
/// All elements of the tile may be written.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
unsafe fn store_elements<const SIZE: usize, const REGISTERS: usize>(
    tile: [__m512i; REGISTERS],
    dst: *mut u8,
    width: usize,
) {
    for (index, register) in tile.into_iter().enumerate() {
        // SAFETY: the caller's promise: the register's elements are in range; the mask leaves out what is not.
        unsafe {
            if SIZE == width {
                _mm512_storeu_si512(dst.add(index * 64).cast(), register);
            } else {
                let places = const { &pack(SIZE, SIZE.next_power_of_two()) };
                let packed = _mm512_permutexvar_epi8(table(places), register);
                let to = dst.add(index * (64 / width) * SIZE);
                _mm512_mask_storeu_epi8(to.cast(), bytes_mask(SIZE, width), packed);
            }
        }
    }
}

/// Repeats `body` with a constant `INDEX` of 0 to 15: LLVM leaves a loop of that length over stores rolled, and then
/// keeps the tile in memory (30 % slower at 8 bytes on Zen 4).
macro_rules! for_each_register {
    ($body:block) => {
        for_each_register!($body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    ($body:block, $($index:literal)+) => {
        $({
            const INDEX: usize = $index;
            $body
        })+
    };
}

/// Writes the planes that elements of `SIZE` bytes have.
///
/// # Safety
/// All rows, `plane_bytes` apart, may be written.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn store_rows<N: Network, const SIZE: usize, const REGISTERS: usize>(
    tile: [__m512i; REGISTERS],
    planes: *mut u8,
    plane_bytes: usize,
) {
    let plane_of = const { planes_of(N::LAYOUTS[N::LAYOUTS.len() - 1], N::ROW_BYTES) };
    for_each_register!({
        if INDEX < REGISTERS {
            #[expect(clippy::needless_range_loop, reason = "an iterator chain stays rolled")]
            for lane in 0..64 / N::ROW_BYTES {
                let plane = plane_of[INDEX][lane];
                if plane >= 8 * SIZE {
                    continue;
                }
                // SAFETY: the caller's promise: the row lies in the planes.
                unsafe {
                    let row = planes.add(plane * plane_bytes);
                    store_row(N::ROW_BYTES, lane, tile[INDEX], row);
                }
            }
        }
    });
}

/// Reads the planes that elements of `SIZE` bytes have; the others are zero.
///
/// # Safety
/// All rows, `plane_bytes` apart, may be read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn load_rows<N: Network, const SIZE: usize, const REGISTERS: usize>(
    planes: *const u8,
    plane_bytes: usize,
) -> [__m512i; REGISTERS] {
    let plane_of = const { planes_of(N::LAYOUTS[N::LAYOUTS.len() - 1], N::ROW_BYTES) };
    let mut tile = [_mm512_setzero_si512(); REGISTERS];
    for_each_register!({
        if INDEX < REGISTERS {
            #[expect(clippy::needless_range_loop, reason = "an iterator chain stays rolled")]
            for lane in 0..64 / N::ROW_BYTES {
                let plane = plane_of[INDEX][lane];
                if plane >= 8 * SIZE {
                    continue;
                }
                // SAFETY: the caller's promise: the row lies in the planes.
                unsafe {
                    let row = planes.add(plane * plane_bytes);
                    tile[INDEX] = load_row(N::ROW_BYTES, lane, tile[INDEX], row);
                }
            }
        }
    });
    tile
}

/// Writes one row of `row_bytes` bytes, number `lane` of the register.
///
/// # Safety
/// `row_bytes` bytes may be written.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn store_row(row_bytes: usize, lane: usize, register: __m512i, row: *mut u8) {
    // SAFETY: the caller's promise: `row` may be written.
    unsafe {
        match (row_bytes, lane) {
            (64, _) => _mm512_storeu_si512(row.cast(), register),
            (32, 0) => _mm256_storeu_si256(row.cast(), _mm512_extracti64x4_epi64::<0>(register)),
            (32, _) => _mm256_storeu_si256(row.cast(), _mm512_extracti64x4_epi64::<1>(register)),
            (_, 0) => _mm_storeu_si128(row.cast(), _mm512_extracti32x4_epi32::<0>(register)),
            (_, 1) => _mm_storeu_si128(row.cast(), _mm512_extracti32x4_epi32::<1>(register)),
            (_, 2) => _mm_storeu_si128(row.cast(), _mm512_extracti32x4_epi32::<2>(register)),
            (_, _) => _mm_storeu_si128(row.cast(), _mm512_extracti32x4_epi32::<3>(register)),
        }
    }
}

/// Reads one row of `row_bytes` bytes into its place in the register.
///
/// # Safety
/// `row_bytes` bytes may be read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn load_row(row_bytes: usize, lane: usize, register: __m512i, row: *const u8) -> __m512i {
    let doublewords = 0xf << (4 * lane);
    // SAFETY: the caller's promise: `row` may be read.
    unsafe {
        match row_bytes {
            64 => _mm512_loadu_si512(row.cast()),
            32 => {
                let row = _mm256_loadu_si256(row.cast());
                _mm512_mask_broadcast_i64x4(register, doublewords as u8, row)
            }
            _ => _mm512_mask_broadcast_i32x4(register, doublewords, _mm_loadu_si128(row.cast())),
        }
    }
}
