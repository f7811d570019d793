//! A model repository of text models.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

/// A new repository with three models, added as a user adds them.
pub static REPOSITORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let repository = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("text-models");
    _ = std::fs::remove_dir_all(&repository);
    for folder in ["sentiment", "sentences", "passages"] {
        let added = Command::new(env!("CARGO_BIN_EXE_infer"))
            .current_dir(super::root())
            .args(["add", &format!("tests/texts/{folder}"), "--models"])
            .arg(&repository)
            .output()
            .unwrap();
        assert!(added.status.success(), "{added:?}");
        let printed = String::from_utf8(added.stdout).unwrap();
        let curl = format!(
            "curl -H 'content-type: text/plain' -d 'Any text.' localhost:3000/infer/{folder}\n"
        );
        assert!(printed.ends_with(&curl), "{printed}");
    }
    repository
});
