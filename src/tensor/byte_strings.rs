//! `BYTES` tensors: byte strings, each behind its length in four little-endian bytes (Triton's binary
//! tensor data extension).

/// Why bytes are no such tensor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BytesError {
    /// A length, or what it announces, goes past the end.
    #[error(
        "element {index} of the BYTES tensor ends past the data: {expected} bytes are announced, {left} \
         are left"
    )]
    End {
        /// Its place, from 0.
        index: usize,
        /// What its length says; 4 when the length itself is cut off.
        expected: usize,
        /// What there is.
        left: usize,
    },
    /// Not as many as the shape says.
    #[error("the BYTES tensor has {came} elements, its shape says {expected}")]
    Count {
        /// Of the shape.
        expected: u64,
        /// Read from the data.
        came: u64,
    },
}

/// The elements of a tensor with `expected` of them.
///
/// # Errors
/// When the data end early, or there are more or fewer.
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
    let came = elements.len() as u64;
    if came != expected {
        return Err(BytesError::Count { expected, came });
    }
    Ok(elements)
}

/// Append one element.
pub fn push(element: &[u8], data: &mut Vec<u8>) {
    // An element is a short text of this service's own; one of 4 GiB does not fit into its memory.
    let length = u32::try_from(element.len()).unwrap_or(u32::MAX);
    data.extend(length.to_le_bytes());
    data.extend(element);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_or_the_lie_is() {
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
            let came = split(data, count).map_err(|error| error.to_string());
            let came = came.map(|all| {
                let texts = all
                    .iter()
                    .map(|one| String::from_utf8_lossy(one).into_owned());
                texts.collect::<Vec<_>>()
            });
            let expected = expected
                .map(|all| all.iter().map(|one| (*one).to_owned()).collect())
                .map_err(str::to_owned);
            if came != expected {
                wrong.push((came, expected));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn what_is_appended_is_found() {
        let mut data = Vec::new();
        for element in ["", "a", "0.500000:1:cat"] {
            push(element.as_bytes(), &mut data);
        }
        let came = split(&data, 3).unwrap();
        assert_eq!(came, [&b""[..], b"a", b"0.500000:1:cat"]);
    }
}
