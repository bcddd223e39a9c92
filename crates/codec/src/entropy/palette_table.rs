//! Tables from the bit pattern of an element to an index.

/// Looks up bit patterns of one size.
pub(crate) trait Table {
    /// The indices of all elements in `src`; false where one has none, and then `indices` mean nothing.
    fn look_up(&self, src: &[u8], indices: &mut [u16]) -> bool;
    /// The index of a pattern.
    fn get(&self, pattern: u64) -> Option<u16>;
    /// Sets the index of a pattern.
    fn set(&mut self, pattern: u64, index: u16);
}

/// In a direct table: no index. Indices are smaller than the one bit it has alone.
const UNKNOWN: u16 = 1 << 15;

/// A table of all patterns of one byte.
pub(crate) struct Direct1(Box<[u16; 1 << 8]>);

/// A table of all patterns of two bytes.
pub(crate) struct Direct2(Vec<u16>);

impl Direct1 {
    pub(crate) fn new() -> Self {
        Self(Box::new([UNKNOWN; 1 << 8]))
    }
}

impl Table for Direct1 {
    fn look_up(&self, src: &[u8], indices: &mut [u16]) -> bool {
        let mut all = 0;
        for (index, &pattern) in indices.iter_mut().zip(src) {
            *index = self.0[usize::from(pattern)];
            all |= *index;
        }
        all & UNKNOWN == 0
    }

    fn get(&self, pattern: u64) -> Option<u16> {
        Some(self.0[pattern as usize]).filter(|&index| index != UNKNOWN)
    }

    fn set(&mut self, pattern: u64, index: u16) {
        self.0[pattern as usize] = index;
    }
}

impl Direct2 {
    pub(crate) fn new() -> Self {
        Self(vec![UNKNOWN; 1 << 16])
    }
}

impl Table for Direct2 {
    fn look_up(&self, src: &[u8], indices: &mut [u16]) -> bool {
        let mut all = 0;
        let Ok(table) = <&[u16; 1 << 16]>::try_from(&self.0[..]) else {
            return false;
        };
        for (index, &pattern) in indices.iter_mut().zip(src.as_chunks().0) {
            *index = table[usize::from(u16::from_le_bytes(pattern))];
            all |= *index;
        }
        all & UNKNOWN == 0
    }

    fn get(&self, pattern: u64) -> Option<u16> {
        Some(self.0[pattern as usize]).filter(|&index| index != UNKNOWN)
    }

    fn set(&mut self, pattern: u64, index: u16) {
        self.0[pattern as usize] = index;
    }
}

/// A hash table of buckets of two, for patterns of `BYTES` bytes in a `K`.
///
/// A pattern stands in the bucket that its hash says, or in one of the next if two others stood there before. Both
/// patterns of a bucket are compared without a branch, and few buckets are in use, so a look-up hardly ever branches
/// to where it was not expected to.
///
/// Q: How is an empty place told from the pattern it happens to hold? A: It holds one whose hash says another bucket (0,
/// but 1 in the bucket of 0), so the first comparison fails; only then is the place asked whether it is empty.
pub(crate) struct Hashed<K, const BYTES: usize> {
    buckets: Vec<Bucket<K>>,
    used: usize,
    shift: u32,
}

#[derive(Clone, Copy)]
struct Bucket<K> {
    keys: [K; 2],
    indices: [u32; 2],
}

const EMPTY: u32 = u32::MAX;
const FEWEST_BUCKETS: usize = 1 << 10;
/// Buckets for each pattern, at least.
const SPARSITY: usize = 8;
/// 2⁶⁴/φ, which spreads neighbours apart (Knuth, TAOCP 3, 6.4).
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// A number that holds a pattern.
pub(crate) trait Key: Copy + Eq + 'static {
    const ZERO: Self;
    const ONE: Self;
    fn new(pattern: u64) -> Self;
    fn pattern(self) -> u64;
    fn load<const BYTES: usize>(bytes: &[u8; BYTES]) -> Self;
}

macro_rules! key {
    ($type:ty) => {
        impl Key for $type {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            #[inline(always)]
            fn new(pattern: u64) -> Self {
                pattern as $type
            }
            #[inline(always)]
            fn pattern(self) -> u64 {
                u64::from(self)
            }
            #[inline(always)]
            fn load<const BYTES: usize>(bytes: &[u8; BYTES]) -> Self {
                let mut all = [0; size_of::<$type>()];
                all[..BYTES].copy_from_slice(bytes);
                <$type>::from_le_bytes(all)
            }
        }
    };
}
key!(u32);
key!(u64);

impl<K: Key, const BYTES: usize> Hashed<K, BYTES> {
    pub(crate) fn new() -> Self {
        Self::with_buckets(FEWEST_BUCKETS)
    }

    fn with_buckets(count: usize) -> Self {
        let empty = |key| Bucket {
            keys: [key; 2],
            indices: [EMPTY; 2],
        };
        let mut table = Self {
            buckets: vec![empty(K::ZERO); count],
            used: 0,
            shift: u64::BITS - count.ilog2(),
        };
        let zero = table.home(K::ZERO);
        table.buckets[zero] = empty(K::ONE);
        table
    }

    /// The bucket of a pattern: the top bits of a product. High and low half are mixed because floats may differ only
    /// in their top bits.
    #[inline(always)]
    fn home(&self, key: K) -> usize {
        let pattern = key.pattern();
        let mixed = (pattern ^ pattern >> 32).wrapping_mul(FACTOR);
        (mixed >> self.shift) as usize
    }

    /// Bucket and place in it of a pattern, or of the empty place where it would stand.
    fn probe(&self, key: K) -> (usize, usize) {
        let mut at = self.home(key);
        loop {
            let bucket = &self.buckets[at];
            for place in 0..2 {
                if bucket.indices[place] == EMPTY || bucket.keys[place] == key {
                    return (at, place);
                }
            }
            at = (at + 1) & (self.buckets.len() - 1);
        }
    }

    fn enlarge(&mut self) {
        let mut larger = Self::with_buckets(2 * self.buckets.len());
        for bucket in &self.buckets {
            for (key, index) in bucket.keys.into_iter().zip(bucket.indices) {
                if index != EMPTY {
                    larger.put(key, index);
                }
            }
        }
        larger.used = self.used;
        *self = larger;
    }

    fn put(&mut self, key: K, index: u32) {
        let (at, place) = self.probe(key);
        self.buckets[at].keys[place] = key;
        self.buckets[at].indices[place] = index;
    }
}

impl<K: Key, const BYTES: usize> Table for Hashed<K, BYTES> {
    fn look_up(&self, src: &[u8], indices: &mut [u16]) -> bool {
        let (elements, _) = src.as_chunks::<BYTES>();
        for (index, element) in indices.iter_mut().zip(elements) {
            let key = K::load(element);
            let bucket = &self.buckets[self.home(key)];
            let second = usize::from(bucket.keys[0] != key);
            *index = bucket.indices[second] as u16;
            if bucket.keys[second] != key {
                match self.get(key.pattern()) {
                    Some(found) => *index = found,
                    None => return false,
                }
            }
        }
        true
    }

    fn get(&self, pattern: u64) -> Option<u16> {
        let (at, place) = self.probe(K::new(pattern));
        let index = self.buckets[at].indices[place];
        (index != EMPTY).then_some(index as u16)
    }

    fn set(&mut self, pattern: u64, index: u16) {
        if self.get(pattern).is_none() {
            self.used += 1;
            if self.used * SPARSITY > self.buckets.len() {
                self.enlarge();
            }
        }
        self.put(K::new(pattern), u32::from(index));
    }
}
