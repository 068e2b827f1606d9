//! Random numbers, used to spread the load over time.

use ring::rand::{SystemRandom, generate};

/// A random number from the kernel; 0 if it provides none, so that nothing is spread.
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
