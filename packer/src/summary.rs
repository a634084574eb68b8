//! The last line of `packer build`.

use std::fmt;
use std::io::{self, Write as _};
use std::time::Duration;

use serde::Serialize;

use crate::content::Content;
use crate::error::{Error, Result};
use crate::show::Size;

/// What was packed.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// The path of the bundle.
    pub(crate) output: String,
    pub(crate) entries: Vec<String>,
    pub(crate) modes: Vec<&'static str>,
    pub(crate) store_paths: usize,
    pub(crate) files: usize,
    pub(crate) frames: usize,
    /// Bytes of all files.
    pub(crate) bytes_before: u64,
    /// Bytes of the bundle.
    pub(crate) bytes_after: u64,
    pub(crate) seconds: f64,
    pub(crate) relocation: Relocation,
}

/// Whether references can be rewritten.
#[derive(Debug, Serialize)]
pub(crate) struct Relocation {
    /// References that can be.
    pub(crate) references: usize,
    /// Files and links that have some.
    pub(crate) files: usize,
    /// What cannot be; empty if all can.
    pub(crate) obstacles: Vec<String>,
}

impl Relocation {
    pub(crate) fn new(content: &Content) -> Relocation {
        let (references, files) = content.count_references();
        let obstacles = content.obstacles().map(str::to_owned).collect();
        Relocation { references, files, obstacles }
    }
}

impl fmt::Display for Relocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Relocation { references, files, obstacles } = self;
        match obstacles.as_slice() {
            [] => write!(f, "relocatable ({references} references in {files} files)"),
            [only] => write!(f, "not relocatable ({only})"),
            [first, rest @ ..] => {
                let more = rest.len();
                write!(f, "not relocatable ({first}; and {more} more, see packer inspect)")
            }
        }
    }
}

impl Summary {
    /// Prints one line: text, or JSON.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if json { print_json(self) } else { print(&self.line()) }
    }

    fn line(&self) -> String {
        let name = self.output.rsplit('/').next().unwrap_or(&self.output);
        let Summary { files, bytes_before, bytes_after, seconds, relocation, .. } = self;
        let (before, after) = (Size(*bytes_before), Size(*bytes_after));
        format!("{name}: {files} files, {before} -> {after} in {seconds:.1} s, {relocation}\n")
    }
}

/// Rounds to milliseconds: more digits would say nothing.
pub(crate) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Prints a value as one line of JSON.
///
/// # Errors
///
/// If it cannot be written.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let text =
        serde_json::to_string(value).map_err(|error| Error::Stdout { source: error.into() })?;
    print(&format!("{text}\n"))
}

/// Prints to stdout; a reader that has gone away, such as `head`, is no error.
///
/// # Errors
///
/// If it cannot be written for another reason.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|source| Error::Stdout { source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_tells_files_sizes_and_time() {
        let summary = Summary {
            output: "./markov".into(),
            entries: vec!["markov".into()],
            modes: vec!["namespace"],
            store_paths: 48,
            files: 1715,
            frames: 13,
            bytes_before: 106_249_000,
            bytes_after: 33_100_000,
            seconds: seconds(Duration::from_micros(12_345_678)),
            relocation: Relocation { references: 2267, files: 212, obstacles: Vec::new() },
        };
        assert_eq!(
            summary.line(),
            "markov: 1715 files, 106.2 MB -> 33.1 MB in 12.3 s, \
             relocatable (2267 references in 212 files)\n"
        );
        let obstacles = ["a: why".to_owned(), "b: why".to_owned()];
        let relocation = Relocation { references: 0, files: 0, obstacles: obstacles.into() };
        assert_eq!(
            relocation.to_string(),
            "not relocatable (a: why; and 1 more, see packer inspect)"
        );
    }
}
