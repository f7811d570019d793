//! Files that NumPy writes, and malformed files.

use super::*;
use crate::tests::support::card;

/// Build a file of this format version from a header and data.
fn file(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend([version, 0]);
    if version == 1 {
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    } else {
        bytes.extend(u32::try_from(header.len()).unwrap().to_le_bytes());
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn tensor(datatype: Datatype, shape: &[u32], data: &[u8]) -> Tensor {
    Tensor {
        datatype,
        shape: shape.to_vec(),
        data: data.to_vec(),
    }
}

#[test]
fn written_files_are_read() {
    for (datatype, shape) in [
        (Datatype::Fp32, &[2, 3][..]),
        (Datatype::Uint8, &[7]),
        (Datatype::Int64, &[1, 1, 1]),
        (Datatype::Fp16, &[]),
    ] {
        let size = shape.iter().product::<u32>() as usize * datatype.element_bytes().unwrap();
        let tensor = tensor(datatype, shape, &vec![9; size]);
        let free = vec![-1; shape.len()];
        let card = card(&[("x", datatype.name(), &free)]);
        let (name, actual) = decode(&encode(&tensor).unwrap(), &card).unwrap();
        assert_eq!((name.as_str(), actual), ("x", tensor));
    }
}

#[test]
fn every_order_becomes_row_major() {
    struct Case(u8, &'static str, Vec<u8>, &'static str, Vec<u8>);
    let i2 = |values: &[i16], big: bool| -> Vec<u8> {
        let bytes = |value: &i16| {
            if big {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        values.iter().flat_map(bytes).collect()
    };
    let i4 = |values: &[i32]| -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    };
    let in_order = i4(&[0, 1, 2, 3, 4, 5]);
    let cases = [
        Case(
            1,
            "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }",
            i2(&[0, 1, 2, 3, 4, 5], false),
            "INT32",
            in_order.clone(),
        ),
        Case(
            2,
            "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n",
            i2(&[0, 3, 1, 4, 2, 5], true),
            "INT32",
            in_order.clone(),
        ),
        Case(
            3,
            " { \"shape\":(2,3) , \"fortran_order\":True,\"descr\":\"|i1\" } ",
            vec![0, 3, 1, 4, 2, 5],
            "INT32",
            in_order,
        ),
        Case(
            1,
            "{'descr': '|b1', 'fortran_order': True, 'shape': (2, 3)}",
            vec![1, 0, 1, 0, 0, 0],
            "UINT8",
            vec![1, 1, 0, 0, 0, 0],
        ),
    ];
    for Case(version, header, data, datatype, expected) in cases {
        let card = card(&[("x", datatype, &[-1, 3])]);
        let (_, actual) = decode(&file(version, header, &data), &card).unwrap();
        assert_eq!(
            (actual.shape, actual.data),
            (vec![2, 3], expected),
            "{header}"
        );
    }
    // Three dimensions of different sizes in column-major order, by NumPy's definition.
    let column_major: Vec<u8> = (0..4)
        .flat_map(|k| (0..3).flat_map(move |j| (0..2).map(move |i| i * 12 + j * 4 + k)))
        .collect();
    let header = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 4)}";
    let card = card(&[("x", "UINT8", &[2, 3, 4])]);
    let (_, actual) = decode(&file(1, header, &column_major), &card).unwrap();
    assert_eq!(actual.data, (0..24).collect::<Vec<u8>>());
}

#[test]
fn invalid_files_have_their_errors() {
    let header = |text: &str| file(1, text, &[0; 8]);
    let good = "'fortran_order': False, 'shape': (1, 2)";
    let deep = format!("{{'shape': {}", "(".repeat(60_000));
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (
            b"PK".to_vec(),
            "the body is not a NumPy file: it does not begin with `\\x93NUMPY`",
        ),
        (
            MAGIC.to_vec(),
            "the body is not a NumPy file: it ends within the header",
        ),
        (
            b"\x93NUMPY\x01\0\xff\xff{".to_vec(),
            "the body is not a NumPy file: it ends within the header",
        ),
        (
            b"\x93NUMPY\x02\0\xff\xff\xff\xff{".to_vec(),
            "the body is not a NumPy file: it ends within the header",
        ),
        (
            b"\x93NUMPY\x04\0\0\0\0\0".to_vec(),
            "the body is not a NumPy file: its format is newer than 3",
        ),
        (
            b"\x93NUMPY\x01\0\x01\0\xff".to_vec(),
            "the body is not a NumPy file: its header is not UTF-8",
        ),
        (
            header(""),
            "the NumPy header `` cannot be read: a dictionary is missing; expected for example \
                      {'descr': '<f4', 'fortran_order': False, 'shape': (1, 3)}",
        ),
        (
            header("{"),
            "the NumPy header `{` cannot be read: a text in quotes is missing",
        ),
        (
            header("{}"),
            "the NumPy header `{}` cannot be read: `descr` is missing",
        ),
        (
            header("{'descr': '<f4'}"),
            "the NumPy header `{'descr': '<f4'}` cannot be read: `fortran_order` is missing",
        ),
        (
            header("{'descr' '<f4'}"),
            "the NumPy header `{'descr' '<f4'}` cannot be read: a `:` is missing after a key",
        ),
        (
            header("{'more': 1}"),
            "the NumPy header `{'more': 1}` cannot be read: it has another key than `descr`",
        ),
        (
            header("{'fortran_order': 0}"),
            "the NumPy header `{'fortran_order': 0}` cannot be read: `fortran_order` is neither",
        ),
        (
            header("{'shape': [1]}"),
            "the NumPy header `{'shape': [1]}` cannot be read: `shape` is no tuple of sizes",
        ),
        (
            header("{'shape': (-1,)}"),
            "the NumPy header `{'shape': (-1,)}` cannot be read: `shape` is no tuple of sizes",
        ),
        (
            header("{'shape': (1 2)}"),
            "the NumPy header `{'shape': (1 2)}` cannot be read: `shape` is no tuple of sizes",
        ),
        (
            header(&deep),
            "the NumPy header `{'shape': ((((((((((((((((",
        ),
        (
            header(&format!("{{'shape': ({})}}", "1,".repeat(40))),
            "the NumPy header `{'shape': (1,1,1,1,",
        ),
        (
            header(&format!("{{'descr': '<f4', {good}}} x")),
            "the NumPy header `{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)} x` cannot be read: text follows",
        ),
        (
            header(&format!("{{'descr': '<U4', {good}}}")),
            "the NumPy dtype `<U4` is unsupported",
        ),
        (
            header(&format!("{{'descr': '', {good}}}")),
            "the NumPy dtype `` is unsupported",
        ),
        (
            header(&format!("{{'descr': 'é4', {good}}}")),
            "the NumPy dtype `é4` is unsupported",
        ),
        (
            header(&format!("{{'descr': '<f8', {good}}}")),
            "the NumPy header says 16 bytes of data (FP64 of shape [1, 2]), got 8",
        ),
        (
            file(1, &format!("{{'descr': '<f8', {good}}}"), &[0; 16]),
            "input `x`: datatype FP64, expected FP32; convert the array with `astype`",
        ),
        (
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)}"),
            "input `x`: shape [2, 1] does not fit [-1, 2]",
        ),
        (
            header("{'descr': '<f4', 'fortran_order': True, 'shape': (18446744073709551615, 2)}"),
            "the NumPy header says 18446744073709551615 bytes",
        ),
        (
            file(
                1,
                "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 0)}",
                &[],
            ),
            "input `x`: shape [2, 0] does not fit [-1, 2]",
        ),
        (
            file(
                1,
                "{'descr': '<u4', 'fortran_order': False, 'shape': (2,)}",
                &[1, 0, 0, 1, 0, 0, 0, 0],
            ),
            "input `x`: value 0 is 16777217, which FP32 does not hold",
        ),
    ];
    let card = card(&[("x", "FP32", &[-1, 2])]);
    let mut wrong = Vec::new();
    for (body, expected) in cases {
        let message = match decode(&body, &card) {
            Ok(actual) => format!("{actual:?}"),
            Err(error) => error.to_string(),
        };
        if !message.starts_with(expected) {
            wrong.push((message, expected));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn encode_writes_the_bytes_that_numpy_writes() {
    // The header of np.lib.format for np.float32 of shape (2, 3).
    let file = encode(&tensor(Datatype::Fp32, &[2, 3], &[7; 24])).unwrap();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,3,), }";
    assert!(file.starts_with(b"\x93NUMPY\x01\x00\x76\x00"));
    assert!(file[10..].starts_with(header.as_bytes()));
    assert_eq!(file[127], b'\n');
    assert_eq!(file[128..], [7; 24]);
    let scalar = encode(&tensor(Datatype::Int64, &[], &[0; 8])).unwrap();
    assert!(String::from_utf8_lossy(&scalar).contains("'shape': ()"));
    assert_eq!(
        encode(&tensor(Datatype::Bf16, &[1], &[0; 2]))
            .unwrap_err()
            .kind()
            .status(),
        406
    );
}
