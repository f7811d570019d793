//! Model cards: the contract's example, and the exact message of every error.

use infer_model_card::{
    Activation, Channels, Filter, Layout, ModelCard, Pooling, ResizeMode, Side, Task, TokenInput,
};
use infer_tensor::Datatype;

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
fn the_contracts_example_is_parsed() {
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
    assert_eq!(card.task_name, Some("image-classification"));
    let Task::Classification(classification) = card.task else {
        panic!("{:?}", card.task);
    };
    assert_eq!(classification.activation, Activation::None);
    assert_eq!(classification.labels.as_deref(), Some("labels.txt"));
    assert_eq!(classification.top_k, 5);
}

#[test]
fn defaults_fit_most_models() {
    let text = "[[input]]\nname = \"x\"\ndatatype = \"FP32\"\nshape = [-1, 3, 4, 4]\n\
                [[output]]\nname = \"y\"\ndatatype = \"INT64\"\nshape = []\n\
                [image]\nwidth = 4\nheight = 4\n";
    let card = ModelCard::parse(text).unwrap();
    assert_eq!(card.version, "1");
    let image = card.image.unwrap();
    assert_eq!(image.channels, Channels::Rgb);
    assert_eq!(image.scale, 1.0 / 255.0);
    assert_eq!((image.mean, image.std), (vec![0.0], vec![1.0]));
    assert!(matches!(card.task, Task::Tensors(_)), "{:?}", card.task);
    assert_eq!(card.task_name, None);
}

#[test]
fn invalid_cards_are_rejected() {
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
            "unknown key `picture` in the card; known keys are `audio`, `batching`, `classification`, `depth`, `description`, ",
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
            "[batching]: requests are joined along the first dimension, so it must be -1, but `probabilities` \
             has shape [1, 10]",
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
            "`version`: expected 1 to 64 characters, got 0",
        ),
        (
            "name = \"image\"",
            "",
            "TOML parse error at line 5, column 1",
        ),
        (
            "name = \"image\"",
            "name = \"\"",
            "[[input]]: `name` is empty",
        ),
        (
            "\"FP32\"\nshape = [-1, 1",
            "\"FLOAT\"\nshape = [-1, 1",
            "TOML parse error at line 7, column 12",
        ),
        (
            "\"FP32\"\nshape = [-1, 1",
            "\"INT8\"\nshape = [-1, 1",
            "[[input]] `image`: wasi-nn has no INT8 tensors",
        ),
        (
            "[-1, 1, 8, 8]",
            "[0, 1, 8, 8]",
            "[[input]] `image`: expected dimensions of 1 or more, or -1 for any size, got 0",
        ),
        (
            "[-1, 1, 8, 8]",
            "[-1, 3, 8, 8]",
            "[image]: an image becomes a tensor of shape [1, 1, 8, 8], but input `image` has shape [-1, 3, 8, 8]",
        ),
        (
            "[-1, 1, 8, 8]",
            "[-1, 64]",
            "[image]: an image becomes a tensor of shape [1, 1, 8, 8], but input `image` has shape [-1, 64]",
        ),
        (
            "width = 8",
            "width = 0",
            "[image] `width`: expected 1 to 8192 pixels, got 0",
        ),
        (
            "width = 8",
            "width = 9",
            "[image]: an image becomes a tensor of shape [1, 1, 8, 9], ",
        ),
        ("width = 8", "width = -8", "TOML parse error at line "),
        (
            "width = 8",
            "width = 8\nshortest_edge = 9",
            "[image] `shortest_edge`: needs `resize = \"shortest-edge\"`",
        ),
        (
            "resize = \"stretch\"",
            "resize = \"shortest-edge\"\nresize_width = 9",
            "[image] `resize_width`: needs `resize = \"stretch\"`",
        ),
        (
            "resize = \"stretch\"",
            "resize = \"none\"\nresize_height = 9",
            "[image] `resize_height`: needs `resize = \"stretch\"`",
        ),
        (
            "resize = \"stretch\"",
            "resize = \"shortest-edge\"\nshortest_edge = 9000",
            "[image] `shortest_edge`: expected 1 to 8192 pixels, got 9000",
        ),
        (
            "width = 8",
            "width = 8\nresize_width = 0",
            "[image] `resize_width`: expected 1 to 8192 pixels, got 0",
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
            "[image] `scale`: expected a finite number other than 0, got 0",
        ),
        (
            "mean = [0.0]",
            "mean = [0.0, 0.0]",
            "[image] `mean`: expected 1 value or one per channel (1), got 2",
        ),
        (
            "std = [1.0]",
            "std = [0.0]",
            "[image] `std`: 0 is not allowed",
        ),
        (
            "std = [1.0]",
            "std = [nan]",
            "[image] `std`: NaN is not allowed",
        ),
        (
            "std = [1.0]",
            "input = \"x\"",
            "[image] `input`: the model has no input `x`",
        ),
        (
            "output = \"probabilities\"",
            "output = \"logits\"",
            "[classification] `output`: the model has no output `logits`",
        ),
        (
            "\"FP32\"\nshape = [-1, 10]",
            "\"INT64\"\nshape = [-1, 10]",
            "[classification] `output`: `probabilities` is INT64, expected FP32 or FP16",
        ),
        (
            "[-1, 10]",
            "[]",
            "[classification] `output`: `probabilities` is a scalar, expected one value per class",
        ),
        (
            "top_k = 5",
            "top_k = 0",
            "[classification] `top_k`: expected 1 or more, got 0",
        ),
        (
            "\"labels.txt\"",
            "\"../labels.txt\"",
            "[classification] `labels`: expected the name of a file in the model's folder, got `../labels.txt`",
        ),
        (
            "[[output]]",
            "[[input]]\nname = \"image\"\ndatatype = \"FP32\"\nshape = [1]\n[[output]]",
            "[[input]] `image`: appears twice",
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
            "[[input]] `image`: `example_shape` [1, 1, 8, 9] does not fit the shape [-1, 1, 8, 8]",
        ),
        (
            "shape = [-1, 1, 8, 8]",
            "shape = [-1, 1, 8, 8]\nexample_shape = [0, 1, 8, 8]",
            "[[input]] `image`: `example_shape` [0, 1, 8, 8] does not fit",
        ),
        (
            "shape = [-1, 10]",
            "shape = [-1, 10]\nexample_shape = [1, 10]",
            "[[output]] `probabilities`: only inputs have `example_shape`",
        ),
        (
            "[image]",
            "[text]\n[image]",
            "[text] `input_ids`: the model has no input `input_ids`",
        ),
    ];
    check_refused(CARD, cases);
}

/// A part of a card, its replacement, and the beginning of the message.
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
                .then(|| format!("{to}\n  expected {expected}\n  got      {message}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn known_shapes_of_inputs() {
    let known = |from: &str, to: &str| {
        assert!(CARD.contains(from), "{from}");
        let card = ModelCard::parse(&CARD.replacen(from, to, 1)).unwrap();
        card.known_shape(&card.inputs[0])
    };
    assert_eq!(
        known("[-1, 1, 8, 8]", "[-1, 1, -1, -1]"),
        Some(vec![1, 1, 8, 8])
    );
    // A graph that takes four images at a time.
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
fn cards_of_text_models_are_parsed() {
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
    assert_eq!(text.role("position_ids"), Some(TokenInput::Positions));
    assert_eq!(text.role("pixel_values"), None);
    assert_eq!(text.prompt, "");
    assert_eq!(card.task_name, Some("feature-extraction"));
    let Task::Embedding(embedding) = card.task else {
        panic!("{:?}", card.task);
    };
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
fn invalid_cards_of_text_models_are_rejected() {
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
            "[text] `max_tokens`: expected 1 to 32768 tokens, got 0",
        ),
        (
            "max_tokens = 256",
            "max_tokens = 99999",
            "[text] `max_tokens`: expected 1 to 32768 tokens, got 99999",
        ),
        (
            "max_tokens = 256",
            "tokenizer = \"../tokenizer.json\"",
            "[text] `tokenizer`: expected the name of a file in the model's folder, got `../tokenizer.json`",
        ),
        (
            "input_ids = \"ids\"",
            "input_ids = \"id\"",
            "[text] `input_ids`: the model has no input `id`",
        ),
        (
            "name = \"attention_mask\"",
            "name = \"inputs_embeds\"",
            "[text] input `inputs_embeds`: a text does not fill this input, only `input_ids`, `attention_mask`, ",
        ),
        (
            "\"INT32\"",
            "\"FP32\"",
            "[text] input `attention_mask`: is FP32, expected INT64 or INT32",
        ),
        (
            "\"INT32\"\nshape = [-1, -1]",
            "\"INT32\"\nshape = [-1, 128]",
            "[text] input `attention_mask`: has shape [-1, 128], expected [batch, tokens], the same for",
        ),
        (
            "\"INT64\"\nshape = [-1, -1]",
            "\"INT64\"\nshape = [-1]",
            "[text] input `ids`: has shape [-1], expected [batch, tokens]",
        ),
        (
            "padding_side = \"left\"",
            "padding_side = \"middle\"",
            "TOML parse error at line ",
        ),
        (
            "output = \"last_hidden_state\"",
            "output = \"hidden\"",
            "[embedding] `output`: the model has no output `hidden`",
        ),
        (
            "pooling = \"cls\"",
            "pooling = \"none\"",
            "[embedding] `output`: `last_hidden_state` has shape [-1, -1, 384], expected [batch, size]",
        ),
        (
            "output = \"last_hidden_state\"",
            "output = \"pooled\"",
            "[embedding] `output`: `pooled` has shape [-1, 384], expected [batch, tokens, size]",
        ),
        (
            "\"FP32\"",
            "\"INT64\"",
            "[embedding] `output`: `last_hidden_state` is INT64, expected FP32 or FP16",
        ),
        (
            "[embedding]",
            "[classification]\noutput = \"pooled\"\n[embedding]",
            "[embedding]: a model has one task, and the card also has the section `[classification]`",
        ),
        (
            "[text]\ninput_ids = \"ids\"\nmax_tokens = 256\npadding_side = \"left\"",
            "",
            "[embedding]: needs the section `[text]`: only models that take text have embeddings",
        ),
    ];
    check_refused(TEXT_CARD, cases);
}

#[test]
fn tasks_have_hugging_faces_names() {
    let tensors = CARD[..CARD.find("[image]").unwrap()].to_owned();
    let classes = "[classification]\noutput = \"probabilities\"\n";
    let texts = &TEXT_CARD[..TEXT_CARD.find("[embedding]").unwrap()];
    let with_task = |card: &str, task: &str| format!("task = \"{task}\"\n{card}");
    let cases = [
        // Cards without `task` mean what their sections say.
        (CARD.to_owned(), Some("image-classification")),
        (TEXT_CARD.to_owned(), Some("feature-extraction")),
        (
            texts.to_owned() + "[classification]\noutput = \"pooled\"\n",
            Some("text-classification"),
        ),
        (tensors.clone() + classes, None),
        (tensors, None),
        (texts.to_owned(), None),
        // `task` may repeat what the sections say.
        (
            with_task(CARD, "image-classification"),
            Some("image-classification"),
        ),
        (
            with_task(TEXT_CARD, "feature-extraction"),
            Some("feature-extraction"),
        ),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|(card, expected)| match ModelCard::parse(card) {
            Ok(parsed) if parsed.task_name == *expected => None,
            Ok(parsed) => Some(format!("{card}\n  got {:?}", parsed.task_name)),
            Err(error) => Some(format!("{card}\n  got {error}")),
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tasks_that_contradict_the_card_are_rejected() {
    let supported = "supported are `image-classification`, `text-classification`, `tabular-classification`, \
                     `audio-classification`, `tabular-regression`, `feature-extraction`, `image-feature-extraction`, \
                     `object-detection`, `instance-segmentation`, `keypoint-detection`, `image-segmentation`, \
                     `depth-estimation`, `token-classification`, `question-answering`, `fill-mask`, \
                     `zero-shot-classification`, `zero-shot-image-classification`, `text-ranking`, \
                     `automatic-speech-recognition` and `voice-activity-detection`; \
                     without `task` and its section, the model returns its output tensors";
    let tensors = CARD[..CARD.find("[image]").unwrap()].to_owned();
    let classes = tensors.clone() + "[classification]\noutput = \"probabilities\"\n";
    let cases = [
        (
            CARD,
            "image-clasification",
            "`task`: `image-clasification` is not a task; did you mean `image-classification`?",
        ),
        (
            CARD,
            "Text-Classification",
            "`task`: `Text-Classification` is not a task; did you mean `text-classification`?",
        ),
        (CARD, "", &format!("`task`: `` is not a task; {supported}")),
        (
            &tensors,
            "translation",
            &format!("`task`: `translation` is not supported yet; {supported}"),
        ),
        (
            CARD,
            "feature-extraction",
            "`task`: `feature-extraction` needs the section `[embedding]`, but the card has `[classification]`",
        ),
        (
            TEXT_CARD,
            "text-classification",
            "`task`: `text-classification` needs the section `[classification]`, but the card has `[embedding]`",
        ),
        (
            &tensors,
            "image-classification",
            "`task`: `image-classification` needs the section `[classification]`",
        ),
        (
            &classes,
            "image-classification",
            "`task`: `image-classification` needs the section `[image]`",
        ),
        (
            CARD,
            "text-classification",
            "`task`: `text-classification` needs the section `[text]`",
        ),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|(card, task, expected)| {
            let message = match ModelCard::parse(&format!("task = \"{task}\"\n{card}")) {
                Ok(_) => "it was accepted".to_owned(),
                Err(error) => error.to_string(),
            };
            (message != *expected)
                .then(|| format!("{task}\n  expected {expected}\n  got      {message}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
