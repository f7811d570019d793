//! The metadata that Ultralytics writes into an ONNX file: its task, its labels and its size. Each value is a Python literal.

use infer_model_card::{Alpha, Channels, Crop, Filter, ImageSpec, Layout, ResizeMode};
use serde_json::Value;

use crate::python;

/// The metadata of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ultralytics {
    /// The task; `detect` for files of YOLOv5, which do not name it.
    pub(crate) task: String,
    /// The labels in the order of the classes.
    pub(crate) labels: Vec<String>,
    /// Height and width of the input.
    pub(crate) size: Option<(u32, u32)>,
    /// Whether the graph suppresses overlapping boxes.
    pub(crate) is_end_to_end: bool,
    /// The number of keypoints, and of the values of each.
    pub(crate) keypoints: Option<(u32, u32)>,
    /// The names of the keypoints; empty if they have none.
    pub(crate) keypoint_names: Vec<String>,
}

impl Ultralytics {
    /// Read the metadata of a file; `None` for a file of another program.
    pub(crate) fn read(metadata: &[(String, String)]) -> Option<Self> {
        let text = |key: &str| {
            let entry = metadata.iter().find(|(known, _)| known == key);
            entry.map(|(_, value)| value.as_str())
        };
        let value = |key: &str| python::literal(text(key)?);
        // Every exporter since YOLOv5 writes these two.
        let labels = labels(&value("names")?)?;
        value("stride")?;
        let numbers = |key: &str| -> Option<Vec<u32>> {
            let Value::Array(values) = value(key)? else {
                return None;
            };
            values
                .iter()
                .map(|value| u32::try_from(value.as_u64()?).ok())
                .collect()
        };
        let pair = |key: &str| match numbers(key)?.as_slice() {
            [first, second] => Some((*first, *second)),
            _ => None,
        };
        let flag = |value: Option<Value>| value == Some(Value::Bool(true));
        let has_nms = value("args").and_then(|args| args.get("nms").cloned());
        Some(Self {
            task: text("task").unwrap_or("detect").to_owned(),
            labels,
            size: pair("imgsz"),
            is_end_to_end: flag(value("end2end")) || flag(has_nms),
            keypoints: pair("kpt_shape"),
            // One list of names for each class; models with keypoints have one class.
            keypoint_names: value("kpt_names")
                .and_then(|names| texts(names.get("0")?))
                .unwrap_or_default(),
        })
    }

    /// The preprocessing of images for an input of this height and width.
    pub(crate) fn image(&self, (height, width): (u32, u32)) -> ImageSpec {
        let is_classifier = self.task == "classify";
        ImageSpec {
            input: None,
            mask: None,
            longest_edge: None,
            multiple_of: None,
            width,
            height,
            // Classifiers have torchvision's transforms, the others OpenCV's.
            resize: if is_classifier {
                ResizeMode::ShortestEdge
            } else {
                ResizeMode::Letterbox
            },
            shortest_edge: None,
            resize_width: None,
            resize_height: None,
            crop: Crop::Torchvision,
            filter: if is_classifier {
                Filter::Bilinear
            } else {
                Filter::OpencvLinear
            },
            channels: Channels::Rgb,
            alpha: Alpha::Drop,
            layout: Layout::Nchw,
            scale: 1.0 / 255.0,
            mean: vec![0.0],
            std: vec![1.0],
        }
    }
}

/// The labels of `{0: 'person', …}`, or of a list.
fn labels(names: &Value) -> Option<Vec<String>> {
    match names {
        Value::Array(_) => texts(names),
        Value::Object(names) => (0..names.len())
            .map(|index| Some(names.get(&index.to_string())?.as_str()?.to_owned()))
            .collect(),
        _ => None,
    }
}

fn texts(values: &Value) -> Option<Vec<String>> {
    let values = values.as_array()?.iter();
    values
        .map(|value| Some(value.as_str()?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(metadata: &[(&str, &str)]) -> Option<Ultralytics> {
        let metadata: Vec<(String, String)> = metadata
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Ultralytics::read(&metadata)
    }

    #[test]
    fn files_of_every_version_are_read() {
        let v5 = read(&[("stride", "32"), ("names", "{0: 'a', 1: 'b'}")]).unwrap();
        assert_eq!(v5.task, "detect");
        assert_eq!(v5.labels, ["a", "b"]);
        assert_eq!((v5.size, v5.is_end_to_end), (None, false));
        let pose = read(&[
            ("task", "pose"),
            ("stride", "32"),
            ("imgsz", "[480, 640]"),
            ("names", "{0: 'person'}"),
            ("kpt_shape", "[2, 3]"),
            ("kpt_names", "{0: ['nose', 'tail']}"),
            ("args", "{'batch': 1, 'nms': True}"),
        ])
        .unwrap();
        assert_eq!(pose.size, Some((480, 640)));
        assert_eq!(pose.keypoints, Some((2, 3)));
        assert_eq!(pose.keypoint_names, ["nose", "tail"]);
        assert!(pose.is_end_to_end);
    }

    #[test]
    fn other_files_are_not_ultralytics() {
        let cases: [&[(&str, &str)]; 6] = [
            &[],
            &[("names", "{0: 'a'}")],
            &[("stride", "32")],
            &[("stride", "32"), ("names", "{1: 'a'}")],
            &[("stride", "32"), ("names", "people")],
            &[("stride", "32"), ("names", "{0: 7}")],
        ];
        let wrong: Vec<_> = cases.iter().filter(|case| read(case).is_some()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
