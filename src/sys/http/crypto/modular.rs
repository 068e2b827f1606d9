//! Arithmetic modulo an odd number, by Montgomery's multiplication.
//!
//! How long it takes depends on the modulus, and on exponents, but not on the numbers.

use std::hint::black_box;

/// Part of a number: as much as the processor multiplies at once.
pub(super) type Digit = usize;

/// Bytes of a digit.
const SIZE: usize = size_of::<Digit>();

/// An odd modulus. Numbers are slices of digits, lowest first, with at least as many digits as it has,
/// of which the further ones are zero; they are below the modulus.
///
/// A number *in Montgomery's form* is multiplied by R, which is 2 to the power of the modulus' bits, counted
/// in whole digits.
pub(super) struct Modulus {
    digits: Vec<Digit>,
    /// The inverse of the lowest digit, negated.
    inverse: Digit,
    /// 1 in Montgomery's form.
    one: Vec<Digit>,
    /// R in Montgomery's form, which takes a number there.
    square: Vec<Digit>,
}

impl Modulus {
    /// `bytes` are big-endian, without leading zeros; `None` unless they are an odd number above 1.
    pub(super) fn new(bytes: &[u8]) -> Option<Modulus> {
        let (first, last) = (*bytes.first()?, *bytes.last()?);
        if first == 0 || last & 1 == 0 || bytes == [1] {
            return None;
        }
        let mut digits = vec![0; bytes.len().div_ceil(SIZE)];
        store(bytes, &mut digits);
        let lowest = *digits.first()?;
        // Newton: right in the lowest 3 bits at first, in twice as many after each step.
        let mut inverse = lowest;
        for _ in 0..5 {
            let error = Digit::wrapping_sub(2, lowest.wrapping_mul(inverse));
            inverse = inverse.wrapping_mul(error);
        }
        let mut modulus = Modulus {
            inverse: inverse.wrapping_neg(),
            one: vec![0; digits.len()],
            square: Vec::new(),
            digits,
        };
        // The highest power of 2 below the modulus, doubled until it is R.
        let top = modulus.digits.last()?.ilog2();
        if let Some(digit) = modulus.one.last_mut() {
            *digit = 1 << top;
        }
        let mut power = modulus.one.clone();
        for _ in top..Digit::BITS {
            let half = power.clone();
            modulus.add(&mut power, &half, &half);
        }
        modulus.one = power.clone();
        let mut two = power.clone();
        modulus.add(&mut two, &power, &power);
        let bits = modulus.digits.len() * SIZE * 8;
        modulus.power(&mut power, &two, &bits.to_be_bytes());
        modulus.square = power;
        Some(modulus)
    }

    /// How many digits a number has.
    pub(super) fn len(&self) -> usize {
        self.digits.len()
    }

    /// Sets `out` to the big-endian number `bytes`; false if that is not below the modulus.
    pub(super) fn read(&self, out: &mut [Digit], bytes: &[u8]) -> bool {
        let room = self.len() * SIZE;
        let (over, bytes) = bytes.split_at(bytes.len().saturating_sub(room));
        store(bytes, out);
        over.iter().all(|&byte| byte == 0) && self.is_below(out)
    }

    /// As [`Modulus::read`], for a number of as many bits as the modulus, or fewer: reduced.
    pub(super) fn read_reduced(&self, out: &mut [Digit], bytes: &[u8]) {
        store(bytes, out);
        self.settle(out, 0);
    }

    /// Writes the number `from` to `bytes`, big-endian.
    pub(super) fn write(&self, bytes: &mut [u8], from: &[Digit]) {
        bytes.fill(0);
        for (bytes, digit) in bytes.rchunks_mut(SIZE).zip(from) {
            for (byte, digit) in bytes.iter_mut().rev().zip(digit.to_le_bytes()) {
                *byte = digit;
            }
        }
    }

    /// Sets `out` to `number` in Montgomery's form.
    pub(super) fn enter(&self, out: &mut [Digit], number: &[Digit]) {
        self.multiply(out, number, &self.square);
    }

    /// Sets `out` to what `number` is in Montgomery's form.
    pub(super) fn leave(&self, out: &mut [Digit], number: &[Digit]) {
        let mut one = vec![0; self.len()];
        if let Some(lowest) = one.first_mut() {
            *lowest = 1;
        }
        self.multiply(out, number, &one);
    }

    /// 1 in Montgomery's form.
    pub(super) fn one(&self) -> &[Digit] {
        &self.one
    }

    /// `out` = `a` + `b`.
    pub(super) fn add(&self, out: &mut [Digit], a: &[Digit], b: &[Digit]) {
        let mut carry = false;
        for ((out, a), &b) in out.iter_mut().zip(a).zip(b).take(self.len()) {
            (*out, carry) = a.carrying_add(b, carry);
        }
        self.settle(out, Digit::from(carry));
    }

    /// `out` = `a` - `b`.
    pub(super) fn subtract(&self, out: &mut [Digit], a: &[Digit], b: &[Digit]) {
        let mut borrow = false;
        for ((out, a), &b) in out.iter_mut().zip(a).zip(b).take(self.len()) {
            (*out, borrow) = a.borrowing_sub(b, borrow);
        }
        let (mask, mut carry) = (mask(borrow), false);
        for (out, digit) in out.iter_mut().zip(&self.digits) {
            (*out, carry) = out.carrying_add(digit & mask, carry);
        }
    }

    /// `out` = `a` · `b` / R: the product in Montgomery's form of two numbers in it.
    pub(super) fn multiply(&self, out: &mut [Digit], a: &[Digit], b: &[Digit]) {
        out.fill(0);
        let mut over = 0;
        for &a in a.iter().take(self.len()) {
            let lowest = match (out.first(), b.first()) {
                (Some(out), Some(b)) => a.wrapping_mul(*b).wrapping_add(*out),
                _ => 0,
            };
            // What makes the lowest digit zero, so that all can move down by one.
            let factor = lowest.wrapping_mul(self.inverse);
            let (mut carry, mut other) = (0, 0);
            let mut below = None;
            for ((out, &b), &digit) in out.iter_mut().zip(b).zip(&self.digits) {
                let sum;
                (sum, carry) = a.carrying_mul_add(b, *out, carry);
                let low;
                (low, other) = factor.carrying_mul_add(digit, sum, other);
                if let Some(below) = below.replace(out) {
                    *below = low;
                }
            }
            let (sum, first) = carry.overflowing_add(other);
            let (sum, second) = sum.overflowing_add(over);
            if let Some(last) = below {
                *last = sum;
            }
            over = Digit::from(first) + Digit::from(second);
        }
        self.settle(out, over);
    }

    /// `out` = `base` to the power of `exponent`, which is big-endian and no secret; in Montgomery's form.
    pub(super) fn power(&self, out: &mut [Digit], base: &[Digit], exponent: &[u8]) {
        let mut result = vec![0; self.len()];
        let mut product = self.one.clone();
        for bit in bits(exponent) {
            self.multiply(&mut result, &product, &product);
            match bit {
                true => self.multiply(&mut product, &result, base),
                false => std::mem::swap(&mut result, &mut product),
            }
        }
        for (out, digit) in out.iter_mut().zip(product) {
            *out = digit;
        }
    }

    /// Subtracts the modulus from `number` + `over` · R unless that is below it; it is below twice the modulus.
    fn settle(&self, number: &mut [Digit], over: Digit) {
        let mask = mask((over != 0) | !self.is_below(number));
        let mut borrow = false;
        for (number, digit) in number.iter_mut().zip(&self.digits) {
            (*number, borrow) = number.borrowing_sub(digit & mask, borrow);
        }
    }

    fn is_below(&self, number: &[Digit]) -> bool {
        let mut borrow = false;
        for (number, &digit) in number.iter().zip(&self.digits) {
            (_, borrow) = number.borrowing_sub(digit, borrow);
        }
        borrow
    }
}

/// All bits of the digit, or none: what stands in for a branch.
pub(super) fn mask(all: bool) -> Digit {
    black_box(Digit::from(all)).wrapping_neg()
}

/// The bits of a big-endian number, highest first.
pub(super) fn bits(bytes: &[u8]) -> impl Iterator<Item = bool> {
    bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 != 0))
}

/// Sets `out` to the big-endian number `bytes`. What does not fit is dropped.
fn store(bytes: &[u8], out: &mut [Digit]) {
    out.fill(0);
    for (out, bytes) in out.iter_mut().zip(bytes.rchunks(SIZE)) {
        *out = bytes
            .iter()
            .fold(0, |digit, &byte| digit << 8 | Digit::from(byte));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the numbers here: three digits of 64 bits, or six of 32.
    const BYTES: usize = 24;

    fn modulus(low: u128) -> Modulus {
        let mut bytes = [0xff; BYTES];
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        Modulus::new(&bytes).unwrap()
    }

    fn number(modulus: &Modulus, value: u128) -> Vec<Digit> {
        let (mut plain, mut out) = (vec![0; modulus.len()], vec![0; modulus.len()]);
        assert!(modulus.read(&mut plain, &value.to_be_bytes()));
        modulus.enter(&mut out, &plain);
        out
    }

    fn value(modulus: &Modulus, number: &[Digit]) -> [u8; BYTES] {
        let mut plain = vec![0; modulus.len()];
        modulus.leave(&mut plain, number);
        let mut bytes = [0; BYTES];
        modulus.write(&mut bytes, &plain);
        bytes
    }

    #[test]
    fn only_odd_numbers_are_moduli() {
        for wrong in [&[][..], &[0], &[1], &[2], &[0, 3], &[0x80, 0]] {
            assert!(Modulus::new(wrong).is_none(), "{wrong:?}");
        }
        for right in [&[3][..], &[0xff; 7], &[0xff; 8], &[0xff; 9]] {
            assert!(Modulus::new(right).is_some(), "{right:?}");
        }
    }

    #[test]
    fn small_moduli_agree_with_the_processor() {
        for odd in [3_u8, 5, 127, 129, 255] {
            let modulus = Modulus::new(&[odd]).unwrap();
            let back = |number: &[Digit]| {
                let mut plain = vec![0; 1];
                modulus.leave(&mut plain, number);
                plain[0]
            };
            for a in 0..odd {
                for b in 0..odd {
                    let (x, y) = (number(&modulus, a.into()), number(&modulus, b.into()));
                    let (a, b, odd) = (usize::from(a), usize::from(b), usize::from(odd));
                    let mut out = vec![0; 1];
                    modulus.multiply(&mut out, &x, &y);
                    assert_eq!(back(&out), a * b % odd, "{a} * {b} mod {odd}");
                    modulus.add(&mut out, &x, &y);
                    assert_eq!(back(&out), (a + b) % odd, "{a} + {b} mod {odd}");
                    modulus.subtract(&mut out, &x, &y);
                    assert_eq!(back(&out), (a + odd - b) % odd, "{a} - {b} mod {odd}");
                }
            }
        }
    }

    #[test]
    fn what_is_added_can_be_subtracted_and_the_rules_hold() {
        let modulus = modulus(0x1234_5678_9abc_def0_0fed_cba9_8765_4321);
        let three = number(&modulus, 3);
        let large = number(&modulus, u128::MAX);
        let (mut sum, mut back) = (three.clone(), three.clone());
        modulus.add(&mut sum, &large, &three);
        modulus.subtract(&mut back, &sum, &three);
        assert_eq!(back, large);
        // (a + b)² = a² + 2ab + b²
        let product = |a: &[Digit], b: &[Digit]| {
            let mut out = vec![0; modulus.len()];
            modulus.multiply(&mut out, a, b);
            out
        };
        let mut right = product(&large, &large);
        for part in [
            product(&large, &three),
            product(&three, &large),
            product(&three, &three),
        ] {
            let before = right.clone();
            modulus.add(&mut right, &before, &part);
        }
        assert_eq!(product(&sum, &sum), right);
    }

    #[test]
    fn powers_are_products() {
        let modulus = modulus(u128::MAX);
        let mut power = vec![0; modulus.len()];
        modulus.power(&mut power, &number(&modulus, 3), &[0, 80]);
        let expected = 3_u128.pow(80).to_be_bytes();
        assert_eq!(value(&modulus, &power)[8..], expected);
        modulus.power(&mut power, &number(&modulus, 3), &[]);
        assert_eq!(power, modulus.one());
    }

    #[test]
    fn numbers_are_read_if_they_are_below_the_modulus() {
        let modulus = modulus(1);
        let mut out = vec![0; modulus.len()];
        let mut bytes = [0xff; BYTES + 1];
        bytes[0] = 0;
        bytes[9..].copy_from_slice(&1_u128.to_be_bytes());
        assert!(!modulus.read(&mut out, &bytes));
        modulus.read_reduced(&mut out, &bytes[1..]);
        assert!(out.iter().all(|&digit| digit == 0));
        bytes[BYTES] = 0;
        assert!(modulus.read(&mut out, &bytes));
        bytes[0] = 1;
        assert!(!modulus.read(&mut out, &bytes));
    }
}
