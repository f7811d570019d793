//! Records and CSV files: the tensors that they become, or the exact error.

use serde_json::value::RawValue;

use super::*;

fn card(matrix: bool) -> ModelCard {
    let output =
        "[[output]]\nname = 'y'\ndatatype = 'FP32'\nshape = [-1, 1]\n[regression]\noutput = 'y'\n";
    let inputs = if matrix {
        "[[input]]\nname = 'x'\ndatatype = 'FP32'\nshape = [-1, 2]\n\
         [table]\ninput = 'x'\ncolumns = ['age', 'size']\n"
    } else {
        "[[input]]\nname = 'size'\ndatatype = 'FP32'\nshape = [-1, 1]\n\
         [[input]]\nname = 'age'\ndatatype = 'INT64'\nshape = [-1, 1]\n\
         [table]\ncolumns = ['age', 'size']\n"
    };
    ModelCard::parse(&format!("{inputs}{output}")).unwrap()
}

fn shown(inputs: Result<Vec<(String, Tensor)>, ApiError>) -> Result<String, String> {
    let inputs = inputs.map_err(|error| format!("{} {error}", error.kind().status()))?;
    let texts = inputs.iter().map(|(name, tensor)| {
        let values: Vec<f64> = match tensor.datatype {
            Datatype::Int64 => {
                let (values, _) = tensor.data.as_chunks::<8>();
                values
                    .iter()
                    .map(|bytes| i64::from_le_bytes(*bytes) as f64)
                    .collect()
            }
            _ => tensor
                .floats()
                .unwrap()
                .into_iter()
                .map(f64::from)
                .collect(),
        };
        format!("{name} {:?} {values:?}", tensor.shape)
    });
    Ok(texts.collect::<Vec<_>>().join("; "))
}

#[test]
fn records_become_tensors_or_errors() {
    let limits = Limits {
        max_batch: 3,
        ..Limits::default()
    };
    let matrix = |values: &str| Ok(format!("x {values}"));
    let rows: [(bool, &str, Result<String, &str>); 12] = [
        (
            true,
            r#"[{"age": 41, "size": 1.5}]"#,
            matrix("[1, 2] [41.0, 1.5]"),
        ),
        (
            true,
            r#"[{"size": 1, "age": 2}, {"age": [3], "size": null}]"#,
            matrix("[2, 2] [2.0, 1.0, 3.0, NaN]"),
        ),
        (
            false,
            r#"[{"age": 41, "size": 1.5}, {"age": 1, "size": true}]"#,
            Ok("size [2, 1] [1.5, 1.0]; age [2, 1] [41.0, 1.0]".to_owned()),
        ),
        (
            true,
            r#"[{"age": 41}]"#,
            Err("400 record 0 has no `size`, expected `age` and `size`"),
        ),
        (
            true,
            r#"[{"age": 41, "size": 1, "ago": 1}]"#,
            Err("400 there is no column `ago`; the model takes `age` and `size`"),
        ),
        (
            true,
            r#"[{"age": "old", "size": 1}]"#,
            Err("400 record 0: `age` is `\"old\"`, expected a number"),
        ),
        (
            true,
            r#"[{"age": [1, 2], "size": 1}]"#,
            Err("400 record 0: `age` is `[1,2]`, expected a number"),
        ),
        (
            false,
            r#"[{"age": 1.5, "size": 1}]"#,
            Err("400 record 0: `age` is 1.5, expected an integer"),
        ),
        (
            false,
            r#"[{"age": null, "size": 1}]"#,
            Err("400 record 0: `age` is missing, expected an integer"),
        ),
        (
            true,
            "[]",
            Err("400 there is no record, expected one or more"),
        ),
        (true, "[1]", Err("400 `instances` cannot be read: ")),
        (
            true,
            r#"[{"age":1,"size":1},{"age":1,"size":1},{"age":1,"size":1},{"age":1,"size":1}]"#,
            Err("413 "),
        ),
    ];
    check(rows.map(|(is_matrix, json, expected)| {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        (
            json,
            shown(from_records(raw, &card(is_matrix), &limits)),
            expected,
        )
    }));
}

#[test]
fn csv_files_become_tensors_or_errors() {
    let limits = Limits::default();
    let matrix = |values: &str| Ok(format!("x {values}"));
    let rows: [(bool, &str, Result<String, &str>); 12] = [
        (true, "age,size\n41,1.5\n", matrix("[1, 2] [41.0, 1.5]")),
        (
            true,
            "\u{feff}size,age\r\n1.5,41\r\n2,3",
            matrix("[2, 2] [41.0, 1.5, 3.0, 2.0]"),
        ),
        (
            true,
            "\"age\",\"size\"\n 1 ,\n",
            matrix("[1, 2] [1.0, NaN]"),
        ),
        (true, "41,1.5\n", matrix("[1, 2] [41.0, 1.5]")),
        (
            false,
            "age,size\n41,1.5\n",
            Ok("size [1, 1] [1.5]; age [1, 1] [41.0]".to_owned()),
        ),
        (
            true,
            "age\n41\n",
            Err("400 record 0 has no `size`, expected `age` and `size`"),
        ),
        (
            true,
            "age,weight\n41,1\n",
            Err("400 there is no column `weight`; the model takes `age` and `size`"),
        ),
        (
            true,
            "age,age\n1,2\n",
            Err("400 column `age` appears twice in the CSV body"),
        ),
        (
            true,
            "age,size\n41,big\n",
            Err("400 record 0: `size` is `big`, expected a number"),
        ),
        (
            true,
            "age,size\n1,2,3\n",
            Err("400 the CSV body cannot be read: "),
        ),
        (
            true,
            "age,size\n",
            Err("400 there is no record, expected one or more"),
        ),
        (
            true,
            "",
            Err("400 there is no record, expected one or more"),
        ),
    ];
    check(rows.map(|(is_matrix, text, expected)| {
        let inputs = csv::to_inputs(text.as_bytes(), &card(is_matrix), &limits);
        (text, shown(inputs), expected)
    }));
}

type Row<'a> = (&'a str, Result<String, String>, Result<String, &'a str>);

fn check<const N: usize>(rows: [Row; N]) {
    let wrong: Vec<_> = rows
        .iter()
        .filter(|(_, actual, expected)| match (actual, expected) {
            (Ok(actual), Ok(expected)) => actual != expected,
            (Err(actual), Err(expected)) => !actual.starts_with(expected),
            _ => true,
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
