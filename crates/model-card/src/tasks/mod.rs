//! Tasks: the meaning of a model's outputs.
//!
//! Each task is one file here with the type of its card section. The list below registers it.

#[macro_use]
mod registry;

mod classification;
mod depth;
mod detection;
mod embedding;
mod fill_mask;
mod image_embedding;
mod question_answering;
mod ranking;
mod regression;
mod segmentation;
mod sparse_embedding;
mod tensors;
mod token_classification;
mod transcription;
mod voice_activity;
mod zero_shot;
mod zero_shot_image;

use serde::Deserialize;

use crate::keys::nearest;
use crate::{CardError, ModelCard};
pub use classification::{Activation, ClassificationSpec};
pub use depth::DepthSpec;
pub use detection::{DetectionForm, DetectionSpec, MAX_DETECTIONS};
pub use embedding::{EmbeddingSpec, Pooling};
pub use fill_mask::FillMaskSpec;
pub use image_embedding::ImageEmbeddingSpec;
pub use question_answering::QuestionAnsweringSpec;
pub use ranking::RankingSpec;
pub use regression::RegressionSpec;
pub use segmentation::SegmentationSpec;
pub use sparse_embedding::SparseEmbeddingSpec;
pub use tensors::TensorsSpec;
pub use token_classification::{AggregationStrategy, TokenClassificationSpec};
pub use transcription::TranscriptionSpec;
pub use voice_activity::{State, VoiceActivitySpec};
pub use zero_shot::ZeroShotSpec;
pub use zero_shot_image::ZeroShotImageSpec;

tasks! {
    default
    /// The output tensors, as the Open Inference Protocol has them.
    Tensors(TensorsSpec),
    /// Labels with scores, best first.
    Classification(ClassificationSpec) in classification,
    /// Numbers for a record.
    Regression(RegressionSpec) in regression,
    /// One vector per text.
    Embedding(EmbeddingSpec) in embedding,
    /// One sparse vector per text.
    SparseEmbedding(SparseEmbeddingSpec) in sparse_embedding,
    /// One vector per image.
    ImageEmbedding(ImageEmbeddingSpec) in image_embedding,
    /// Boxes in an image, with labels and scores, masks or keypoints.
    Detection(DetectionSpec) in detection,
    /// Masks of an image's classes, or of its foreground.
    Segmentation(SegmentationSpec) in segmentation,
    /// A map of an image, such as its depth.
    Depth(DepthSpec) in depth,
    /// Entities in a text.
    TokenClassification(TokenClassificationSpec) in token_classification,
    /// The answer to a question, in a context.
    QuestionAnswering(QuestionAnsweringSpec) in question_answering,
    /// Words for the mask in a text.
    FillMask(FillMaskSpec) in fill_mask,
    /// Scores of any labels for a text.
    ZeroShot(ZeroShotSpec) in zero_shot,
    /// Scores of any labels for an image.
    ZeroShotImage(ZeroShotImageSpec) in zero_shot_image,
    /// Documents in the order of their scores for a query.
    Ranking(RankingSpec) in ranking,
    /// The text of a sound.
    Transcription(TranscriptionSpec) in transcription,
    /// The times of speech in a sound.
    VoiceActivity(VoiceActivitySpec) in voice_activity,
}

/// Hugging Face's names for the tasks that this project supports or plans to support.
const KNOWN_NAMES: [&str; 23] = [
    "audio-classification",
    "automatic-speech-recognition",
    "depth-estimation",
    "feature-extraction",
    "fill-mask",
    "image-classification",
    "image-feature-extraction",
    "image-segmentation",
    "instance-segmentation",
    "keypoint-detection",
    "object-detection",
    "question-answering",
    "summarization",
    "tabular-classification",
    "tabular-regression",
    "text-classification",
    "text-generation",
    "text-ranking",
    "token-classification",
    "translation",
    "voice-activity-detection",
    "zero-shot-classification",
    "zero-shot-image-classification",
];

/// Hugging Face's name for a task and the input that it implies.
pub(crate) struct TaskName(&'static str, Input);

/// The kind of input that a task's name implies; each is a section of the card.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    Image,
    Text,
    Table,
    Audio,
}

impl Input {
    const fn section(self) -> &'static str {
        match self {
            Self::Image => "[image]",
            Self::Text => "[text]",
            Self::Table => "[table]",
            Self::Audio => "[audio]",
        }
    }

    fn is_in(self, card: &ModelCard) -> bool {
        match self {
            Self::Image => card.image.is_some(),
            Self::Text => card.text.is_some(),
            Self::Table => card.table.is_some(),
            Self::Audio => card.audio.is_some(),
        }
    }
}

/// The constants of a task's section.
pub(crate) trait SectionKeys {
    /// Its keys, sorted.
    const KEYS: &'static [&'static str];
    /// Hugging Face's names for the task, one per kind of input.
    const NAMES: &'static [TaskName];
}

/// A task's section of the card.
pub(crate) trait Section {
    /// Check the section against the rest of the card.
    fn check(&self, card: &ModelCard) -> Result<(), CardError>;

    /// Hugging Face's name for the task, if the section decides between several.
    fn name(&self, _: &ModelCard) -> Option<&'static str> {
        None
    }

    /// The file in the model's folder with one label per line.
    fn labels_file(&self) -> Option<&str> {
        None
    }

    /// The section in one line for people, if there is more to say than the task's name.
    fn summary(&self) -> Option<String> {
        None
    }
}

/// Read the task of a card from its text, and the name that the card gives it.
///
/// # Errors
/// When a section has a value of the wrong type, or when the card has the sections of two tasks.
pub(crate) fn read(text: &str) -> Result<(Task, Option<String>), CardError> {
    let mut sections: Sections = toml::from_str(text).map_err(|error| CardError::toml(&error))?;
    let mut tasks = sections.tasks().into_iter();
    let task = tasks.next().unwrap_or_default();
    if let (Some(first), Some(second)) = (
        task.section_key(),
        tasks.next().and_then(|task| task.section_key()),
    ) {
        return Err(CardError::value(
            format!("[{second}]"),
            format!("a model has one task, and the card also has the section `[{first}]`"),
        ));
    }
    Ok((task, sections.task))
}

/// Check that a value is a number from 0 to 1.
pub(crate) fn check_unit(place: &str, value: f32) -> Result<(), CardError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(CardError::value(
        place,
        format!("expected a number from 0 to 1, got {value}"),
    ))
}

/// Check a card's `task` against its sections.
///
/// Returns Hugging Face's name for the task; `None` where there is none, such as for bare tensors.
///
/// # Errors
/// When the name is unknown or not supported, or contradicts the card's sections.
pub(crate) fn check_name(
    declared: Option<&str>,
    card: &ModelCard,
) -> Result<Option<&'static str>, CardError> {
    let fail = |problem| Err(CardError::value("`task`", problem));
    let Some(declared) = declared else {
        let key = card.task.section_key();
        if let Some(name) = card.task.section().name(card) {
            return Ok(Some(name));
        }
        return Ok(supported()
            .find(|(section, TaskName(_, input))| Some(*section) == key && input.is_in(card))
            .map(|(_, TaskName(name, _))| *name));
    };
    let Some((section, TaskName(name, input))) =
        supported().find(|(_, TaskName(name, _))| *name == declared)
    else {
        let names: Vec<String> = supported()
            .map(|(_, TaskName(name, _))| format!("`{name}`"))
            .collect();
        let (last, first) = names
            .split_last()
            .map_or(("", &[][..]), |(last, first)| (last, first));
        let supported = format!(
            "supported are {} and {last}; without `task` and its section, the model returns its output \
             tensors",
            first.join(", ")
        );
        return fail(if KNOWN_NAMES.contains(&declared) {
            format!("`{declared}` is not supported yet; {supported}")
        } else {
            match nearest(declared, &KNOWN_NAMES) {
                Some(name) => format!("`{declared}` is not a task; did you mean `{name}`?"),
                None => format!("`{declared}` is not a task; {supported}"),
            }
        });
    };
    match card.task.section_key() {
        Some(key) if key == section => {}
        Some(other) => {
            return fail(format!(
                "`{name}` needs the section `[{section}]`, but the card has `[{other}]`"
            ));
        }
        None => return fail(format!("`{name}` needs the section `[{section}]`")),
    }
    if !input.is_in(card) {
        return fail(format!("`{name}` needs the section `{}`", input.section()));
    }
    if let Some(actual) = card.task.section().name(card)
        && actual != *name
    {
        return fail(format!(
            "is `{name}`, but the section `[{section}]` is that of `{actual}`"
        ));
    }
    Ok(Some(name))
}

/// Every name of every supported task, with the key of its section.
fn supported() -> impl Iterator<Item = (&'static str, &'static TaskName)> {
    SECTIONS
        .iter()
        .flat_map(|(key, _, names)| names.iter().map(|name| (*key, name)))
}

impl Task {
    /// Check the section against the rest of the card.
    pub(crate) fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        self.section().check(card)
    }

    /// The file in the model's folder with one label per line, for tasks that have labels.
    #[must_use]
    pub fn labels_file(&self) -> Option<&str> {
        self.section().labels_file()
    }

    /// The section in one line for people, with its key, if there is more to say than the task's name.
    #[must_use]
    pub fn summary(&self) -> Option<(&'static str, String)> {
        self.section_key().zip(self.section().summary())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supported_names_are_hugging_faces_and_listed_once() {
        let mut names: Vec<&str> = supported().map(|(_, TaskName(name, _))| *name).collect();
        let unknown: Vec<_> = names
            .iter()
            .filter(|name| !KNOWN_NAMES.contains(name))
            .collect();
        assert!(unknown.is_empty(), "not in KNOWN_NAMES: {unknown:?}");
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name stands for two tasks");
    }
}
