//! Model cards: the example of the contract, and what is refused, word by word.

use infer_model_card::{
    Activation, Channels, Datatype, Filter, Layout, ModelCard, Pooling, ResizeMode, Side,
    TokenInput,
};

const CARD: &str = r#"
version = "1"
description = "Handwritten digits, 8×8 gray, 0-9"

[[input]]
name = "image"
datatype = "FP32"
shape = [-1, 1, 8, 8]

[[output]]
name = "probabilities"
datatype = "FP32"
shape = [-1, 10]

[image]
width = 8
height = 8
resize = "stretch"
filter = "bilinear"
channels = "gray"
layout = "nchw"
scale = 0.00392156862745098
mean = [0.0]
std = [1.0]

[classification]
output = "probabilities"
activation = "none"
labels = "labels.txt"
top_k = 5
"#;

#[test]
fn the_contracts_example_is_read_whole() {
    let card = ModelCard::parse(CARD).unwrap();
    assert_eq!(card.version, "1");
    assert_eq!(card.inputs[0].datatype, Datatype::Fp32);
    assert_eq!(card.inputs[0].shape, [-1, 1, 8, 8]);
    let (image, input) = card.image_input().unwrap();
    assert_eq!(input.name, "image");
    assert_eq!((image.width, image.height), (8, 8));
    assert_eq!(image.resize, ResizeMode::Stretch);
    assert_eq!(image.filter, Filter::Bilinear);
    assert_eq!(image.channels, Channels::Gray);
    assert_eq!(image.layout, Layout::Nchw);
    let classification = card.classification.unwrap();
    assert_eq!(classification.activation, Activation::None);
    assert_eq!(classification.labels.as_deref(), Some("labels.txt"));
    assert_eq!(classification.top_k, 5);
}

#[test]
fn defaults_are_those_of_most_models() {
    let text = "[[input]]\nname = \"x\"\ndatatype = \"FP32\"\nshape = [-1, 3, 4, 4]\n\
                [[output]]\nname = \"y\"\ndatatype = \"INT64\"\nshape = []\n\
                [image]\nwidth = 4\nheight = 4\n";
    let card = ModelCard::parse(text).unwrap();
    assert_eq!(card.version, "1");
    let image = card.image.unwrap();
    assert_eq!(image.channels, Channels::Rgb);
    assert_eq!(image.scale, 1.0 / 255.0);
    assert_eq!((image.mean, image.std), (vec![0.0], vec![1.0]));
    assert!(card.classification.is_none());
}

#[test]
fn cards_that_cannot_be_are_refused_in_words() {
    let cases: &[Case] = &[
        (
            "width = 8",
            "widht = 8",
            "unknown key `widht` in [image]; did you mean `width`?",
        ),
        (
            "top_k = 5",
            "topk = 5",
            "unknown key `topk` in [classification]; did you mean `top_k`?",
        ),
        (
            "version = \"1\"",
            "Version = \"1\"",
            "unknown key `Version` in the card; did you mean `version`?",
        ),
        (
            "[image]",
            "[picture]",
            "unknown key `picture` in the card; known are `batching`, `classification`, ",
        ),
        (
            "[image]",
            "[batching]\nmax_size = 1\n[image]",
            "[batching]: `max_size` is 1, expected 2 to 4096",
        ),
        (
            "[image]",
            "[batching]\nmax_size = 8\nmax_delay_us = 2000000\n[image]",
            "[batching]: `max_delay_us` is 2000000, expected at most 1000000",
        ),
        (
            "[image]",
            "[batching]\nmax_sise = 8\n[image]",
            "unknown key `max_sise` in [batching]; did you mean `max_size`?",
        ),
        (
            "shape = [-1, 10]\n\n[image]",
            "shape = [1, 10]\n[batching]\nmax_size = 8\n[image]",
            "[batching]: requests are joined along the first dimension, but `probabilities` has the shape \
             [1, 10]; expected -1 there",
        ),
        (
            "version = \"1\"",
            "version = \"1\"\nprecision = \"fp32\"",
            "TOML parse error at line 3, column 13",
        ),
        (
            "datatype = \"FP32\"\nshape = [-1, 1",
            "dtype = \"FP32\"\nshape = [-1, 1",
            "unknown key `dtype` in [[input]]; did you mean `datatype`?",
        ),
        (
            "version = \"1\"",
            "version = 1",
            "TOML parse error at line 2, column 11",
        ),
        (
            "version = \"1\"",
            "version = \"\"",
            "`version`: expected 1 to 64 characters, came 0",
        ),
        (
            "name = \"image\"",
            "",
            "TOML parse error at line 5, column 1",
        ),
        (
            "name = \"image\"",
            "name = \"\"",
            "[[input]]: a name is empty",
        ),
        (
            "\"FP32\"\nshape = [-1, 1",
            "\"FLOAT\"\nshape = [-1, 1",
            "TOML parse error at line 7, column 12",
        ),
        (
            "\"FP32\"\nshape = [-1, 1",
            "\"INT8\"\nshape = [-1, 1",
            "[[input]] `image`: a graph cannot have INT8 tensors in wasi-nn",
        ),
        (
            "[-1, 1, 8, 8]",
            "[0, 1, 8, 8]",
            "[[input]] `image`: a dimension is -1 (any size) or 1 and more, came 0",
        ),
        (
            "[-1, 1, 8, 8]",
            "[-1, 3, 8, 8]",
            "[image]: gives input `image` the shape [1, 1, 8, 8], but the card says [-1, 3, 8, 8]",
        ),
        (
            "[-1, 1, 8, 8]",
            "[-1, 64]",
            "[image]: gives input `image` the shape [1, 1, 8, 8], but the card says [-1, 64]",
        ),
        (
            "width = 8",
            "width = 0",
            "[image] `width`: expected 1 to 8192 pixels, came 0",
        ),
        (
            "width = 8",
            "width = 9",
            "[image]: gives input `image` the shape [1, 1, 8, 9]",
        ),
        ("width = 8", "width = -8", "TOML parse error at line "),
        (
            "width = 8",
            "width = 8\nshortest_edge = 9",
            "[image] `shortest_edge`: needs `resize` to be `shortest-edge`",
        ),
        (
            "resize = \"stretch\"",
            "resize = \"shortest-edge\"\nresize_width = 9",
            "[image] `resize_width`: needs `resize` to be `stretch`",
        ),
        (
            "resize = \"stretch\"",
            "resize = \"none\"\nresize_height = 9",
            "[image] `resize_height`: needs `resize` to be `stretch`",
        ),
        (
            "resize = \"stretch\"",
            "resize = \"shortest-edge\"\nshortest_edge = 9000",
            "[image] `shortest_edge`: expected 1 to 8192 pixels, came 9000",
        ),
        (
            "width = 8",
            "width = 8\nresize_width = 0",
            "[image] `resize_width`: expected 1 to 8192 pixels, came 0",
        ),
        (
            "width = 8",
            "width = 8\ncrop = \"middle\"",
            "TOML parse error at line ",
        ),
        (
            "filter = \"bilinear\"",
            "filter = \"linear\"",
            "TOML parse error at line ",
        ),
        (
            "scale = 0.00392156862745098",
            "scale = 0.0",
            "[image] `scale`: expected a number other than 0, came 0",
        ),
        (
            "mean = [0.0]",
            "mean = [0.0, 0.0]",
            "[image] `mean`: expected 1 value or one a channel (1), came 2",
        ),
        (
            "std = [1.0]",
            "std = [0.0]",
            "[image] `std`: 0 is not possible here",
        ),
        (
            "std = [1.0]",
            "std = [nan]",
            "[image] `std`: NaN is not possible here",
        ),
        (
            "std = [1.0]",
            "input = \"x\"",
            "[image] `input`: there is no input `x`",
        ),
        (
            "output = \"probabilities\"",
            "output = \"logits\"",
            "[classification] `output`: there is no output `logits`",
        ),
        (
            "\"FP32\"\nshape = [-1, 10]",
            "\"INT64\"\nshape = [-1, 10]",
            "[classification] `output`: `probabilities` is INT64, expected FP32 or FP16",
        ),
        (
            "[-1, 10]",
            "[]",
            "[classification] `output`: `probabilities` is a scalar, expected one value a class",
        ),
        (
            "top_k = 5",
            "top_k = 0",
            "[classification] `top_k`: expected 1 or more, came 0",
        ),
        (
            "\"labels.txt\"",
            "\"../labels.txt\"",
            "[classification] `labels`: expected the name of a file in the model's folder, came `../labels.txt`",
        ),
        (
            "[[output]]",
            "[[input]]\nname = \"image\"\ndatatype = \"FP32\"\nshape = [1]\n[[output]]",
            "[[input]] `image`: is there twice",
        ),
        (
            "[[output]]\nname = \"probabilities\"\ndatatype = \"FP32\"\nshape = [-1, 10]\n",
            "",
            "TOML parse error",
        ),
        ("[[input]]", "[[input]", "TOML parse error at line 5"),
        (
            "shape = [-1, 1, 8, 8]",
            "shape = [-1, 1, 8, 8]\nexample_shape = [1, 1, 8, 9]",
            "[[input]] `image`: `example_shape` is [1, 1, 8, 9], which does not fit the shape [-1, 1, 8, 8]",
        ),
        (
            "shape = [-1, 1, 8, 8]",
            "shape = [-1, 1, 8, 8]\nexample_shape = [0, 1, 8, 8]",
            "[[input]] `image`: `example_shape` is [0, 1, 8, 8], which does not fit",
        ),
        (
            "shape = [-1, 10]",
            "shape = [-1, 10]\nexample_shape = [1, 10]",
            "[[output]] `probabilities`: `example_shape` is for inputs",
        ),
        (
            "[image]",
            "[text]\n[image]",
            "[text] `input_ids`: there is no input `input_ids`",
        ),
    ];
    check_refused(CARD, cases);
}

/// A part of a card, what it is replaced by, and how the message begins.
type Case = (&'static str, &'static str, &'static str);

fn check_refused(card: &str, cases: &[Case]) {
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|(from, to, expected)| {
            assert!(card.contains(from), "{from}");
            let message = match ModelCard::parse(&card.replacen(from, to, 1)) {
                Ok(_) => "it was accepted".to_owned(),
                Err(error) => error.to_string(),
            };
            (!message.starts_with(expected))
                .then(|| format!("{to}\n  expected {expected}\n  came     {message}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_known_of_an_inputs_size() {
    let known = |from: &str, to: &str| {
        assert!(CARD.contains(from), "{from}");
        let card = ModelCard::parse(&CARD.replacen(from, to, 1)).unwrap();
        card.known_shape(&card.inputs[0])
    };
    assert_eq!(
        known("[-1, 1, 8, 8]", "[-1, 1, -1, -1]"),
        Some(vec![1, 1, 8, 8])
    );
    // A graph of four images at a time.
    assert_eq!(
        known("[-1, 1, 8, 8]", "[4, 1, 8, 8]"),
        Some(vec![4, 1, 8, 8])
    );
    let text = TEXT_CARD.replacen("[-1, -1]", "[-1, -1]\nexample_shape = [1, 16]", 1);
    let card = ModelCard::parse(&text).unwrap();
    assert_eq!(card.known_shape(&card.inputs[0]), Some(vec![1, 16]));
    assert_eq!(card.known_shape(&card.inputs[1]), None);
}

const TEXT_CARD: &str = r#"
[[input]]
name = "ids"
datatype = "INT64"
shape = [-1, -1]

[[input]]
name = "attention_mask"
datatype = "INT32"
shape = [-1, -1]

[[output]]
name = "last_hidden_state"
datatype = "FP32"
shape = [-1, -1, 384]

[[output]]
name = "pooled"
datatype = "FP16"
shape = [-1, 384]

[text]
input_ids = "ids"
max_tokens = 256
padding_side = "left"

[embedding]
output = "last_hidden_state"
pooling = "cls"
"#;

#[test]
fn cards_of_models_that_take_texts() {
    let card = ModelCard::parse(TEXT_CARD).unwrap();
    let (text, input) = card.text_input().unwrap();
    assert_eq!(input.name, "ids");
    assert_eq!(text.tokenizer, "tokenizer.json");
    assert_eq!((text.max_tokens, text.pad_id), (256, 0));
    assert_eq!(
        (text.padding_side, text.truncation_side),
        (Side::Left, Side::Right)
    );
    assert_eq!(text.role("ids"), Some(TokenInput::Ids));
    assert_eq!(text.role("attention_mask"), Some(TokenInput::Mask));
    assert_eq!(text.role("position_ids"), None);
    let embedding = card.embedding.unwrap();
    assert_eq!(embedding.pooling, Pooling::Cls);
    assert!(embedding.normalize);
    let pooled = TEXT_CARD.replace(
        "\"last_hidden_state\"\npooling = \"cls\"",
        "\"pooled\"\npooling = \"none\"",
    );
    assert_ne!(pooled, TEXT_CARD);
    ModelCard::parse(&pooled).unwrap();
}

#[test]
fn cards_of_texts_that_cannot_be_are_refused_in_words() {
    let cases: &[Case] = &[
        (
            "max_tokens = 256",
            "max_length = 256",
            "unknown key `max_length` in [text]; did you mean `max_tokens`?",
        ),
        (
            "pooling = \"cls\"",
            "poling = \"cls\"",
            "unknown key `poling` in [embedding]; did you mean `pooling`?",
        ),
        (
            "max_tokens = 256",
            "max_tokens = 0",
            "[text] `max_tokens`: expected 1 to 32768 tokens, came 0",
        ),
        (
            "max_tokens = 256",
            "max_tokens = 99999",
            "[text] `max_tokens`: expected 1 to 32768 tokens, came 99999",
        ),
        (
            "max_tokens = 256",
            "tokenizer = \"../tokenizer.json\"",
            "[text] `tokenizer`: expected the name of a file in the model's folder, came `../tokenizer.json`",
        ),
        (
            "input_ids = \"ids\"",
            "input_ids = \"id\"",
            "[text] `input_ids`: there is no input `id`",
        ),
        (
            "name = \"attention_mask\"",
            "name = \"position_ids\"",
            "[text] input `position_ids`: is none that a text gives (`input_ids`, `attention_mask`, ",
        ),
        (
            "\"INT32\"",
            "\"FP32\"",
            "[text] input `attention_mask`: is FP32, expected INT64 or INT32",
        ),
        (
            "\"INT32\"\nshape = [-1, -1]",
            "\"INT32\"\nshape = [-1, 128]",
            "[text] input `attention_mask`: has the shape [-1, 128], expected [batch, tokens], the same for",
        ),
        (
            "\"INT64\"\nshape = [-1, -1]",
            "\"INT64\"\nshape = [-1]",
            "[text] input `ids`: has the shape [-1], expected [batch, tokens]",
        ),
        (
            "padding_side = \"left\"",
            "padding_side = \"middle\"",
            "TOML parse error at line ",
        ),
        (
            "output = \"last_hidden_state\"",
            "output = \"hidden\"",
            "[embedding] `output`: there is no output `hidden`",
        ),
        (
            "pooling = \"cls\"",
            "pooling = \"none\"",
            "[embedding] `output`: `last_hidden_state` has the shape [-1, -1, 384], expected [batch, size]",
        ),
        (
            "output = \"last_hidden_state\"",
            "output = \"pooled\"",
            "[embedding] `output`: `pooled` has the shape [-1, 384], expected [batch, tokens, size]",
        ),
        (
            "\"FP32\"",
            "\"INT64\"",
            "[embedding] `output`: `last_hidden_state` is INT64, expected FP32 or FP16",
        ),
        (
            "[embedding]",
            "[classification]\noutput = \"pooled\"\n[embedding]",
            "[embedding]: a model has either this or `[classification]`",
        ),
        (
            "[text]\ninput_ids = \"ids\"\nmax_tokens = 256\npadding_side = \"left\"",
            "",
            "[embedding]: needs `[text]`: it is for models that take texts",
        ),
    ];
    check_refused(TEXT_CARD, cases);
}
