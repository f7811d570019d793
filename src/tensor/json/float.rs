//! Fast conversion of decimal numbers to f32.
//!
//! A JSON tensor is mostly digits, and the standard library's conversion multiplies in 128 bits, for which WebAssembly has
//! no instruction. This module computes an f64 with a small error, and rounds it to f32 unless that error could change the
//! result; then the standard library converts the number. The idea is Clinger's fast path (1990, doi
//! 10.1145/93542.93557) with a margin.

/// The powers of ten that an f64 represents exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The f32 nearest to the JSON number at the beginning of `text`, and the length of the number; `None` if only the slower
/// conversion is exact, or if there is no number.
pub(super) fn leading_f32(text: &[u8]) -> Option<(f32, usize)> {
    /// The number of digits that always fit 64 bits.
    const MAX_DIGITS: usize = 19;
    let is_negative = text.first() == Some(&b'-');
    let start = usize::from(is_negative);
    let mut digits: u64 = 0;
    let mut at = skip_digits(text, start, &mut digits);
    let mut count = at - start;
    let mut exponent = 0;
    if count == 0 {
        return None;
    }
    if text.get(at) == Some(&b'.') {
        let point = at + 1;
        at = skip_digits(text, point, &mut digits);
        let decimals = at - point;
        count += decimals;
        exponent = -i32::try_from(decimals).ok()?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        let is_small = text.get(at) == Some(&b'-');
        at += usize::from(matches!(text.get(at), Some(b'-' | b'+')));
        let mut written: u64 = 0;
        let end = skip_digits(text, at, &mut written);
        // The exponent of an f32 has two digits.
        if !(1..=3).contains(&(end - at)) {
            return None;
        }
        at = end;
        let written = i32::try_from(written).ok()?;
        exponent += if is_small { -written } else { written };
    }
    if count > MAX_DIGITS && count - leading_zeros(&text[start..at]) > MAX_DIGITS {
        return None;
    }
    if digits == 0 {
        return Some((if is_negative { -0.0 } else { 0.0 }, at));
    }
    // Each of the two roundings loses at most half a unit in the last place.
    let power = POWERS.get(exponent.unsigned_abs() as usize)?;
    let value = if exponent < 0 {
        digits as f64 / power
    } else {
        digits as f64 * power
    };
    let narrow = rounded(value)?;
    Some((if is_negative { -narrow } else { narrow }, at))
}

/// Round to f32, unless an error of less than four units in the last place could move the value across a halfway point.
fn rounded(value: f64) -> Option<f32> {
    /// An f64 has 29 more bits than an f32; this is the halfway point among them.
    const LOW_BITS: u64 = (1 << 29) - 1;
    const HALFWAY: u64 = 1 << 28;
    const MARGIN: u64 = 4;
    // Numbers that are not normal keep another number of bits.
    let is_normal = (f64::from(f32::MIN_POSITIVE)..f64::from(f32::MAX)).contains(&value);
    let low_bits = value.to_bits() & LOW_BITS;
    (is_normal && low_bits.abs_diff(HALFWAY) > MARGIN).then_some(value as f32)
}

/// Append the digits from `at` to the number, and return their end. Digits that do not fit are lost; the caller counts
/// them.
fn skip_digits(text: &[u8], mut at: usize, number: &mut u64) -> usize {
    while let Some(eight) = text.get(at..at + 8).and_then(eight_digits) {
        *number = number.wrapping_mul(100_000_000).wrapping_add(eight);
        at += 8;
    }
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        *number = number
            .wrapping_mul(10)
            .wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    at
}

/// Parse eight digits in three steps, each of which joins neighbors.
fn eight_digits(text: &[u8]) -> Option<u64> {
    let bytes = u64::from_le_bytes(text.try_into().ok()?);
    // A digit is 0x30 to 0x39: its upper half is 3, also after adding 6.
    let upper = 0xf0f0_f0f0_f0f0_f0f0;
    let threes = 0x3030_3030_3030_3030;
    let sixes = 0x0606_0606_0606_0606;
    if bytes & upper != threes || bytes.wrapping_add(sixes) & upper != threes {
        return None;
    }
    let digits = bytes & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = digits.wrapping_mul(10 * (1 << 8) + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 * (1 << 16) + 1) >> 16 & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000 * (1 << 32) + 1) >> 32)
}

/// The number of zeros before the first other digit.
fn leading_zeros(number: &[u8]) -> usize {
    number
        .iter()
        .take_while(|byte| matches!(byte, b'0' | b'.'))
        .filter(|byte| **byte == b'0')
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_standard_library() {
        let mut texts: Vec<String> = [
            "0",
            "-0",
            "0.0",
            "-0.0e5",
            "1",
            "-1",
            "0.1",
            "3.4028235e38",
            "1e38",
            "1.5e-37",
            "16777217",
            "16777216.5",
            "16777219",
            "0.333333343267440796",
            "0.00392156862745098",
            "12345678",
            "123456789012345678",
            "0.0000000000000000000012345678901234567",
            "9007199254740993",
            "1.00000017881393432617187499",
            "1.00000017881393432617187500",
            "1e22",
            "1e-22",
            "123e-20",
        ]
        .map(str::to_owned)
        .to_vec();
        // A generator of one's own, so that the same numbers come each time: xorshift64 (Marsaglia).
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        for _ in 0..200_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let narrow = f32::from_bits((state >> 32) as u32);
            if narrow.is_finite() {
                texts.push(narrow.to_string());
                texts.push(format!("{narrow:e}"));
                texts.push(f64::from(narrow).to_string());
            }
            let unit = (state >> 11) as f64 / (1_u64 << 53) as f64;
            texts.push(unit.to_string());
            texts.push(format!("{:.7}", unit * 512.0 - 256.0));
            // The middle between two neighbors, where rounding is hardest, and just beside it.
            let low = unit as f32;
            let middle = (f64::from(low) + f64::from(low.next_up())) / 2.0;
            texts.push(middle.to_string());
            texts.push(middle.next_up().to_string());
            texts.push(middle.next_down().to_string());
        }
        let (mut wrong, mut fast) = (Vec::new(), 0);
        for text in &texts {
            let expected: f32 = text.parse().unwrap();
            let followed = format!("{text},9");
            if let Some((value, length)) = leading_f32(followed.as_bytes()) {
                fast += 1;
                if value.to_bits() != expected.to_bits() || length != text.len() {
                    wrong.push((text, value, length));
                }
            }
        }
        assert!(wrong.is_empty(), "{} wrong: {:?}", wrong.len(), &wrong[..1]);
        assert!(
            fast * 3 > texts.len(),
            "only {fast} of {} are fast",
            texts.len()
        );
    }

    #[test]
    fn what_is_left_to_the_standard_library() {
        for text in [
            "",
            "-",
            "x",
            "true",
            ".5",
            "-.5",
            "1e",
            "1e+",
            "1e9999",
            "1e-9999",
            "1e39",
            "1e-40",
            "16777217",
            "12345678901234567890",
            "1e23",
            "[1",
            "\"1\"",
        ] {
            assert_eq!(leading_f32(text.as_bytes()), None, "{text}");
        }
    }
}
