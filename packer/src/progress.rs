//! A progress bar on a terminal; nothing elsewhere.

use std::io::{self, Read, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A progress bar on stderr.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Makes a bar. It shows nothing before [`Progress::start`], or if stderr is not a terminal.
    pub(crate) fn new() -> Progress {
        Progress(ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()))
    }

    /// Makes a bar that never shows anything.
    #[cfg(test)]
    pub(crate) fn hidden() -> Progress {
        Progress(ProgressBar::hidden())
    }

    /// Starts a step of the work: `action` on `total` bytes, or on an unknown number of bytes.
    pub(crate) fn start(&self, action: &'static str, total: Option<u64>) {
        let template = match total {
            Some(_) => "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left",
            None => "{msg} {bytes} {binary_bytes_per_sec}",
        };
        // An error may be ignored: the templates are constants, and a wrong one changes only the looks.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.reset();
        self.0.set_length(total.unwrap_or(0));
        self.0.set_message(action);
    }

    /// Writes a message to stderr, above the bar.
    pub(crate) fn say(&self, line: &str) {
        // An error may be ignored: if stderr is closed, the message cannot be shown.
        self.0.suspend(|| drop(writeln!(io::stderr(), "packer: {line}")));
    }

    /// Adds to the number of bytes that are done.
    pub(crate) fn advance(&self, bytes: usize) {
        self.0.inc(bytes as u64);
    }

    /// Counts what is read from `reader`.
    pub(crate) fn watch<'a>(&self, reader: impl Read + 'a) -> impl Read + 'a {
        self.0.wrap_read(reader)
    }

    /// The number of bytes that are done.
    pub(crate) fn position(&self) -> u64 {
        self.0.position()
    }

    /// Goes back to a number of bytes: the rest is done again.
    pub(crate) fn back_to(&self, position: u64) {
        self.0.set_position(position);
    }
}

impl Drop for Progress {
    /// Removes the bar, so that it does not mix with messages.
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
