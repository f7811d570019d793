//! `BYTES` tensors: byte strings, each preceded by its length in four little-endian bytes (Triton's binary
//! tensor data extension).

/// The data of a `BYTES` tensor are malformed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BytesError {
    /// The data end within a length or within an element.
    #[error(
        "element {index} of the BYTES tensor ends past the data: {expected} bytes are announced, {left} \
         are left"
    )]
    End {
        /// The element's index.
        index: usize,
        /// The element's length in bytes; 4 if the length itself is truncated.
        expected: usize,
        /// The bytes that are left.
        left: usize,
    },
    /// The number of elements differs from the shape.
    #[error("the BYTES tensor has {actual} elements, its shape says {expected}")]
    Count {
        /// The number of elements of the shape.
        expected: u64,
        /// The number of elements in the data.
        actual: u64,
    },
}

/// Split a tensor's data into its `expected` elements.
///
/// # Errors
/// If the data are truncated, or have more or fewer elements.
pub fn split(mut data: &[u8], expected: u64) -> Result<Vec<&[u8]>, BytesError> {
    let mut elements = Vec::new();
    while !data.is_empty() {
        let end = |expected, left: &[u8]| BytesError::End {
            index: elements.len(),
            expected,
            left: left.len(),
        };
        let (length, rest) = data.split_first_chunk::<4>().ok_or_else(|| end(4, data))?;
        let length = u32::from_le_bytes(*length) as usize;
        let (element, rest) = rest
            .split_at_checked(length)
            .ok_or_else(|| end(length, rest))?;
        elements.push(element);
        data = rest;
    }
    let actual = elements.len() as u64;
    if actual != expected {
        return Err(BytesError::Count { expected, actual });
    }
    Ok(elements)
}

/// Append one element.
pub fn push(element: &[u8], data: &mut Vec<u8>) {
    // Elements are short texts that this service writes. One of 4 GiB does not fit into its memory.
    let length = u32::try_from(element.len()).unwrap_or(u32::MAX);
    data.extend(length.to_le_bytes());
    data.extend(element);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_returns_the_elements_or_an_error() {
        type Case = (
            &'static [u8],
            u64,
            Result<&'static [&'static str], &'static str>,
        );
        let cases: [Case; 9] = [
            (b"", 0, Ok(&[])),
            (b"\x02\0\0\0ab", 1, Ok(&["ab"])),
            (b"\0\0\0\0\x01\0\0\0x", 2, Ok(&["", "x"])),
            (
                b"",
                1,
                Err("the BYTES tensor has 0 elements, its shape says 1"),
            ),
            (
                b"\0\0\0\0\0\0\0\0",
                1,
                Err("the BYTES tensor has 2 elements, its shape says 1"),
            ),
            (
                b"\0\0\0\0",
                u64::MAX,
                Err("the BYTES tensor has 1 elements, its shape says 18446744073709551615"),
            ),
            (
                b"\x02\0\0",
                1,
                Err(
                    "element 0 of the BYTES tensor ends past the data: 4 bytes are announced, 3 are left",
                ),
            ),
            (
                b"\x01\0\0\0a\x03\0\0\0xy",
                2,
                Err(
                    "element 1 of the BYTES tensor ends past the data: 3 bytes are announced, 2 are left",
                ),
            ),
            (
                b"\xff\xff\xff\xffab",
                1,
                Err(
                    "element 0 of the BYTES tensor ends past the data: 4294967295 bytes are announced, 2 \
                     are left",
                ),
            ),
        ];
        let mut wrong = Vec::new();
        for (data, count, expected) in cases {
            let actual = split(data, count).map_err(|error| error.to_string());
            let actual = actual.map(|all| {
                let texts = all
                    .iter()
                    .map(|one| String::from_utf8_lossy(one).into_owned());
                texts.collect::<Vec<_>>()
            });
            let expected = expected
                .map(|all| all.iter().map(|one| (*one).to_owned()).collect())
                .map_err(str::to_owned);
            if actual != expected {
                wrong.push((actual, expected));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn pushed_elements_are_split_again() {
        let mut data = Vec::new();
        for element in ["", "a", "0.500000:1:cat"] {
            push(element.as_bytes(), &mut data);
        }
        let actual = split(&data, 3).unwrap();
        assert_eq!(actual, [&b""[..], b"a", b"0.500000:1:cat"]);
    }
}
