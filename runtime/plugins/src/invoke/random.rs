//! Randomness that the invocation's seed decides, so that a replay sees the same (P-06). A hash in counter mode: no
//! guest can tell what comes next from what came, and no update of a library changes it.

use std::convert::Infallible;

use sha2::{Digest as _, Sha256};

/// An endless stream of bytes, different for every seed and purpose.
pub(super) struct SeededStream {
    key: [u8; 32],
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl SeededStream {
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        let key = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(purpose).finalize().into();
        Self { key, counter: 0, block: [0; 32], used: 32 }
    }

    fn byte(&mut self) -> u8 {
        if self.used >= self.block.len() {
            self.block =
                Sha256::new().chain_update(self.key).chain_update(self.counter.to_le_bytes()).finalize().into();
            self.counter = self.counter.wrapping_add(1);
            self.used = 0;
        }
        let byte = self.block.get(self.used).copied().unwrap_or_default();
        self.used += 1;
        byte
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// The next 16 bytes as a number.
    pub(super) fn next_u128(&mut self) -> u128 {
        u128::from_le_bytes(self.bytes())
    }
}

impl rand::TryRng for SeededStream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        target.fill_with(|| self.byte());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_forever() {
        // covers P-06: these bytes are part of what a replay compares
        assert_eq!(SeededStream::new(7, "random").next_u128(), SeededStream::new(7, "random").next_u128());
        assert_ne!(SeededStream::new(7, "random").next_u128(), SeededStream::new(8, "random").next_u128());
        assert_ne!(SeededStream::new(7, "random").next_u128(), SeededStream::new(7, "insecure").next_u128());
        let key = Sha256::digest([&7_u64.to_le_bytes()[..], b"random"].concat());
        let block = Sha256::digest([&key[..], &0_u64.to_le_bytes()[..]].concat());
        assert_eq!(SeededStream::new(7, "random").bytes::<32>(), <[u8; 32]>::from(block));
    }
}
