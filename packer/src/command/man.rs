//! `packer man`: prints the manual page of packer or of one of its commands.

use clap::CommandFactory as _;
use clap_mangen::Man;

use super::print;
use crate::cli::{self, Cli};
use crate::error::{Error, Result};

/// Prints the manual page as roff.
///
/// # Errors
///
/// If the command does not exist, or stdout cannot be written.
pub(crate) fn man(options: &cli::Man) -> Result<()> {
    let mut packer = Cli::command();
    packer.build();
    let command = match &options.command {
        None => packer,
        Some(name) => {
            let found = packer.find_subcommand(name).cloned();
            let found = found.ok_or_else(|| Error::NoCommand { name: name.clone() })?;
            let page = format!("packer-{name}");
            found.name(page.clone()).display_name(page)
        }
    };
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(|source| Error::Stdout { source })?;
    print::text(&String::from_utf8_lossy(&page))
}
