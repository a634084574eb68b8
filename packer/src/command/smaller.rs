//! The step that makes a closure smaller: `--slim`, `--locales` and `--strip`.

use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;

use format::LeftOut;

use crate::cli;
use crate::error::Result;
use crate::plan::entry::Program;
use crate::progress::Progress;
use crate::source::closure::Closure;
use crate::source::slim::{self, Asked, Given};
use crate::source::store::Store;
use crate::source::strip;
use crate::source::tree::Tree;

/// What a closure consists of, before it is made smaller.
pub(super) struct Whole<'a> {
    pub(super) closure: &'a Closure,
    pub(super) programs: &'a [Program],
    /// The store path of `--graphics`.
    pub(super) drivers: Option<&'a format::StorePath>,
}

/// Leaves out and strips files as the options say; returns the rest, and what each rule saved, sorted by its name.
///
/// # Errors
///
/// If a language is unknown, a file cannot be read, or there is no room for temporary files.
pub(super) fn make(
    store: &mut Store,
    mut tree: Tree,
    options: &cli::Packed,
    whole: &Whole<'_>,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<(Tree, Vec<LeftOut>)> {
    let cli::Smaller { slim: is_slim, locales, strip: is_stripped } = &options.smaller;
    let languages = (!locales.is_empty()).then_some(locales.as_slice());
    let asked = match (is_slim, languages) {
        (true, languages) => Some(Asked::Slim { languages }),
        (false, Some(languages)) => Some(Asked::Locales(languages)),
        (false, None) => None,
    };
    let mut left_out = Vec::new();
    if let Some(asked) = asked {
        let entries: Vec<Vec<u8>> = whole.programs.iter().map(Program::full_path).collect();
        let env: Vec<Vec<u8>> = options.env.iter().map(|rule| rule.as_bytes().into()).collect();
        let given = Given {
            entries: &entries,
            env: &env,
            drivers: whole.drivers,
            roots: &whole.closure.roots,
        };
        progress.start("slimming", None);
        (tree, left_out) = slim::slim(store, tree, asked, &given, threads)?;
    }
    if *is_stripped {
        progress.start("stripping", None);
        left_out.extend(strip::strip(store, &mut tree, threads)?);
    }
    left_out.sort_by(|a, b| a.rule.cmp(&b.rule));
    Ok((tree, left_out))
}
