//! `infer backend add`

use anyhow::Result;
use clap::Args;

use super::{Name, install};
use crate::progress::Terminal;

/// Install a native library: its official wheel from the Python package index, into the user's cache folder
#[derive(Args)]
pub struct Add {
    /// Library to install
    #[arg(value_enum, value_name = "NAME")]
    name: Name,
}

impl Add {
    /// Install the library unless it is installed, then check it.
    pub fn run(self) -> Result<()> {
        use infer_pack::Progress;
        let library = self.name.library();
        let progress = Terminal::new();
        progress.step(1, 2, &format!("downloading {}", library.name()));
        let folder = install::install(library)?;
        progress.step(2, 2, "running a test graph");
        let works = super::check::check(self.name, "")?;
        println!("{works}\n{}", folder.display());
        Ok(())
    }
}
