//! Bytes without any pattern for tests, which a seed repeats; those of the whole program (`tests/main.rs`) use them too.

/// So many bytes that nothing compresses, the same ones every time (xorshift).
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[4]
    };
    std::iter::repeat_with(next).take(length).collect()
}
