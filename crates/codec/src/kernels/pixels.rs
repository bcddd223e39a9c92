//! Words of 8, 16 and 32 bits that stand for pixels.

/// An unsigned integer of up to 32 bits.
pub(crate) trait Word: Copy + Default + Eq + Ord + Send + Sync + 'static {
    /// Size in bytes.
    const BYTES: usize;
    /// The low bits of a number.
    fn new(value: u32) -> Self;
    /// The number.
    fn value(self) -> u32;
    /// Bits 0 to 7.
    fn low(self) -> u8;
    /// The number, or 255 if it is larger.
    fn saturated(self) -> u8;
    /// The number in the `BYTES` bytes given, lowest first.
    fn from_le(bytes: &[u8]) -> Self;
    /// Writes the number to the `BYTES` bytes given, lowest first.
    fn to_le(self, bytes: &mut [u8]);
    /// The number with its bytes in reverse.
    fn swapped(self) -> Self;
    /// The sum, without its carry.
    fn plus(self, other: Self) -> Self;
    /// The difference, without its borrow.
    fn minus(self, other: Self) -> Self;
}

macro_rules! word {
    ($type:ty) => {
        impl Word for $type {
            const BYTES: usize = size_of::<$type>();
            #[inline(always)]
            fn new(value: u32) -> Self {
                value as $type
            }
            #[inline(always)]
            fn value(self) -> u32 {
                u32::from(self)
            }
            #[inline(always)]
            fn low(self) -> u8 {
                self as u8
            }
            #[inline(always)]
            fn saturated(self) -> u8 {
                // In bits of the word: more of them fit a register than of those of 32.
                self.min(u8::MAX as $type) as u8
            }
            #[inline(always)]
            fn from_le(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<$type>()];
                array.copy_from_slice(bytes);
                <$type>::from_le_bytes(array)
            }
            #[inline(always)]
            fn to_le(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
            #[inline(always)]
            fn swapped(self) -> Self {
                self.swap_bytes()
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
        }
    };
}
word!(u8);
word!(u16);
word!(u32);

/// Asks for bytes to be brought into the cache while other work is done: the processor does so by itself only within a
/// page, and rows are about as long.
#[inline]
pub(crate) fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.chunks(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: SSE, which every x86-64 has; nothing is read.
        #[allow(unsafe_code)]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}
