//! `[detection]`: a file of Ultralytics, or a folder with a detector's `config.json`.

use std::fmt::Write;

use infer_model_card::{DetectionForm, MAX_DETECTIONS, TensorSpec};

use super::{Context, Section, is_float};
use crate::card::{LABELS_FILE, toml_string};
use crate::inspect::InspectError;
use crate::labels;
use crate::tensors::described;
use crate::ultralytics::Ultralytics;

/// Architectures whose classes are scored by sigmoid, each pair of query and class by itself.
const SIGMOID: [&str; 7] = [
    "ConditionalDetrForObjectDetection",
    "DeformableDetrForObjectDetection",
    "RTDetrForObjectDetection",
    "RTDetrV2ForObjectDetection",
    "DFineForObjectDetection",
    "DeimForObjectDetection",
    "LwDetrForObjectDetection",
];

/// Architectures with a class of no object, which is the last.
const SOFTMAX: [&str; 3] = [
    "DetrForObjectDetection",
    "TableTransformerForObjectDetection",
    "YolosForObjectDetection",
];

/// The values of the card's section that are not defaults.
struct Values<'a> {
    form: DetectionForm,
    output: &'a str,
    boxes: Option<&'a str>,
    masks: Option<&'a str>,
    labels: Vec<String>,
    threshold: f32,
    keypoints: Option<(u32, u32)>,
    keypoint_names: &'a [String],
    is_oriented: bool,
    max_detections: u32,
}

/// The section of a detector.
///
/// # Errors
/// When the files name a detector whose outputs are not those of its form.
pub(super) fn detect(context: &Context) -> Result<Option<Section>, InspectError> {
    if let Some(file) = context.ultralytics {
        return of_ultralytics(file, context);
    }
    let architecture = context.config.architecture.as_str();
    let form = if SIGMOID.contains(&architecture) {
        DetectionForm::RtDetr
    } else if SOFTMAX.contains(&architecture) {
        DetectionForm::Detr
    } else {
        return Ok(None);
    };
    let outputs = &context.tried.outputs;
    let (Some(logits), Some(boxes)) = (find(outputs, "logits", 3), find(outputs, "pred_boxes", 3))
    else {
        return Err(InspectError::UnfitOutputs {
            what: format!("`{architecture}` in `config.json`"),
            expected: "outputs `logits` and `pred_boxes` of three dimensions",
            outputs: described(outputs),
        });
    };
    Ok(Some(section(&Values {
        form,
        output: &logits.name,
        boxes: Some(&boxes.name),
        masks: None,
        labels: context.config.labels.clone(),
        threshold: 0.5,
        keypoints: None,
        keypoint_names: &[],
        is_oriented: false,
        max_detections: match logits.shape[1] {
            // `post_process_object_detection` of these keeps 100.
            _ if architecture.contains("DeformableDetr")
                || architecture.contains("ConditionalDetr") =>
            {
                100
            }
            // As many as there are queries.
            queries => u32::try_from(queries)
                .unwrap_or(300)
                .clamp(1, MAX_DETECTIONS),
        },
    })))
}

fn of_ultralytics(file: &Ultralytics, context: &Context) -> Result<Option<Section>, InspectError> {
    if !matches!(file.task.as_str(), "detect" | "segment" | "pose" | "obb") {
        return Ok(None);
    }
    let outputs = &context.tried.outputs;
    let unfit = |expected| InspectError::UnfitOutputs {
        what: format!("the metadata of the file, whose task is `{}`", file.task),
        expected,
        outputs: described(outputs),
    };
    let rows = outputs
        .iter()
        .find(|spec| is_float(spec) && spec.shape.len() == 3);
    let rows = rows.ok_or_else(|| unfit("an output of three dimensions with the boxes"))?;
    let masks = match file.task.as_str() {
        "segment" => {
            let masks = outputs
                .iter()
                .find(|spec| is_float(spec) && spec.shape.len() == 4);
            Some(masks.ok_or_else(|| unfit("an output of four dimensions with the masks"))?)
        }
        _ => None,
    };
    let keypoints = match file.task.as_str() {
        "pose" => Some(
            file.keypoints
                .ok_or_else(|| unfit("`kpt_shape` in the metadata"))?,
        ),
        _ => None,
    };
    let extras = masks
        .and_then(|masks| masks.shape.get(1).copied())
        .unwrap_or(0)
        + keypoints.map_or(0, |(count, values)| i64::from(count) * i64::from(values))
        + i64::from(file.task == "obb");
    let classes = file.labels.len() as i64;
    let columns = (rows.shape[1], rows.shape[2]);
    let form = match columns {
        (_, last) if file.is_end_to_end && (last == 6 + extras || last == -1) => {
            DetectionForm::EndToEnd
        }
        (first, _) if !file.is_end_to_end && first == 4 + classes + extras => DetectionForm::Yolo,
        (_, last) if !file.is_end_to_end && last == 5 + classes + extras => DetectionForm::Yolov5,
        // Files of YOLOv10 do not always say that they need no suppression.
        (_, last) if last == 6 + extras => DetectionForm::EndToEnd,
        _ => {
            return Err(unfit(
                "one row or column for each box with its place and one value for each label",
            ));
        }
    };
    Ok(Some(section(&Values {
        form,
        output: &rows.name,
        boxes: None,
        masks: masks.map(|masks| masks.name.as_str()),
        labels: file.labels.clone(),
        threshold: 0.25,
        keypoints,
        keypoint_names: match keypoints {
            Some((count, _)) if file.keypoint_names.len() == count as usize => &file.keypoint_names,
            _ => &[],
        },
        is_oriented: file.task == "obb",
        max_detections: 300,
    })))
}

fn find<'a>(outputs: &'a [TensorSpec], name: &str, rank: usize) -> Option<&'a TensorSpec> {
    let fits = |spec: &&TensorSpec| spec.name == name && spec.shape.len() == rank && is_float(spec);
    outputs.iter().find(fits)
}

fn section(values: &Values) -> Section {
    let mut text = String::new();
    // Writing into a text does not fail.
    _ = write_section(&mut text, values);
    let is_line = |label: &String| !label.trim().is_empty() && !label.contains(['\n', '\r']);
    // A label file has one label a line.
    let lines: Vec<String> = values
        .labels
        .iter()
        .map(|label| match is_line(label) {
            true => label.clone(),
            false => label.split_whitespace().collect::<Vec<_>>().join(" "),
        })
        .collect();
    Section {
        text,
        labels: (!lines.is_empty()).then(|| labels::to_text(&lines)),
        ..Section::default()
    }
}

fn write_section(text: &mut String, values: &Values) -> std::fmt::Result {
    writeln!(
        text,
        "# How outputs become boxes, in pixels of the image as sent."
    )?;
    let form = match values.form {
        DetectionForm::Yolo => "yolo",
        DetectionForm::Yolov5 => "yolov5",
        DetectionForm::EndToEnd => "end-to-end",
        DetectionForm::Detr => "detr",
        DetectionForm::RtDetr => "rt-detr",
    };
    writeln!(
        text,
        "[detection]\nform = \"{form}\"  # yolo | yolov5 | end-to-end | detr | rt-detr"
    )?;
    writeln!(text, "output = {}", toml_string(values.output))?;
    if let Some(boxes) = values.boxes {
        writeln!(text, "boxes = {}", toml_string(boxes))?;
    }
    if let Some(masks) = values.masks {
        writeln!(text, "masks = {}", toml_string(masks))?;
    }
    if !values.labels.is_empty() {
        writeln!(text, "labels = \"{LABELS_FILE}\"  # one label per line")?;
    }
    writeln!(
        text,
        "threshold = {:?}  # the least score of a box",
        values.threshold
    )?;
    if values.form.is_unsuppressed() {
        writeln!(
            text,
            "iou_threshold = 0.7  # of boxes that overlap more, the best one stays"
        )?;
    }
    writeln!(text, "max_detections = {}", values.max_detections)?;
    if let Some((count, each)) = values.keypoints {
        writeln!(
            text,
            "keypoints = {count}\nkeypoint_values = {each}  # x, y and, if 3, the score"
        )?;
    }
    if !values.keypoint_names.is_empty() {
        let names: Vec<String> = values
            .keypoint_names
            .iter()
            .map(|name| toml_string(name))
            .collect();
        writeln!(text, "keypoint_names = [{}]", names.join(", "))?;
    }
    if values.is_oriented {
        writeln!(text, "oriented = true")?;
    }
    Ok(())
}
