//! Tokens with scores become entities, as in `TokenClassificationPipeline` of `transformers`.

use infer_model_card::{AggregationStrategy, Labels};
use serde::Serialize;

use crate::tasks::scores::greatest;

/// A span of a text with a label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entity {
    /// The label; without `B-` and `I-`, unless each token is an entity.
    pub label: String,
    /// The score, 0 to 1.
    pub score: f32,
    /// The first character, counted in Unicode scalar values.
    pub start: usize,
    /// The character after the last one.
    pub end: usize,
    /// The text from `start` to `end`.
    pub text: String,
}

/// A token with the scores of the classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// After softmax; not empty.
    pub scores: Vec<f32>,
    /// The first character.
    pub start: usize,
    /// The character after the last one.
    pub end: usize,
    /// Whether it continues a word.
    pub is_subword: bool,
}

/// A span with the label of a class.
struct Labeled {
    label: String,
    score: f32,
    start: usize,
    end: usize,
}

/// The entities of a text's tokens, without their texts.
#[must_use]
pub fn entities(tokens: &[Token], labels: &Labels, strategy: AggregationStrategy) -> Vec<Entity> {
    let labeled: Vec<Labeled> = match strategy {
        AggregationStrategy::None | AggregationStrategy::Simple => tokens
            .iter()
            .map(|token| of_class(&token.scores, token, token, labels))
            .collect(),
        AggregationStrategy::First | AggregationStrategy::Average | AggregationStrategy::Max => {
            words(tokens)
                .into_iter()
                .filter_map(|word| of_word(word, labels, strategy))
                .collect()
        }
    };
    if strategy == AggregationStrategy::None {
        return labeled.into_iter().map(Labeled::into_entity).collect();
    }
    group(labeled)
}

/// Keep one of the entities that overlap, where neighboring parts of a text both have them: the longest, and the one with
/// the greater score if they have one length.
#[must_use]
pub fn without_overlaps(mut entities: Vec<Entity>) -> Vec<Entity> {
    entities.sort_by_key(|entity| entity.start);
    let mut kept: Vec<Entity> = Vec::with_capacity(entities.len());
    for entity in entities {
        let Some(last) = kept.last_mut() else {
            kept.push(entity);
            continue;
        };
        if (last.start..last.end).contains(&entity.start) {
            let (length, before) = (entity.end - entity.start, last.end - last.start);
            if length > before || length == before && entity.score > last.score {
                *last = entity;
            }
        } else {
            kept.push(entity);
        }
    }
    kept
}

impl Labeled {
    fn into_entity(self) -> Entity {
        Entity {
            label: self.label,
            score: self.score,
            start: self.start,
            end: self.end,
            text: String::new(),
        }
    }
}

/// The best class of a span.
fn of_class(scores: &[f32], first: &Token, last: &Token, labels: &Labels) -> Labeled {
    let (class, score) = greatest(scores.iter().copied());
    Labeled {
        label: labels
            .get(class)
            .map_or_else(|| class.to_string(), str::to_owned),
        score,
        start: first.start,
        end: last.end,
    }
}

/// The tokens of each word. The first token starts one, whatever it is.
fn words(tokens: &[Token]) -> Vec<&[Token]> {
    tokens.chunk_by(|_, token| token.is_subword).collect()
}

/// The label of a word; `None` if it has no tokens.
fn of_word(word: &[Token], labels: &Labels, strategy: AggregationStrategy) -> Option<Labeled> {
    let (first, last) = (word.first()?, word.last()?);
    let labeled = match strategy {
        AggregationStrategy::Max => {
            let highest = word
                .iter()
                .map(|token| greatest(token.scores.iter().copied()).1);
            let (surest, _) = greatest(highest);
            of_class(&word.get(surest)?.scores, first, last, labels)
        }
        AggregationStrategy::Average => {
            let mean = |class: usize| {
                let scores = word.iter().filter_map(|token| token.scores.get(class));
                let sum: f64 = scores.map(|score| f64::from(*score)).sum();
                (sum / word.len() as f64) as f32
            };
            let means: Vec<f32> = (0..first.scores.len()).map(mean).collect();
            of_class(&means, first, last, labels)
        }
        _ => of_class(&first.scores, first, last, labels),
    };
    Some(labeled)
}

/// Whether a label begins an entity, and its tag.
fn tag(label: &str) -> (bool, &str) {
    match label.split_at_checked(2) {
        Some(("B-", tag)) => (true, tag),
        Some(("I-", tag)) => (false, tag),
        _ => (false, label),
    }
}

/// Neighbors of one tag are one entity, unless a label begins another.
fn group(labeled: Vec<Labeled>) -> Vec<Entity> {
    let continues = |before: &Labeled, next: &Labeled| {
        let (begins, next) = tag(&next.label);
        !begins && tag(&before.label).1 == next
    };
    let groups = labeled.chunk_by(continues);
    groups
        .filter_map(|group| {
            let (first, last) = (group.first()?, group.last()?);
            let sum: f64 = group.iter().map(|span| f64::from(span.score)).sum();
            let (_, name) = first.label.split_once('-').unwrap_or(("", &first.label));
            Some(Entity {
                label: name.to_owned(),
                score: (sum / group.len() as f64) as f32,
                start: first.start,
                end: last.end,
                text: String::new(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use AggregationStrategy::{Average, First, Max, None, Simple};

    /// Tokens of two characters: scores of O, B-A, I-A and B-B, and whether the token continues a word.
    fn tokens(rows: &[([f32; 4], bool)]) -> Vec<Token> {
        let token = |(place, (scores, is_subword)): (usize, &([f32; 4], bool))| Token {
            scores: scores.to_vec(),
            start: place * 2,
            end: place * 2 + 2,
            is_subword: *is_subword,
        };
        rows.iter().enumerate().map(token).collect()
    }

    fn shown(entities: &[Entity]) -> Vec<String> {
        let one = |entity: &Entity| {
            let Entity {
                label,
                score,
                start,
                end,
                ..
            } = entity;
            format!("{label} {score:.2} {start}..{end}")
        };
        entities.iter().map(one).collect()
    }

    #[test]
    fn strategies() {
        const O: [f32; 4] = [0.9, 0.1, 0.0, 0.0];
        const BEGIN: [f32; 4] = [0.1, 0.8, 0.1, 0.0];
        const INSIDE: [f32; 4] = [0.2, 0.1, 0.7, 0.0];
        const OTHER: [f32; 4] = [0.0, 0.05, 0.0, 0.95];
        let labels = Labels::parse("O\nB-A\nI-A\nB-B").unwrap();
        type Row<'a> = (AggregationStrategy, &'a [([f32; 4], bool)], &'a [&'a str]);
        let rows: [Row; 13] = [
            (Simple, &[], &[]),
            (First, &[], &[]),
            (
                None,
                &[(BEGIN, false), (INSIDE, true), (O, false)],
                &["B-A 0.80 0..2", "I-A 0.70 2..4", "O 0.90 4..6"],
            ),
            (
                Simple,
                &[(BEGIN, false), (INSIDE, true), (O, false)],
                &["A 0.75 0..4", "O 0.90 4..6"],
            ),
            // A second beginning is a second entity, and an inside without a beginning is one.
            (
                Simple,
                &[(BEGIN, false), (BEGIN, false), (O, false), (INSIDE, false)],
                &["A 0.80 0..2", "A 0.80 2..4", "O 0.90 4..6", "A 0.70 6..8"],
            ),
            (
                Simple,
                &[(BEGIN, false), (OTHER, true), (INSIDE, true)],
                &["A 0.80 0..2", "B 0.95 2..4", "A 0.70 4..6"],
            ),
            (
                First,
                &[(BEGIN, false), (OTHER, true), (INSIDE, true)],
                &["A 0.80 0..6"],
            ),
            (
                Max,
                &[(BEGIN, false), (OTHER, true), (INSIDE, true)],
                &["B 0.95 0..6"],
            ),
            (
                Average,
                &[(BEGIN, false), (OTHER, true), (INSIDE, true)],
                &["A 0.32 0..6"],
            ),
            (
                Average,
                &[(BEGIN, false), (BEGIN, true), (O, false)],
                &["A 0.80 0..4", "O 0.90 4..6"],
            ),
            // A text that begins in the middle of a word.
            (First, &[(BEGIN, true), (O, true)], &["A 0.80 0..4"]),
            // Of equal scores, the first class and the first token.
            (Simple, &[([0.5, 0.5, 0.0, 0.0], false)], &["O 0.50 0..2"]),
            (
                Max,
                &[(O, false), ([0.0, 0.9, 0.1, 0.0], true)],
                &["O 0.90 0..4"],
            ),
        ];
        let wrong: Vec<_> = rows
            .into_iter()
            .filter_map(|(strategy, row, expected)| {
                let actual = shown(&entities(&tokens(row), &labels, strategy));
                (actual != expected).then(|| format!("{strategy:?} {row:?}: {actual:?}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn labels_without_beginnings_are_grouped_by_name() {
        let rows = [
            ("PER\nLOC", "PER", "LOC"),
            // The name of a group is after the first hyphen, even if that is none of a beginning.
            ("X-PER\nB-X-Y", "PER", "X-Y"),
        ];
        for (labels, first, second) in rows {
            let labels = Labels::parse(labels).unwrap();
            let token = |scores: [f32; 2], place| Token {
                scores: scores.to_vec(),
                start: place,
                end: place + 1,
                is_subword: false,
            };
            let row = [
                token([1.0, 0.0], 0),
                token([1.0, 0.0], 1),
                token([0.0, 1.0], 2),
            ];
            let found = shown(&entities(&row, &labels, Simple));
            let expected = [format!("{first} 1.00 0..2"), format!("{second} 1.00 2..3")];
            assert_eq!(found, expected);
        }
        // Without a label file, classes have numbers.
        let row = tokens(&[([0.0, 0.0, 1.0, 0.0], false)]);
        let found = entities(&row, &Labels::default(), Simple);
        assert_eq!(shown(&found), ["2 1.00 0..2"]);
    }

    #[test]
    fn one_of_overlapping_entities_is_kept() {
        let entity = |start, end, score| Entity {
            label: "A".to_owned(),
            score,
            start,
            end,
            text: String::new(),
        };
        type Spans<'a> = &'a [(usize, usize, f32)];
        let rows: [(Spans, Spans); 7] = [
            (&[], &[]),
            (&[(0, 2, 0.5)], &[(0, 2, 0.5)]),
            (&[(0, 2, 0.5), (0, 2, 0.6)], &[(0, 2, 0.6)]),
            (&[(0, 2, 0.6), (0, 2, 0.5)], &[(0, 2, 0.6)]),
            (&[(4, 6, 0.5), (0, 5, 0.1)], &[(0, 5, 0.1)]),
            (&[(0, 2, 0.9), (1, 4, 0.1)], &[(1, 4, 0.1)]),
            (
                &[(0, 2, 0.5), (2, 4, 0.5), (3, 4, 0.9)],
                &[(0, 2, 0.5), (2, 4, 0.5)],
            ),
        ];
        let wrong: Vec<_> = rows
            .into_iter()
            .filter_map(|(spans, expected)| {
                let all = |spans: Spans| -> Vec<Entity> {
                    let spans = spans.iter();
                    spans
                        .map(|(start, end, score)| entity(*start, *end, *score))
                        .collect()
                };
                let actual = without_overlaps(all(spans));
                (actual != all(expected)).then(|| format!("{spans:?}: {:?}", shown(&actual)))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
