//! A model repository with a model of each kind of task, from the folders of `tests/tasks`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

/// The models' names, and their folders below `tests/tasks`.
const MODELS: [(&str, &str); 14] = [
    ("answers", "question-answering/bert"),
    ("depth", "depth-estimation/dpt"),
    ("foreground", "background-removal/rmbg"),
    ("masks", "instance-segmentation/yolov8-seg"),
    ("number", "tabular-regression/linear"),
    ("oriented", "object-detection/yolov8-obb"),
    ("points", "keypoint-detection/yolov8-pose"),
    ("rank", "text-ranking/bert"),
    ("segments", "image-segmentation/segformer"),
    ("speech", "automatic-speech-recognition/wav2vec2"),
    ("topics", "zero-shot-classification/bert"),
    ("topics-of-images", "zero-shot-image-classification/clip"),
    ("voice", "voice-activity-detection/silero"),
    ("words", "fill-mask/bert"),
];

/// A new repository with these models, added as a user adds them.
pub static REPOSITORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let repository = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("task-models");
    _ = std::fs::remove_dir_all(&repository);
    for (name, folder) in MODELS {
        let added = Command::new(env!("CARGO_BIN_EXE_infer"))
            .current_dir(super::root())
            .args(["add", &format!("tests/tasks/{folder}/model")])
            .args(["--name", name, "--models"])
            .arg(&repository)
            .output()
            .unwrap();
        assert!(added.status.success(), "{added:?}");
    }
    repository
});
