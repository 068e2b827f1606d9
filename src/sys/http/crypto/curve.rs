//! The curves P-256 and P-384 of FIPS 186-5 and SP 800-186.
//!
//! Points are projective, x = X/Z and y = Y/Z, in Montgomery's form, and added by formulas without
//! exceptions: algorithm 4 of Renes, Costello and Batina, "Complete addition formulas for prime order
//! elliptic curves". A sum takes as long whatever its points are. Without tables: those of ring for P-256
//! alone are 148 kB.

use super::modular::{Digit, Modulus, bits, mask};

/// Digits of a number on the larger curve.
const DIGITS: usize = 384 / Digit::BITS as usize;
/// Bytes of a point on the larger curve: a 4, x and y.
const POINT: usize = 1 + 2 * 48;

/// A coordinate, or a number modulo the order.
pub(super) type Number = [Digit; DIGITS];

/// What a curve y² = x³ - 3x + b is made of: big-endian numbers, all of the same length.
pub(super) struct Parameters {
    /// Of the field.
    prime: &'static [u8],
    /// Of the generator.
    pub(super) order: &'static [u8],
    b: &'static [u8],
    generator: (&'static [u8], &'static [u8]),
}

pub(super) static P256: Parameters = Parameters {
    prime: &hex::<32>("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
    order: &hex::<32>("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    b: &hex::<32>("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"),
    generator: (
        &hex::<32>("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
        &hex::<32>("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"),
    ),
};

pub(super) static P384: Parameters = Parameters {
    prime: &hex::<48>(
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
    ),
    order: &hex::<48>(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
    b: &hex::<48>(
        "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
    ),
    generator: (
        &hex::<48>(
            "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
        ),
        &hex::<48>(
            "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
        ),
    ),
};

/// A curve, ready for sums.
pub(super) struct Curve {
    parameters: &'static Parameters,
    field: Modulus,
    b: Number,
}

/// A point of a curve, or infinity.
#[derive(Clone, Copy)]
pub(super) struct Point {
    x: Number,
    y: Number,
    z: Number,
}

impl Curve {
    /// `None` for parameters that are none.
    pub(super) fn new(parameters: &'static Parameters) -> Option<Curve> {
        let mut curve = Curve {
            parameters,
            field: Modulus::new(parameters.prime)?,
            b: Number::default(),
        };
        curve.b = curve.coordinate(parameters.b)?;
        Some(curve)
    }

    /// The point that all others are multiples of.
    pub(super) fn generator(&self) -> Option<Point> {
        let (x, y) = self.parameters.generator;
        self.point_of(x, y)
    }

    /// The point that is encoded as a 4, x and y (SEC 1, 2.3.4).
    ///
    /// `None` if it is written in another way, is infinity, or not on the curve.
    pub(super) fn point(&self, bytes: &[u8]) -> Option<Point> {
        let size = self.parameters.prime.len();
        match bytes {
            [4, rest @ ..] if rest.len() == 2 * size => {
                let (x, y) = rest.split_at_checked(size)?;
                self.point_of(x, y)
            }
            _ => None,
        }
    }

    /// The reverse of [`Curve::point`]; `None` for infinity.
    pub(super) fn encoding(&self, point: &Point) -> Option<Encoding> {
        let is_infinity = point.z.iter().fold(0, |any, digit| any | digit) == 0;
        if is_infinity {
            return None;
        }
        let size = self.parameters.prime.len();
        let mut inverse = Number::default();
        self.field
            .power(&mut inverse, &point.z, &minus_two(self.parameters.prime));
        let mut encoding = Encoding {
            bytes: [0; POINT],
            size,
        };
        let [head, rest @ ..] = &mut encoding.bytes;
        *head = 4;
        for (bytes, number) in rest.chunks_mut(size).zip([&point.x, &point.y]) {
            let mut plain = Number::default();
            self.field
                .leave(&mut plain, &self.product(number, &inverse));
            self.field.write(bytes, &plain);
        }
        Some(encoding)
    }

    /// The sum of `points`, each as often as the number beside it says, which is big-endian, and as long as
    /// the curve's parameters. How long it takes does not depend on the numbers.
    pub(super) fn sum(&self, points: &[(&Point, &[u8])]) -> Point {
        let mut sum = self.infinity();
        let mut bits: Vec<_> = points
            .iter()
            .map(|(point, number)| (*point, bits(number)))
            .collect();
        for _ in 0..8 * self.parameters.order.len() {
            sum = self.add(&sum, &sum);
            for (point, bits) in &mut bits {
                let with = self.add(&sum, point);
                let mask = mask(bits.next() == Some(true));
                choose(&mut sum.x, &with.x, mask);
                choose(&mut sum.y, &with.y, mask);
                choose(&mut sum.z, &with.z, mask);
            }
        }
        sum
    }

    fn infinity(&self) -> Point {
        let mut one = Number::default();
        for (to, from) in one.iter_mut().zip(self.field.one()) {
            *to = *from;
        }
        Point {
            x: Number::default(),
            y: one,
            z: Number::default(),
        }
    }

    fn point_of(&self, x: &[u8], y: &[u8]) -> Option<Point> {
        let x = self.coordinate(x)?;
        let y = self.coordinate(y)?;
        // x³ - 3x + b = (x² - 3)·x + b
        let one = self.infinity().y;
        let three = self.plus(&self.plus(&one, &one), &one);
        let right = self.minus(&self.product(&x, &x), &three);
        let right = self.plus(&self.product(&right, &x), &self.b);
        (self.product(&y, &y) == right).then_some(Point { x, y, z: one })
    }

    fn coordinate(&self, bytes: &[u8]) -> Option<Number> {
        let (mut plain, mut number) = (Number::default(), Number::default());
        if !self.field.read(&mut plain, bytes) {
            return None;
        }
        self.field.enter(&mut number, &plain);
        Some(number)
    }

    /// The names are those of the paper.
    fn add(&self, p: &Point, q: &Point) -> Point {
        let t0 = self.product(&p.x, &q.x);
        let t1 = self.product(&p.y, &q.y);
        let t2 = self.product(&p.z, &q.z);
        // The sums of the products crosswise: xy + yx, yz + zy, xz + zx.
        let cross = |a: &Number, b: &Number, c: &Number, d: &Number, known: &Number| {
            let both = self.product(&self.plus(a, b), &self.plus(c, d));
            self.minus(&both, known)
        };
        let t3 = cross(&p.x, &p.y, &q.x, &q.y, &self.plus(&t0, &t1));
        let t4 = cross(&p.y, &p.z, &q.y, &q.z, &self.plus(&t1, &t2));
        let y3 = cross(&p.x, &p.z, &q.x, &q.z, &self.plus(&t0, &t2));

        let x3 = self.minus(&y3, &self.product(&self.b, &t2));
        let x3 = self.thrice(&x3);
        let z3 = self.minus(&t1, &x3);
        let x3 = self.plus(&t1, &x3);
        let t2 = self.thrice(&t2);
        let y3 = self.minus(&self.product(&self.b, &y3), &t2);
        let y3 = self.thrice(&self.minus(&y3, &t0));
        let t0 = self.minus(&self.thrice(&t0), &t2);
        let product = |a, b, c, d| (self.product(a, b), self.product(c, d));
        let (a, b) = product(&t3, &x3, &t4, &y3);
        let (c, d) = product(&x3, &z3, &t0, &y3);
        let (e, f) = product(&t4, &z3, &t3, &t0);
        Point {
            x: self.minus(&a, &b),
            y: self.plus(&c, &d),
            z: self.plus(&e, &f),
        }
    }

    fn product(&self, a: &Number, b: &Number) -> Number {
        let mut out = Number::default();
        self.field.multiply(&mut out, a, b);
        out
    }

    fn plus(&self, a: &Number, b: &Number) -> Number {
        let mut out = Number::default();
        self.field.add(&mut out, a, b);
        out
    }

    fn minus(&self, a: &Number, b: &Number) -> Number {
        let mut out = Number::default();
        self.field.subtract(&mut out, a, b);
        out
    }

    fn thrice(&self, a: &Number) -> Number {
        self.plus(&self.plus(a, a), a)
    }
}

/// A point in bytes.
#[derive(Clone)]
pub(super) struct Encoding {
    bytes: [u8; POINT],
    size: usize,
}

impl Encoding {
    /// A 4, x and y.
    pub(super) fn point(&self) -> &[u8] {
        self.bytes.get(..=2 * self.size).unwrap_or_default()
    }

    pub(super) fn x(&self) -> &[u8] {
        self.bytes.get(1..=self.size).unwrap_or_default()
    }
}

/// A prime less 2, by whose power a number is inverted (Fermat). The lowest byte of none of ours is below 2.
pub(super) fn minus_two(prime: &[u8]) -> Vec<u8> {
    let mut less = prime.to_vec();
    if let Some(lowest) = less.last_mut() {
        *lowest = lowest.wrapping_sub(2);
    }
    less
}

/// `number` = `other` where the mask says so.
fn choose(number: &mut Number, other: &Number, mask: Digit) {
    for (digit, other) in number.iter_mut().zip(other) {
        *digit ^= (*digit ^ other) & mask;
    }
}

/// The bytes of a literal.
const fn hex<const N: usize>(digits: &str) -> [u8; N] {
    const fn value(digit: u8) -> u8 {
        match digit {
            b'0'..=b'9' => digit - b'0',
            _ => digit - b'a' + 10,
        }
    }
    let digits = digits.as_bytes();
    assert!(digits.len() == 2 * N);
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = value(digits[2 * at]) << 4 | value(digits[2 * at + 1]);
        at += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(curve: &Curve, number: u8) -> Point {
        let mut bytes = vec![0; curve.parameters.order.len()];
        *bytes.last_mut().unwrap() = number;
        curve.sum(&[(&curve.generator().unwrap(), &bytes)])
    }

    #[test]
    fn the_parameters_belong_together() {
        for parameters in [&P256, &P384] {
            let curve = Curve::new(parameters).unwrap();
            let generator = curve.generator().unwrap();
            let order = curve.sum(&[(&generator, parameters.order)]);
            assert!(curve.encoding(&order).is_none());
            let mut less = minus_two(parameters.order);
            *less.last_mut().unwrap() += 1;
            let last = curve.encoding(&curve.sum(&[(&generator, &less)])).unwrap();
            let first = curve.encoding(&generator).unwrap();
            assert_eq!(last.x(), first.x());
            assert_ne!(last.point(), first.point());
        }
    }

    #[test]
    fn sums_have_no_exceptions() {
        for parameters in [&P256, &P384] {
            let curve = Curve::new(parameters).unwrap();
            let same = |a: Point, b: Point| {
                let bytes = |point| {
                    curve
                        .encoding(&point)
                        .map(|encoding| encoding.point().to_vec())
                };
                assert_eq!(bytes(a), bytes(b));
            };
            let [zero, one, two, three] = [0, 1, 2, 3].map(|number| times(&curve, number));
            same(zero, curve.infinity());
            same(curve.add(&one, &zero), one);
            same(curve.add(&zero, &one), one);
            same(curve.add(&zero, &zero), zero);
            same(curve.add(&one, &one), two);
            same(curve.add(&two, &one), three);
            same(curve.add(&one, &two), three);
            let mut opposite = one;
            opposite.y = curve.minus(&Number::default(), &one.y);
            same(curve.add(&one, &opposite), zero);
            same(curve.add(&three, &opposite), two);
        }
    }

    #[test]
    fn what_is_not_on_the_curve_is_no_point() {
        let curve = Curve::new(&P256).unwrap();
        let sound = curve.encoding(&times(&curve, 5)).unwrap();
        let sound = sound.point();
        assert!(curve.point(sound).is_some());
        for place in 0..sound.len() {
            let mut damaged = sound.to_vec();
            damaged[place] ^= 1;
            assert!(curve.point(&damaged).is_none(), "{place}");
        }
        for end in 0..sound.len() {
            assert!(curve.point(&sound[..end]).is_none(), "{end}");
        }
        let mut beyond = vec![4];
        beyond.extend(P256.prime);
        beyond.extend(P256.prime);
        assert!(curve.point(&beyond).is_none());
    }
}
