//! The setup header of Vorbis (Vorbis I specification, section 4.2.4), checked where the library panics instead.
//!
//! The codebooks and the floors are checked; what follows them is the library's.

/// The largest number of entries of all codebooks together, ten times as many as encoders use: a few bytes can
/// declare millions of them, for which the library makes tables.
const MAX_ENTRIES: u32 = 1 << 18;

/// The same for the values of the entries' vectors.
const MAX_VALUES: u32 = 1 << 20;

/// Checks the setup header after its packet type and signature.
///
/// # Errors
///
/// A message that continues "the Vorbis setup header".
pub(crate) fn check_setup(bytes: &[u8]) -> Result<(), &'static str> {
    let mut bits = Bits { bytes, position: 0 };
    let books = bits.read(8)? + 1;
    let (mut entries, mut values) = (0, 0);
    for _ in 0..books {
        let (more_entries, more_values) = check_codebook(&mut bits)?;
        entries += more_entries;
        values += more_values;
        if entries > MAX_ENTRIES || values > MAX_VALUES {
            return Err("has codebooks that are too large");
        }
    }
    let transforms = bits.read(6)? + 1;
    bits.skip(u64::from(transforms) * 16)?;
    let floors = bits.read(6)? + 1;
    for _ in 0..floors {
        match bits.read(16)? {
            0 => check_floor0(&mut bits, books)?,
            1 => check_floor1(&mut bits)?,
            _ => return Err("has a floor of an unknown type"),
        }
    }
    Ok(())
}

/// Section 3.2.1. The limits of the sizes are those of libvorbis, the reference. The result is the number of entries, and of
/// the values of their vectors.
fn check_codebook(bits: &mut Bits<'_>) -> Result<(u32, u32), &'static str> {
    if bits.read(24)? != 0x56_4342 {
        return Err("has no codebook where one is expected");
    }
    let (dimensions, entries) = (bits.read(16)?, bits.read(24)?);
    if dimensions == 0 || entries == 0 || ilog(dimensions) + ilog(entries) > 24 {
        return Err("has a codebook of an invalid size");
    }
    let is_ordered = bits.read(1)? == 1;
    if is_ordered {
        let mut len = bits.read(5)? + 1;
        let mut entry = 0;
        while entry < entries {
            let count = bits.read(ilog(entries - entry))?;
            if len > 32 || count > entries - entry {
                return Err("has a codebook with an invalid codeword length");
            }
            entry += count;
            len += 1;
        }
    } else {
        let is_sparse = bits.read(1)? == 1;
        for _ in 0..entries {
            if !is_sparse || bits.read(1)? == 1 {
                bits.skip(5)?;
            }
        }
    }
    let lookup = bits.read(4)?;
    if lookup == 0 {
        return Ok((entries, 0));
    }
    bits.skip(64)?;
    let value_bits = bits.read(4)? + 1;
    bits.skip(1)?;
    let values = match lookup {
        1 => lookup1_values(entries, dimensions)
            .ok_or("has a codebook with an invalid number of dimensions")?,
        2 => entries * dimensions,
        _ => return Err("has a codebook with an unknown lookup type"),
    };
    bits.skip(u64::from(values) * u64::from(value_bits))?;
    // The product has at most 24 bits.
    Ok((entries, entries * dimensions))
}

/// The largest number whose power is at most the number of entries (section 9.2.3), if the library finds it: it computes
/// the number in f32, and the next number's power in u32.
fn lookup1_values(entries: u32, dimensions: u32) -> Option<u32> {
    let value = (entries as f32).powf(1.0 / dimensions as f32).floor() as u32;
    let is_right =
        value.checked_pow(dimensions)? <= entries && (value + 1).checked_pow(dimensions)? > entries;
    is_right.then_some(value)
}

/// Section 6.2.1.
fn check_floor0(bits: &mut Bits<'_>, books: u32) -> Result<(), &'static str> {
    let (order, rate, bark_map_size) = (bits.read(8)?, bits.read(16)?, bits.read(16)?);
    bits.skip(6 + 8)?;
    let count = bits.read(4)? + 1;
    let mut are_known = true;
    for _ in 0..count {
        are_known &= bits.read(8)? < books;
    }
    if order == 0 || rate == 0 || bark_map_size == 0 || !are_known {
        return Err("has an invalid floor of type 0");
    }
    Ok(())
}

/// Section 7.2.2: no two points may have the same position.
fn check_floor1(bits: &mut Bits<'_>) -> Result<(), &'static str> {
    let partitions = bits.read(5)?;
    let mut classes = Vec::new();
    for _ in 0..partitions {
        classes.push(bits.read(4)? as usize);
    }
    let count = classes.iter().max().map_or(0, |max| max + 1);
    let mut dimensions = Vec::new();
    for _ in 0..count {
        dimensions.push(bits.read(3)? + 1);
        let subclasses = bits.read(2)?;
        if subclasses > 0 {
            bits.skip(8)?;
        }
        bits.skip(8 << subclasses)?;
    }
    bits.skip(2)?;
    let range_bits = bits.read(4)?;
    let mut positions = vec![0, 1 << range_bits];
    for class in classes {
        for _ in 0..dimensions[class] {
            positions.push(bits.read(range_bits)?);
        }
    }
    positions.sort_unstable();
    if positions.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("has a floor with two points at one position");
    }
    Ok(())
}

/// The number of bits of a value (section 9.2.1).
fn ilog(value: u32) -> u32 {
    u32::BITS - value.leading_zeros()
}

/// Bits of a Vorbis packet, which begin with each byte's least significant one (section 2.1).
struct Bits<'a> {
    bytes: &'a [u8],
    /// In bits.
    position: u64,
}

impl Bits<'_> {
    /// A number of up to 24 bits.
    fn read(&mut self, count: u32) -> Result<u32, &'static str> {
        let start = self.position;
        self.skip(count.into())?;
        // The skipped bits are within the bytes, whose number fits into a usize.
        let (first, last) = ((start / 8) as usize, self.position.div_ceil(8) as usize);
        let word = self.bytes[first..last]
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u32::from(byte));
        Ok(word >> (start % 8) & ((1 << count) - 1))
    }

    fn skip(&mut self, count: u64) -> Result<(), &'static str> {
        self.position += count;
        if self.position > self.bytes.len() as u64 * 8 {
            return Err("ends too early");
        }
        Ok(())
    }
}
