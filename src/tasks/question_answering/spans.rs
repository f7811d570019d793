//! Values of tokens become spans of a context, as in `QuestionAnsweringPipeline` of `transformers`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::input::text::parts::{Part, Place};
use crate::tasks::parts::Characters;
use crate::tasks::scores::softmax;

/// The value of a token that no answer starts or ends at.
const MASKED: f32 = -10_000.0;

/// An answer: a span of the context.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// The text from `start` to `end`; empty if there is no answer.
    pub text: String,
    /// The score: the probability of the span, or of several spans with one text.
    pub score: f32,
    /// The first character, counted in Unicode scalar values.
    pub start: usize,
    /// The character after the last one.
    pub end: usize,
}

/// The settings of one request.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The number of answers.
    pub top_k: usize,
    /// The most tokens of an answer.
    pub max_tokens: usize,
    /// Whether there may be no answer.
    pub may_be_none: bool,
    /// Whether an answer consists of whole words.
    pub aligns: bool,
    /// Which text of a pair is the context: 0 or 1.
    pub context: u8,
}

/// A span of tokens with its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// The first token.
    pub start: usize,
    /// The last token.
    pub end: usize,
    /// The product of the probabilities of both.
    pub score: f32,
}

/// The probabilities of the tokens of a part. Tokens that are neither in the context nor the first special token, which
/// stands for no answer, have none.
pub fn probabilities(values: &mut [f32], part: &Part, context: u8) {
    let first = part.places.first().zip(part.tokens.ids.first());
    let none = first.and_then(|(place, id)| place.text.is_none().then_some(*id));
    let tokens = part.places.iter().zip(&part.tokens.ids);
    for (value, (place, id)) in values.iter_mut().zip(tokens) {
        if place.text != Some(context) && Some(*id) != none {
            *value = MASKED;
        }
    }
    softmax(values);
}

/// The best spans of a part, best first, and the probability that it has no answer.
#[must_use]
pub fn spans(start: &[f32], end: &[f32], part: &Part, settings: &Settings) -> (Vec<Span>, f32) {
    let none = start.first().unwrap_or(&0.0) * end.first().unwrap_or(&0.0);
    // Some may become one when they are aligned to words.
    let count = match settings.aligns {
        true => settings.top_k * 2 + 10,
        false => settings.top_k,
    };
    let is_open = |token: usize| {
        let place = part.places.get(token);
        token > 0 && place.is_some_and(|place| place.text == Some(settings.context))
    };
    let mut spans: Vec<Span> = Vec::new();
    let sort = |spans: &mut Vec<Span>| {
        // The sort is stable: equal scores stay in the order of the text.
        spans.sort_by(|a, b| b.score.total_cmp(&a.score));
        spans.truncate(count);
    };
    for (first, from) in start
        .iter()
        .enumerate()
        .filter(|(token, _)| is_open(*token))
    {
        let ends = end.iter().enumerate().skip(first).take(settings.max_tokens);
        for (last, to) in ends.filter(|(token, _)| is_open(*token)) {
            let score = from * to;
            if score > 0.0 {
                spans.push(Span {
                    start: first,
                    end: last,
                    score,
                });
            }
        }
        if spans.len() > count.saturating_mul(4).max(1024) {
            sort(&mut spans);
        }
    }
    sort(&mut spans);
    (spans, none)
}

/// The characters of a span: of whole words, if the tokenizer knows words.
#[must_use]
pub fn place(span: Span, part: &Part, settings: &Settings) -> (usize, usize) {
    let token = |token: usize| part.places.get(token).copied().unwrap_or_default();
    let (first, last) = (token(span.start), token(span.end));
    let of_word = |word: Option<u32>| {
        let is_it = |place: &&Place| place.text == Some(settings.context) && place.word == word;
        word?;
        let (first, last) = (
            part.places.iter().find(is_it)?,
            part.places.iter().rfind(is_it)?,
        );
        Some((first.start, last.end))
    };
    match (settings.aligns, of_word(first.word), of_word(last.word)) {
        (true, Some((start, _)), Some((_, end))) => (start, end),
        _ => (first.start, last.end),
    }
}

/// The answers of all parts of a context. Those with one text, whatever its case, are one.
#[derive(Debug)]
pub struct Answers {
    found: Vec<(f64, usize, usize)>,
    by_text: BTreeMap<String, usize>,
    /// The least probability of no answer.
    none: f32,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            found: Vec::new(),
            by_text: BTreeMap::new(),
            none: f32::INFINITY,
        }
    }
}

impl Answers {
    /// Add the spans of a part.
    pub fn add(
        &mut self,
        (spans, none): (Vec<Span>, f32),
        part: &Part,
        context: &Characters,
        settings: &Settings,
    ) {
        self.none = self.none.min(none);
        for span in spans {
            let (start, end) = place(span, part, settings);
            let text = context.slice(start, end).to_lowercase();
            let score = f64::from(span.score);
            let next = self.found.len();
            let index = *self.by_text.entry(text).or_insert(next);
            match self.found.get_mut(index) {
                Some((sum, ..)) => *sum += score,
                None => self.found.push((score, start, end)),
            }
        }
    }

    /// The best answers, best first.
    #[must_use]
    pub fn best(mut self, context: &Characters, settings: &Settings) -> Vec<Answer> {
        if settings.may_be_none && self.none.is_finite() {
            self.found.push((f64::from(self.none), 0, 0));
        }
        self.found.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
        self.found.truncate(settings.top_k);
        let answer = |(score, start, end)| Answer {
            text: context.slice(start, end).to_owned(),
            score: score as f32,
            start,
            end,
        };
        self.found.into_iter().map(answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::text::Tokens;

    /// `[CLS] ? [SEP] a bc d [SEP]`, where `bc` is one word of two tokens.
    fn part() -> Part {
        let place = |text, start, end, word| Place {
            text,
            start,
            end,
            word,
        };
        let special = place(None, 0, 0, None);
        Part {
            tokens: Tokens {
                ids: vec![1, 9, 2, 5, 6, 7, 8, 2],
                types: vec![0; 8],
            },
            places: vec![
                special,
                place(Some(0), 0, 1, Some(0)),
                special,
                place(Some(1), 0, 1, Some(0)),
                place(Some(1), 2, 3, Some(1)),
                place(Some(1), 3, 4, Some(1)),
                place(Some(1), 5, 6, Some(2)),
                special,
            ],
        }
    }

    const SETTINGS: Settings = Settings {
        top_k: 1,
        max_tokens: 15,
        may_be_none: false,
        aligns: true,
        context: 1,
    };

    #[test]
    fn only_the_context_and_the_first_token_have_probabilities() {
        let mut values = [0.0, 100.0, 100.0, 0.0, 0.0, 0.0, 0.0, 100.0];
        probabilities(&mut values, &part(), 1);
        assert_eq!(values, [0.2, 0.0, 0.0, 0.2, 0.2, 0.2, 0.2, 0.0]);
        // The context is the first text of a model that is padded at the left.
        let mut values = [0.0; 8];
        probabilities(&mut values, &part(), 0);
        assert_eq!(values, [0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn spans_are_within_the_context_and_the_length() {
        let start = [0.5, 0.0, 0.0, 0.25, 0.125, 0.125, 0.0, 0.0];
        let end = [0.5, 0.0, 0.0, 0.0, 0.125, 0.125, 0.25, 0.0];
        let found = |settings: Settings| {
            let (spans, none) = spans(&start, &end, &part(), &settings);
            let spans = spans.iter().map(|span| (span.start, span.end));
            (spans.collect::<Vec<_>>(), none)
        };
        let exact = Settings {
            aligns: false,
            ..SETTINGS
        };
        assert_eq!(found(exact), (vec![(3, 6)], 0.25));
        let three = Settings { top_k: 3, ..exact };
        assert_eq!(found(three).0, [(3, 6), (3, 4), (3, 5)]);
        let short = Settings {
            max_tokens: 1,
            ..three
        };
        assert_eq!(found(short).0, [(4, 4), (5, 5)]);
        // More candidates, since some become one.
        assert_eq!(found(SETTINGS).0.len(), 8);
        let no_tokens = spans(&[], &[], &Part::default(), &SETTINGS);
        assert_eq!(no_tokens, (Vec::new(), 0.0));
    }

    #[test]
    fn answers_are_aligned_merged_and_ordered() {
        let context = Characters::new("A bc D a");
        let span = |start, end, score| Span { start, end, score };
        let none = Settings {
            may_be_none: true,
            top_k: 9,
            ..SETTINGS
        };
        let not_aligned = Settings {
            aligns: false,
            top_k: 9,
            ..SETTINGS
        };
        let best = |spans: &[Span], settings: Settings| -> Vec<String> {
            let mut answers = Answers::default();
            answers.add((spans.to_vec(), 0.125), &part(), &context, &settings);
            answers.add((Vec::new(), 0.5), &part(), &context, &settings);
            let best = answers.best(&context, &settings);
            let shown = best.iter().map(|answer| {
                let Answer {
                    text,
                    score,
                    start,
                    end,
                } = answer;
                format!("{text:?} {score} {start}..{end}")
            });
            shown.collect()
        };
        type Row<'a> = (&'a [Span], Settings, &'a [&'a str]);
        let rows: [Row; 6] = [
            (&[], SETTINGS, &[]),
            (&[], none, &[r#""" 0.125 0..0"#]),
            (
                &[span(4, 4, 0.5), span(5, 5, 0.25)],
                SETTINGS,
                &[r#""bc" 0.75 2..4"#],
            ),
            (
                &[span(4, 4, 0.5), span(5, 5, 0.25)],
                not_aligned,
                &[r#""b" 0.5 2..3"#, r#""c" 0.25 3..4"#],
            ),
            (
                &[span(3, 3, 0.25), span(6, 6, 0.5)],
                none,
                &[r#""D" 0.5 5..6"#, r#""A" 0.25 0..1"#, r#""" 0.125 0..0"#],
            ),
            (
                &[span(3, 3, 0.25), span(6, 6, 0.5)],
                SETTINGS,
                &[r#""D" 0.5 5..6"#],
            ),
        ];
        let wrong: Vec<_> = rows
            .into_iter()
            .filter_map(|(spans, settings, expected)| {
                let actual = best(spans, settings);
                (actual != expected).then(|| format!("{spans:?}: {actual:?}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
