//! Greedy decoding of a model that was trained with connectionist temporal classification.

use std::ops::Range;

/// The settings of `Wav2Vec2CTCTokenizer`.
#[derive(Clone, Copy, Debug)]
pub struct Ctc<'a> {
    /// The token of each column of the logits.
    pub vocabulary: &'a [String],
    /// The column of the blank, which is the padding token.
    pub blank: usize,
    /// The column of the token between words, which becomes a space. Without one, a token that is a space separates them.
    pub word_delimiter: Option<usize>,
}

/// A part of a transcription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The text.
    pub text: String,
    /// The frames, with the end excluded. A frame begins at the second `frame * inputs_to_logits_ratio / rate_hz`.
    pub frames: Range<usize>,
}

/// What was said, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcription {
    /// The whole text, without spaces at its ends.
    pub text: String,
    /// Its characters, or whatever the vocabulary's tokens are, with the spaces between words.
    pub characters: Vec<Span>,
    /// Its words, each from its first character's first frame to its last character's last one.
    pub words: Vec<Span>,
}

/// Why logits cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CtcError {
    /// Logits that are not whole frames.
    #[error("expected rows of {columns} logits, one for each token, got {len} logits")]
    Shape {
        /// The number of logits.
        len: usize,
        /// The size of the vocabulary.
        columns: usize,
    },

    /// A blank or a delimiter that the vocabulary does not have.
    #[error(
        "the {name} is token {index}, expected less than {columns}, the size of the vocabulary"
    )]
    Token {
        /// `blank` or `word delimiter`.
        name: &'static str,
        /// The column.
        index: usize,
        /// The size of the vocabulary.
        columns: usize,
    },
}

/// Decodes logits of shape `[frames, vocabulary]`, as `Wav2Vec2CTCTokenizer.decode` of transformers decodes their argmax
/// with `output_char_offsets=True`, `output_word_offsets=True` and `clean_up_tokenization_spaces=False`.
///
/// Each frame gives its largest logit's token, the first one of equals. Equal tokens in a row become one, and blanks are
/// dropped. A vocabulary without a token for some column repeats its unknown token there. `do_lower_case` is the caller's.
///
/// # Errors
///
/// [`CtcError`] if the logits are not whole rows, or the blank or the delimiter is not a column.
pub fn ctc(logits: &[f32], settings: &Ctc<'_>) -> Result<Transcription, CtcError> {
    let Ctc {
        vocabulary,
        blank,
        word_delimiter,
    } = *settings;
    let columns = vocabulary.len();
    for (name, index) in [("blank", Some(blank)), ("word delimiter", word_delimiter)] {
        if let Some(index) = index.filter(|&index| index >= columns) {
            return Err(CtcError::Token {
                name,
                index,
                columns,
            });
        }
    }
    if !logits.len().is_multiple_of(columns) {
        return Err(CtcError::Shape {
            len: logits.len(),
            columns,
        });
    }
    let (blank, delimiter) = (
        &vocabulary[blank],
        word_delimiter.map(|index| &vocabulary[index]),
    );

    let mut characters: Vec<Span> = Vec::new();
    let mut words: Vec<Span> = Vec::new();
    let tokens: Vec<&String> = logits
        .chunks_exact(columns)
        .map(|row| &vocabulary[argmax(row)])
        .collect();
    let mut end = 0;
    let mut is_in_word = false;
    for run in tokens.chunk_by(|left, right| left == right) {
        let frames = end..end + run.len();
        end = frames.end;
        let token = run[0];
        if token == blank {
            continue;
        }
        let is_space = Some(token) == delimiter || token == " ";
        let text = if is_space {
            " ".to_owned()
        } else {
            token.clone()
        };
        match words.last_mut().filter(|_| is_in_word && !is_space) {
            Some(word) => {
                word.text.push_str(&text);
                word.frames.end = end;
            }
            None if is_space => {}
            None => words.push(Span {
                text: text.clone(),
                frames: frames.clone(),
            }),
        }
        is_in_word = !is_space;
        characters.push(Span { text, frames });
    }
    let text: String = characters.iter().map(|span| span.text.as_str()).collect();
    Ok(Transcription {
        text: text.trim().to_owned(),
        characters,
        words,
    })
}

/// The index of the largest value, the first one of equals. As in NumPy, a NaN is larger than any number.
fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if !row[best].is_nan() && (value.is_nan() || *value > row[best]) {
            best = index;
        }
    }
    best
}
