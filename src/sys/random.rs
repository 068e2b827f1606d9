//! Random numbers, to spread over time what would otherwise happen at once.

use ring::rand::{SystemRandom, generate};

/// A number from the kernel; 0 if it gives none, which spreads nothing.
pub(crate) fn random() -> u32 {
    generate(&SystemRandom::new()).map_or(0, |number| u32::from_ne_bytes(number.expose()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_differ() {
        let first = random();
        assert!((0..8).any(|_| random() != first));
    }
}
