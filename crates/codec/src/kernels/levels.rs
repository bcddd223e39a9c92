//! Which instruction sets this CPU has, as a value that proves it.
//!
//! A [`Level`] can only be made here, after the CPU was asked, so a function that takes one may call code compiled
//! for that instruction set (the way memchr's searchers do it). `levels!` writes that dispatch for kernels that are
//! ordinary Rust:
//!
//! ```ignore
//! #[inline(always)]
//! fn scale_kernel(src: &[f32], dst: &mut [f32], factor: f32) {
//!     for (d, s) in dst.iter_mut().zip(src) {
//!         *d = s * factor;
//!     }
//! }
//! levels!(pub fn scale(src: &[f32], dst: &mut [f32], factor: f32) = scale_kernel);
//! // scale(Level::best(), &src, &mut dst, 2.0);
//! ```
//!
//! | level | x86-64 | aarch64 |
//! |---|---|---|
//! | `scalar` | the reference: no intrinsics | the same |
//! | `baseline` | SSE2, which every x86-64 has | NEON, which every aarch64 has; little-endian only |
//! | `avx2` | AVX2, BMI1, BMI2, F16C, FMA, LZCNT, POPCNT (about x86-64-v3) | |
//! | `avx512` | and AVX-512 F, BW, CD, DQ, VL (x86-64-v4) | |
//! | `avx512gfni` | and AVX-512 VBMI, VBMI2, VNNI, GFNI (Ice Lake, Zen 4) | |
//!
//! The environment variable `ETALON_SIMD` names the highest level that [`Level::best`] may return.

#![allow(unsafe_code)] // `levels!` calls functions compiled for a level; the `Level` is the proof that it may.

use std::sync::LazyLock;

/// An instruction set that this CPU has. Holding one is the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(InstructionSet);

/// What a [`Level`] can stand for. Public to the crate so that dispatch can match on it; it proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum InstructionSet {
    Scalar,
    Baseline,
    Avx2,
    Avx512,
    Avx512Gfni,
}

use InstructionSet::{Avx2, Avx512, Avx512Gfni, Baseline, Scalar};

const ALL: [InstructionSet; 5] = [Scalar, Baseline, Avx2, Avx512, Avx512Gfni];

impl Level {
    /// Code without intrinsics: the reference that every other level has to equal.
    pub const SCALAR: Level = Level(Scalar);

    /// The highest level of this CPU that `ETALON_SIMD` allows; asked once per process.
    pub fn best() -> Level {
        static BEST: LazyLock<Level> = LazyLock::new(|| {
            let wanted = std::env::var("ETALON_SIMD").ok();
            highest(wanted.as_deref().and_then(instruction_set_named))
        });
        *BEST
    }

    /// All levels of this CPU, lowest first, whatever the environment says.
    pub fn available() -> impl Iterator<Item = Level> {
        ALL.into_iter().filter(|&set| detected(set)).map(Level)
    }

    /// The name that `ETALON_SIMD` understands.
    pub fn name(self) -> &'static str {
        name(self.0)
    }

    pub(crate) fn instruction_set(self) -> InstructionSet {
        self.0
    }
}

fn name(set: InstructionSet) -> &'static str {
    match set {
        Scalar => "scalar",
        Baseline => "baseline",
        Avx2 => "avx2",
        Avx512 => "avx512",
        Avx512Gfni => "avx512gfni",
    }
}

fn instruction_set_named(wanted: &str) -> Option<InstructionSet> {
    match wanted {
        "sse2" | "neon" => Some(Baseline),
        _ => ALL.into_iter().find(|&set| name(set) == wanted),
    }
}

fn highest(limit: Option<InstructionSet>) -> Level {
    Level::available()
        .take_while(|level| limit.is_none_or(|limit| level.0 <= limit))
        .last()
        .unwrap_or(Level::SCALAR)
}

/// Asks the CPU and the operating system. The lists are those of `levels!`; each level includes the one below it.
#[cfg(target_arch = "x86_64")]
fn detected(set: InstructionSet) -> bool {
    use std::arch::is_x86_feature_detected as has;
    match set {
        Scalar | Baseline => true,
        Avx2 => {
            has!("avx2")
                && has!("bmi1")
                && has!("bmi2")
                && has!("f16c")
                && has!("fma")
                && has!("lzcnt")
                && has!("popcnt")
        }
        Avx512 => {
            detected(Avx2)
                && has!("avx512f")
                && has!("avx512bw")
                && has!("avx512cd")
                && has!("avx512dq")
                && has!("avx512vl")
        }
        Avx512Gfni => {
            detected(Avx512)
                && has!("avx512vbmi")
                && has!("avx512vbmi2")
                && has!("avx512vnni")
                && has!("gfni")
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected(set: InstructionSet) -> bool {
    match set {
        Scalar => true,
        Baseline => cfg!(all(target_arch = "aarch64", target_endian = "little")),
        Avx2 | Avx512 | Avx512Gfni => false,
    }
}

/// `levels!(pub fn x(src: &[T], dst: &mut [T]) = x_kernel);` writes `pub fn x(level: Level, src: &[T], dst: &mut [T])`,
/// which runs `x_kernel` compiled for `level`. Attributes, a return type and `<T: Trait>` may be given.
///
/// `x_kernel` must be `#[inline(always)]`: only code inlined into the function with the target features is compiled
/// for them. Scalar and baseline share one copy, because their features are those of the target itself.
#[allow(unused_macros)]
macro_rules! levels {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident $(<$($generic:ident: $bound:path),+>)?
        ($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)? = $kernel:path
    ) => {
        $(#[$attribute])*
        #[allow(unsafe_code, clippy::too_many_arguments)]
        $visibility fn $name $(<$($generic: $bound),+>)? (
            level: $crate::kernels::levels::Level, $($argument: $kind),*
        ) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            use $crate::kernels::levels::InstructionSet;

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,bmi1,bmi2,f16c,fma,lzcnt,popcnt")]
            fn avx2 $(<$($generic: $bound),+>)? ($($argument: $kind),*) $(-> $result)? {
                $kernel($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,bmi1,bmi2,f16c,fma,lzcnt,popcnt")]
            #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
            fn avx512 $(<$($generic: $bound),+>)? ($($argument: $kind),*) $(-> $result)? {
                $kernel($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,bmi1,bmi2,f16c,fma,lzcnt,popcnt")]
            #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
            #[target_feature(enable = "avx512vbmi,avx512vbmi2,avx512vnni,gfni")]
            fn avx512gfni $(<$($generic: $bound),+>)? ($($argument: $kind),*) $(-> $result)? {
                $kernel($($argument),*)
            }

            match level.instruction_set() {
                // SAFETY: `level` exists, so `Level::available` found every feature that this copy enables.
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx512Gfni => unsafe { avx512gfni($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx2 => unsafe { avx2($($argument),*) },
                _ => $kernel($($argument),*),
            }
        }
    };
}
#[allow(unused_imports)]
pub(crate) use levels;

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(always)]
    fn add_kernel(src: &[u8], dst: &mut [u8], step: u8) -> usize {
        for (sum, &byte) in dst.iter_mut().zip(src) {
            *sum = byte.wrapping_add(step);
        }
        src.len().min(dst.len())
    }
    levels!(fn add(src: &[u8], dst: &mut [u8], step: u8) -> usize = add_kernel);

    #[inline(always)]
    fn largest_kernel<T: Ord + Copy + Default>(values: &[T]) -> T {
        values.iter().copied().max().unwrap_or_default()
    }
    trait Comparable: Ord + Copy + Default {}
    impl Comparable for u16 {}
    levels!(fn largest<T: Comparable>(values: &[T]) -> T = largest_kernel);

    #[test]
    fn a_kernel_gives_the_same_at_every_level() {
        for level in Level::available() {
            eprintln!("levels! ran at {}", level.name());
            for len in 0..=130usize {
                let src: Vec<u8> = (0..=len).map(|i| i as u8).collect();
                let mut dst = vec![0xcc; len + 1];
                assert_eq!(add(level, &src[1..], &mut dst[1..], 200), len);
                let expected = (1..=len).map(|i| (i as u8).wrapping_add(200));
                assert!(dst[1..].iter().copied().eq(expected), "{level:?} {len}");
                assert_eq!(dst[0], 0xcc);
            }
            assert_eq!(largest(level, &[3u16, 9, 4]), 9);
        }
    }

    #[test]
    fn levels_ascend_from_scalar() {
        let levels: Vec<Level> = Level::available().collect();
        assert_eq!(levels[0], Level::SCALAR);
        assert!(levels.is_sorted());
        assert!(levels.contains(&Level::best()));
    }

    #[test]
    fn a_limit_lowers_the_level_and_never_raises_it() {
        let top = Level::available().last().unwrap();
        assert_eq!(highest(None), top);
        assert_eq!(highest(Some(Avx512Gfni)), top);
        for level in Level::available() {
            assert_eq!(highest(instruction_set_named(level.name())), level);
        }
        assert_eq!(instruction_set_named("sse2"), Some(Baseline));
        assert_eq!(instruction_set_named("neon"), Some(Baseline));
        assert_eq!(instruction_set_named("mmx"), None);
    }
}
