//! The sections of tasks of texts: their defaults, and the message of every error.

use infer_model_card::{Activation, AggregationStrategy, ModelCard, Task};

/// A card with a text input, an output of each number of dimensions, and a section.
fn card(section: &str) -> String {
    let output = |name: &str, shape: &str| {
        format!("[[output]]\nname = '{name}'\ndatatype = 'FP32'\nshape = {shape}\n")
    };
    let input = "[[input]]\nname = 'input_ids'\ndatatype = 'INT64'\nshape = [-1, -1]\n";
    let outputs = [
        output("start_logits", "[-1, -1]"),
        output("end_logits", "[-1, -1]"),
        output("score", "[-1, 1]"),
        output("classes", "[-1, 3]"),
        output("tokens", "[-1, -1, 9]"),
    ];
    let text = match section.contains("[text]") {
        true => "",
        false => "[text]\n",
    };
    format!("{input}{}{text}{section}", outputs.concat())
}

#[test]
fn defaults_are_those_of_transformers() {
    let parse = |section: &str| {
        let card = ModelCard::parse(&card(section)).unwrap();
        (card.task, card.task_name)
    };
    let (task, name) = parse("[token_classification]\noutput = 'tokens'");
    let Task::TokenClassification(spec) = task else {
        panic!("{task:?}");
    };
    assert_eq!(name, Some("token-classification"));
    assert_eq!(spec.aggregation_strategy, AggregationStrategy::Simple);
    assert_eq!(
        (spec.ignore_labels, spec.stride),
        (vec!["O".to_owned()], 32)
    );
    let (task, name) = parse("[question_answering]");
    let Task::QuestionAnswering(spec) = task else {
        panic!("{task:?}");
    };
    assert_eq!(name, Some("question-answering"));
    assert_eq!(
        (spec.start.as_str(), spec.end.as_str()),
        ("start_logits", "end_logits")
    );
    assert_eq!(
        (spec.top_k, spec.max_answer_len, spec.doc_stride),
        (1, 15, 128)
    );
    let (task, name) = parse("[fill_mask]\noutput = 'tokens'");
    let Task::FillMask(spec) = task else {
        panic!("{task:?}");
    };
    assert_eq!(name, Some("fill-mask"));
    assert_eq!((spec.mask_token.as_str(), spec.top_k), ("[MASK]", 5));
    let (task, name) = parse("[zero_shot]\noutput = 'classes'\nentailment = 2\ncontradiction = 0");
    let Task::ZeroShot(spec) = task else {
        panic!("{task:?}");
    };
    assert_eq!(name, Some("zero-shot-classification"));
    assert_eq!(spec.hypothesis_template, "This example is {}.");
    let (task, name) = parse("[ranking]\noutput = 'score'");
    let Task::Ranking(spec) = task else {
        panic!("{task:?}");
    };
    assert_eq!(name, Some("text-ranking"));
    assert_eq!(spec.activation, Activation::Sigmoid);
    let (task, name) = parse("[sparse_embedding]\noutput = 'tokens'");
    assert!(matches!(task, Task::SparseEmbedding(_)));
    assert_eq!(name, None);
}

#[test]
fn invalid_sections_are_rejected() {
    let zero_shot = |more: &str| format!("[zero_shot]\noutput = 'classes'\n{more}");
    let prompt = |section: &str| format!("[text]\nprompt = 'query: '\n{section}");
    let rows = [
        (
            "[token_classification]\noutput = 'classes'".to_owned(),
            "[token_classification] `output`: `classes` has shape [-1, 3], expected [batch, tokens, classes]",
        ),
        (
            "[token_classification]\noutput = 'tokens'\naggregation_strategy = 'best'".to_owned(),
            "",
        ),
        (
            "[token_classification]\noutput = 'tokens'\nlabels = '../labels.txt'".to_owned(),
            "[token_classification] `labels`",
        ),
        (
            prompt("[token_classification]\noutput = 'tokens'"),
            "[text] `prompt`: does not go with `[token_classification]`",
        ),
        (
            prompt("[question_answering]"),
            "[text] `prompt`: does not go with `[question_answering]`",
        ),
        (
            "[question_answering]\nstart = 'tokens'".to_owned(),
            "[question_answering] `start`: `tokens` has shape [-1, -1, 9], expected [batch, tokens]",
        ),
        (
            "[question_answering]\nend = 'nothing'".to_owned(),
            "[question_answering] `end`",
        ),
        (
            "[question_answering]\ntop_k = 0".to_owned(),
            "[question_answering] `top_k`: expected 1 or more, got 0",
        ),
        (
            "[question_answering]\nmax_answer_len = 0".to_owned(),
            "[question_answering] `max_answer_len`: expected 1 or more, got 0",
        ),
        (
            "[fill_mask]\noutput = 'classes'".to_owned(),
            "[fill_mask] `output`: `classes` has shape [-1, 3]",
        ),
        (
            "[fill_mask]\noutput = 'tokens'\nmask_token = ''".to_owned(),
            "[fill_mask] `mask_token`: is empty",
        ),
        (
            "[fill_mask]\noutput = 'tokens'\ntop_k = 0".to_owned(),
            "[fill_mask] `top_k`: expected 1 or more, got 0",
        ),
        (zero_shot("entailment = 1"), ""),
        (
            zero_shot("entailment = 3\ncontradiction = 0"),
            "[zero_shot] `entailment`: is class 3, but `classes` has 3",
        ),
        (
            zero_shot("entailment = 1\ncontradiction = 1"),
            "[zero_shot] `contradiction`: is class 1, which is `entailment` too",
        ),
        (
            zero_shot("entailment = 2\ncontradiction = 0\nhypothesis_template = 'It is.'"),
            "[zero_shot] `hypothesis_template`: has no `{}`",
        ),
        (
            "[ranking]\noutput = 'classes'".to_owned(),
            "[ranking] `output`: `classes` has shape [-1, 3], expected [batch, 1]",
        ),
        (
            "[ranking]\noutput = 'score'\nactivation = 'softmax'".to_owned(),
            "[ranking] `activation`: softmax of one value is always 1",
        ),
        ("[ranking]\noutput = 'score'\ntop_n = 3".to_owned(), ""),
        (
            "[sparse_embedding]\noutput = 'nothing'".to_owned(),
            "[sparse_embedding] `output`",
        ),
        (
            "[ranking]\noutput = 'score'\n[fill_mask]\noutput = 'tokens'".to_owned(),
            "",
        ),
    ];
    let wrong: Vec<String> = rows
        .into_iter()
        .filter_map(|(section, expected)| {
            let actual = ModelCard::parse(&card(&section)).map_err(|error| error.to_string());
            let is_right = actual
                .as_ref()
                .is_err_and(|message| message.starts_with(expected));
            (!is_right).then(|| format!("{section}\n  expected {expected}\n  got {actual:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let tasks = [
        "token_classification",
        "fill_mask",
        "ranking",
        "sparse_embedding",
    ];
    for task in tasks {
        let section = format!("[{task}]\noutput = 'tokens'");
        let without = card(&section).replace("[text]\n", "");
        let message = ModelCard::parse(&without).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("[{task}]: needs the section `[text]`")),
            "{message}"
        );
    }
}
