//! The summary that `packer build` prints at the end.

use std::time::Duration;

use runtime::error::Size;
use serde::Serialize;

use crate::command::print;
use crate::error::Result;
use crate::plan::verdict::Relocation;

/// What a rule left out; the field names are the keys of the JSON output.
#[derive(Debug, Serialize)]
pub(crate) struct LeftOut {
    pub(crate) rule: String,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl From<format::LeftOut> for LeftOut {
    fn from(format::LeftOut { rule, files, bytes }: format::LeftOut) -> LeftOut {
        LeftOut { rule, files, bytes }
    }
}

/// Says what all rules together left out; nothing if they left out nothing.
pub(crate) fn saved(left_out: &[LeftOut]) -> String {
    let (files, bytes) = left_out.iter().fold((0, 0), |(files, bytes), rule| {
        (files + rule.files, rule.bytes.saturating_add(bytes))
    });
    match files {
        0 => String::new(),
        files => format!("left out {} of {files} files, ", Size(bytes)),
    }
}

/// The summary; the field names are the keys of the JSON output.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// The path of the bundle.
    pub(crate) output: String,
    pub(crate) entries: Vec<String>,
    pub(crate) modes: Vec<&'static str>,
    pub(crate) store_paths: usize,
    /// Store paths from binary caches.
    pub(crate) fetched: usize,
    /// Those of them for which nobody vouches.
    pub(crate) unvouched: usize,
    pub(crate) files: usize,
    /// What rules left out.
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) frames: usize,
    /// Bytes of all files.
    pub(crate) bytes_before: u64,
    /// Bytes of the bundle.
    pub(crate) bytes_after: u64,
    pub(crate) seconds: f64,
    pub(crate) relocation: Relocation,
}

impl Summary {
    /// Prints one line: text, or JSON.
    ///
    /// # Errors
    ///
    /// If stdout cannot be written.
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if json { print::json(self) } else { print::text(&self.line()) }
    }

    fn line(&self) -> String {
        let name = self.output.rsplit('/').next().unwrap_or(&self.output);
        let Summary { files, bytes_before, bytes_after, seconds, relocation, .. } = self;
        let (before, after) = (Size(*bytes_before), Size(*bytes_after));
        let saved = saved(&self.left_out);
        format!(
            "{name}: {files} files, {before} -> {after} in {seconds:.1} s, {saved}{relocation}\n"
        )
    }
}

/// Returns seconds, rounded to milliseconds: more digits would have no meaning.
pub(crate) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_tells_files_sizes_and_time() {
        let mut summary = Summary {
            output: "./markov".into(),
            entries: vec!["markov".into()],
            modes: vec!["namespace"],
            store_paths: 48,
            fetched: 0,
            unvouched: 0,
            files: 1715,
            left_out: Vec::new(),
            frames: 13,
            bytes_before: 106_249_000,
            bytes_after: 33_100_000,
            seconds: seconds(Duration::from_micros(12_345_678)),
            relocation: Relocation::new(format::Findings::default(), 2267, 212),
        };
        assert_eq!(
            summary.line(),
            "markov: 1715 files, 106.2 MB -> 33.1 MB in 12.3 s, \
             relocatable (2267 references in 212 files)\n"
        );
        let rule = |bytes| LeftOut { rule: "headers".into(), files: 7, bytes };
        summary.left_out = vec![rule(1_000_000), rule(500_000)];
        assert_eq!(
            summary.line(),
            "markov: 1715 files, 106.2 MB -> 33.1 MB in 12.3 s, left out 1.5 MB of 14 files, \
             relocatable (2267 references in 212 files)\n"
        );
    }
}
