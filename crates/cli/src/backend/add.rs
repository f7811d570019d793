//! `cargo infer backend add`

use anyhow::Result;
use clap::Args;

use super::{Name, install};
use crate::progress::Terminal;

/// Fetch a library's official wheel from the Python package index into the cache folder of your user.
#[derive(Args)]
pub struct Add {
    /// Which library
    #[arg(value_enum, value_name = "NAME")]
    name: Name,
}

impl Add {
    /// Fetch it unless it is there, and see that it works.
    pub fn run(self) -> Result<()> {
        use infer_pack::Progress;
        let library = self.name.library();
        let progress = Terminal::new();
        progress.step(1, 2, &format!("fetching {}", library.name()));
        let folder = install::install(library)?;
        progress.step(2, 2, "computing with it");
        let works = super::check::check(self.name, "")?;
        println!("{works}\n{}", folder.display());
        Ok(())
    }
}
