//! One tensor is the same bit for bit in every form of request and response.

use half::f16;
use infer_tensor::Datatype;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::{Engine, service};
use crate::catalog::{Files, Models};
use crate::http::content_coding::{Coding, encoded, inflate};
use crate::http::limits::Limits;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::settings::Settings;
use crate::http::timing::Timing;
use crate::protocols::Plan;
use crate::protocols::oip::binary::HEADER;
use crate::tensor::Tensor;
use crate::tensor::json::values::Nested;

thread_local! {
    // Load once: that takes longer than a case.
    static SERVICE: (Models, Engine) = service();
}

/// The datatypes of inputs that the engine supports.
const DATATYPES: [Datatype; 6] = [
    Datatype::Bool,
    Datatype::Uint8,
    Datatype::Int32,
    Datatype::Int64,
    Datatype::Fp16,
    Datatype::Fp32,
];

/// A tensor of any datatype and values, including NaN and infinity, with a number of dimensions.
fn tensors(ranks: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Tensor> {
    (
        select(&DATATYPES[..]),
        prop::collection::vec(1..5_u32, ranks),
    )
        .prop_flat_map(|(datatype, shape)| {
            let count = shape.iter().product::<u32>() as usize;
            let element = any::<i32>().prop_map(move |bits| match datatype {
                Datatype::Bool => vec![u8::from(bits & 1 == 1)],
                Datatype::Uint8 => vec![bits as u8],
                Datatype::Fp16 => (bits as u16).to_le_bytes().to_vec(),
                // The engine computes INT64 in 32 bits.
                Datatype::Int64 => i64::from(bits).to_le_bytes().to_vec(),
                _ => bits.to_le_bytes().to_vec(),
            });
            prop::collection::vec(element, count).prop_map(move |elements| Tensor {
                datatype,
                shape: shape.clone(),
                data: elements.concat(),
            })
        })
}

/// Whether JSON can represent a tensor.
fn is_in_json(tensor: &Tensor) -> bool {
    match tensor.datatype {
        Datatype::Fp16 => false,
        Datatype::Fp32 => floats(tensor).iter().all(|value| value.is_finite()),
        _ => true,
    }
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    let (values, _) = tensor.data.as_chunks::<4>();
    values
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect()
}

/// A NumPy file, as NumPy writes it.
fn npy(tensor: &Tensor, is_big_endian: bool, is_fortran_order: bool) -> Vec<u8> {
    let width = tensor.datatype.element_bytes().unwrap();
    let kind = match tensor.datatype {
        Datatype::Bool => "b1",
        Datatype::Uint8 => "u1",
        Datatype::Int32 => "i4",
        Datatype::Int64 => "i8",
        Datatype::Fp16 => "f2",
        Datatype::Fp32 => "f4",
        other => unreachable!("no case of {other}"),
    };
    let sizes: Vec<usize> = tensor.shape.iter().map(|size| *size as usize).collect();
    let count: usize = sizes.iter().product();
    let elements = (0..count).map(|place| {
        let mut from = place;
        if is_fortran_order {
            // The first dimension varies fastest in the file, the last one in the tensor.
            let (mut rest, mut index) = (place, Vec::new());
            for size in &sizes {
                index.push(rest % size);
                rest /= size;
            }
            from = index
                .iter()
                .zip(&sizes)
                .fold(0, |at, (index, size)| at * size + index);
        }
        let mut element = tensor.data[from * width..(from + 1) * width].to_vec();
        if is_big_endian {
            element.reverse();
        }
        element
    });
    let order = match (width, is_big_endian) {
        (1, _) => '|',
        (_, true) => '>',
        (_, false) => '<',
    };
    let shape: String = sizes.iter().map(|size| format!("{size},")).collect();
    let fortran = if is_fortran_order { "True" } else { "False" };
    let header =
        format!("{{'descr': '{order}{kind}', 'fortran_order': {fortran}, 'shape': ({shape}), }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(elements.flatten());
    file
}

/// The headers and the body of a request.
type Form = (&'static str, Vec<(&'static str, String)>, Vec<u8>);

/// The forms that both the protocol's route and `/infer` take.
fn protocol_forms(tensor: &Tensor) -> Vec<Form> {
    let (datatype, shape) = (tensor.datatype.name(), &tensor.shape);
    let head = format!("\"name\":\"x\",\"datatype\":\"{datatype}\",\"shape\":{shape:?}");
    let size = tensor.data.len();
    let json =
        format!("{{\"inputs\":[{{{head},\"parameters\":{{\"binary_data_size\":{size}}}}}]}}");
    let length = json.len().to_string();
    let binary = [json.into_bytes(), tensor.data.clone()].concat();
    let mut forms: Vec<Form> = vec![("binary", vec![(HEADER, length)], binary)];
    if is_in_json(tensor) {
        let nested = serde_json::to_string(&Nested::of(tensor)).unwrap();
        let flat = format!("[{}]", nested.replace(['[', ']'], ""));
        for (what, data) in [("nested", nested), ("flat", flat)] {
            let json = format!("{{\"inputs\":[{{{head},\"data\":{data}}}]}}");
            forms.push((what, Vec::new(), json.into_bytes()));
        }
    }
    forms
}

/// Every form that `/infer` takes.
fn forms(tensor: &Tensor) -> Vec<Form> {
    let of_type = |name: &str| vec![("content-type", name.to_owned())];
    let npy_type = || of_type("application/x-npy");
    let mut forms = protocol_forms(tensor);
    forms.extend([
        ("npy", npy_type(), npy(tensor, false, false)),
        ("npy, Fortran order", npy_type(), npy(tensor, false, true)),
        ("npy, big-endian", npy_type(), npy(tensor, true, false)),
        ("npy, both", npy_type(), npy(tensor, true, true)),
        (
            "raw",
            of_type("application/octet-stream"),
            tensor.data.clone(),
        ),
    ]);
    if is_in_json(tensor) {
        let nested = serde_json::to_string(&Nested::of(tensor)).unwrap();
        let instances = format!("{{\"instances\": {nested}}}").into_bytes();
        let json = || of_type("application/json");
        forms.extend([
            ("bare array", json(), nested.into_bytes()),
            ("instances", json(), instances),
        ]);
    }
    forms
}

/// Request the only output in every form, uncompressed and compressed.
fn responses(
    (models, engine): (&Models, &Engine),
    target: &str,
    (what, headers, body): &Form,
    tensor: &Tensor,
) -> Result<(), TestCaseError> {
    let settings = Settings::default();
    let accepted: &[&str] = match (target.starts_with("/v"), is_in_json(tensor)) {
        (true, true) => &["application/json", "application/octet-stream"],
        (true, false) => &["application/octet-stream"],
        (false, true) => &[
            "application/json",
            "application/octet-stream",
            "application/x-npy",
        ],
        (false, false) => &["application/octet-stream", "application/x-npy"],
    };
    for accept in accepted {
        for coding in [
            None,
            Some(("gzip", Coding::Gzip)),
            Some(("deflate", Coding::Deflate)),
        ] {
            let mut headers: Vec<(String, String)> = headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect();
            headers.push(("accept".to_owned(), (*accept).to_owned()));
            let mut body = body.clone();
            if let Some((name, coding)) = coding {
                let sent = encoded(Response::new(200, "", body), coding);
                if sent.header("content-encoding").is_some() {
                    headers.push(("content-encoding".to_owned(), name.to_owned()));
                }
                headers.push(("accept-encoding".to_owned(), name.to_owned()));
                body = sent.body;
            }
            let head = Head::new("POST", target, headers);
            let mut response = Plan::new(&head, models, &settings)
                .and_then(|plan| plan.respond(body, engine, &mut Timing::default()))
                .map_err(|error| TestCaseError::fail(format!("{what}: {error}")))?;
            if response.header("content-encoding").is_some() {
                let (_, coding) = coding.unwrap();
                response.body = inflate(response.body, &[coding], &Limits::default()).unwrap();
            }
            prop_assert_eq!(
                &bytes_of(&response, tensor),
                &tensor.data,
                "{} as {}",
                what,
                accept
            );
        }
    }
    Ok(())
}

/// The bytes of the only tensor in a response.
fn bytes_of(response: &Response, tensor: &Tensor) -> Vec<u8> {
    let media_type = response.header("content-type").unwrap();
    if media_type == "application/octet-stream" {
        let before = response
            .header(HEADER)
            .map_or(0, |value| value.parse().unwrap());
        return response.body[before..].to_vec();
    }
    if media_type == "application/x-npy" {
        let header = u16::from_le_bytes([response.body[8], response.body[9]]);
        let text = String::from_utf8_lossy(&response.body[10..]).into_owned();
        let shape: String = tensor.shape.iter().map(|size| format!("{size},")).collect();
        assert!(text.contains(&format!("'shape': ({shape})")), "{text}");
        return response.body[10 + usize::from(header)..].to_vec();
    }
    let answer: Value = serde_json::from_slice(&response.body).unwrap();
    let output = answer.get("outputs").or(answer.get("inputs")).unwrap();
    // The columnar form of V1 has no names; its data are as deep as the shape.
    let data = output.pointer("/0/data").unwrap_or(output).to_string();
    let texts = data.split(['[', ']', ',']).filter(|text| !text.is_empty());
    // The standard library parses numbers with other code than this project.
    texts
        .flat_map(|text| match tensor.datatype {
            Datatype::Bool => vec![u8::from(text.parse::<bool>().unwrap())],
            Datatype::Uint8 => vec![text.parse::<u8>().unwrap()],
            Datatype::Int32 => text.parse::<i32>().unwrap().to_le_bytes().to_vec(),
            Datatype::Int64 => text.parse::<i64>().unwrap().to_le_bytes().to_vec(),
            _ => text.parse::<f32>().unwrap().to_le_bytes().to_vec(),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The input of a model, with any number of dimensions, without inference.
    #[test]
    fn every_form_becomes_the_same_input(tensor in tensors(1..=4)) {
        // The length of a raw tensor determines one dimension.
        let mut shape: Vec<i64> = tensor.shape.iter().map(|size| i64::from(*size)).collect();
        shape[0] = -1;
        let datatype = tensor.datatype;
        let card = format!(
            "[[input]]\nname = 'x'\ndatatype = '{datatype}'\nshape = {shape:?}\n\
             [[output]]\nname = 'y'\ndatatype = 'FP32'\nshape = [-1]\n"
        );
        let mut models = Models::new();
        models.add("m", &card, Files::default()).unwrap();
        SERVICE.with(|(_, engine)| {
            forms(&tensor)
                .iter()
                .try_for_each(|form| responses((&models, engine), "/infer/m/input", form, &tensor))
        })?;
    }

    /// The output of a model, by the engine, in every protocol.
    #[test]
    fn every_form_has_the_same_output(tensor in tensors(1..=1)) {
        // NaNs compare as equal, because the engine may convert a signaling NaN to a quiet one in FP16.
        prop_assume!(tensor.datatype != Datatype::Fp16
            || tensor.data.as_chunks::<2>().0.iter().all(|bits| !f16::from_le_bytes(*bits).is_nan()));
        SERVICE.with(|(models, engine)| {
            let name = format!("identity-{}", tensor.datatype.name().to_lowercase());
            let target = format!("/infer/{name}");
            for form in forms(&tensor) {
                responses((models, engine), &target, &form, &tensor)?;
            }
            let target = format!("/v2/models/{name}/infer");
            for form in protocol_forms(&tensor) {
                responses((models, engine), &target, &form, &tensor)?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    }

    /// A number is written with the fewest digits that parse to it, and parsed whatever its digits.
    #[test]
    fn numbers_in_json_are_the_shortest_that_round_trip(bits in any::<u32>()) {
        let value = f32::from_bits(bits);
        prop_assume!(value.is_finite());
        let tensor = Tensor { datatype: Datatype::Fp32, shape: vec![1], data: value.to_le_bytes().to_vec() };
        let written = serde_json::to_string(&Nested::of(&tensor)).unwrap();
        let text = written.trim_matches(['[', ']']);
        prop_assert_eq!(text.parse::<f32>().unwrap().to_bits(), bits);
        // The standard library writes the shortest digits too, but other zeros and exponents.
        let digits = |text: &str| {
            let mantissa = text.split('e').next().unwrap().replace(['-', '.'], "");
            mantissa.trim_matches('0').len()
        };
        prop_assert_eq!(digits(text), digits(&value.to_string()), "{}", text);
        let model = crate::tests::support::model(&[("x", "FP32", &[-1])]);
        for text in [text.to_owned(), format!("{value:e}"), f64::from(value).to_string()] {
            let body = format!("[{text}]");
            let request = crate::protocols::infer::json::decode(body.as_bytes(), &model, &Limits::default()).unwrap();
            prop_assert_eq!(&request.request.inputs[0].1.data, &tensor.data, "{}", body);
        }
    }

    /// Compressed bodies round-trip, and truncated ones are refused.
    #[test]
    fn content_codings_round_trip(body in prop::collection::vec(any::<u8>(), 0..2000), twice in any::<bool>()) {
        for coding in [Coding::Gzip, Coding::Deflate] {
            let once = encoded(Response::new(200, "", [&body[..], &[0; 100]].concat()), coding);
            prop_assume!(once.header("content-encoding").is_some());
            let mut codings = vec![coding];
            let mut coded = once.body;
            if twice {
                let again = encoded(Response::new(200, "", coded.clone()), Coding::Gzip);
                if again.header("content-encoding").is_some() {
                    coded = again.body;
                    codings.push(Coding::Gzip);
                }
            }
            let cut = coded[..coded.len() - 1].to_vec();
            let inflated = inflate(coded, &codings, &Limits::default()).unwrap();
            prop_assert_eq!(&inflated[..body.len()], &body[..]);
            prop_assert_eq!(inflated.len(), body.len() + 100);
            prop_assert!(inflate(cut, &codings, &Limits::default()).is_err());
        }
    }
}
