//! What a person sees while it works: a bar on a terminal, nothing elsewhere.

use std::io::{self, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A progress bar on stderr.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Makes one; it shows nothing before [`Progress::start`], or if stderr is no terminal.
    pub(crate) fn new() -> Progress {
        Progress(ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()))
    }

    /// Makes one that never shows anything.
    #[cfg(test)]
    pub(crate) fn hidden() -> Progress {
        Progress(ProgressBar::hidden())
    }

    /// Begins a part of the work: `action` on `total` bytes, if it is known how many.
    pub(crate) fn start(&self, action: &'static str, total: Option<u64>) {
        let template = match total {
            Some(_) => "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left",
            None => "{msg} {bytes} {binary_bytes_per_sec}",
        };
        // The templates are constants: if one were wrong, the bar would merely look different.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.reset();
        self.0.set_length(total.unwrap_or(0));
        self.0.set_message(action);
    }

    /// Writes a line about the work to stderr, above the bar.
    pub(crate) fn say(&self, line: &str) {
        // If stderr is closed, there is nobody to tell.
        self.0.suspend(|| drop(writeln!(io::stderr(), "packer: {line}")));
    }

    /// Says that this many bytes more are done.
    pub(crate) fn advance(&self, bytes: usize) {
        self.0.inc(bytes as u64);
    }
}

impl Drop for Progress {
    /// Takes the bar away, so that a message stands alone.
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
