//! `infer new`

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::command;

/// Create a Spin application that serves the models in its folder `models`
#[derive(Args)]
pub struct New {
    /// Folder of the application, whose name becomes the application's
    #[arg(value_name = "NAME")]
    folder: PathBuf,
}

/// The files of the template, which `spin new` takes too.
const FILES: [(&str, &str); 4] = [
    (
        ".gitignore",
        include_str!("../../../templates/infer/content/.gitignore"),
    ),
    (
        "README.md",
        include_str!("../../../templates/infer/content/README.md"),
    ),
    ("models/.gitkeep", ""),
    (
        "spin.toml",
        include_str!("../../../templates/infer/content/spin.toml"),
    ),
];

/// How the template writes the application's name.
const NAME: &str = "{{project-name | kebab_case}}";

impl New {
    /// Write the files and print the next steps.
    pub fn run(self) -> Result<()> {
        let name = self
            .folder
            .file_name()
            .map(|name| kebab_case(&name.to_string_lossy()))
            .unwrap_or_default();
        if name.is_empty() {
            bail!(
                "`{}` gives no name: expected a folder whose name has a letter or a digit",
                self.folder.display()
            );
        }
        if self.folder.exists() {
            bail!("`{}` already exists", self.folder.display());
        }
        for (file, text) in FILES {
            write(&self.folder.join(file), &text.replace(NAME, &name))?;
        }
        let (folder, infer) = (self.folder.display(), command());
        println!("created {folder}\n\n    cd {folder}\n    {infer} add MODEL.onnx\n    {infer} up");
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

/// Spin's rule for an application's name: words of lower case, joined by hyphens.
fn kebab_case(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_spins() {
        let rows = [
            ("my-app", "my-app"),
            ("My App_2", "my-app-2"),
            ("..", ""),
            ("-", ""),
            ("größe", "gr-e"),
        ];
        for (name, expected) in rows {
            assert_eq!(kebab_case(name), expected, "{name}");
        }
    }
}
