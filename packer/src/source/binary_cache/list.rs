//! Lists of store paths, such as `store-paths.xz` of a channel: a file or a URL, compressed or not.

use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use format::StorePath;

use super::compression::Compression;
use super::place::Place;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::show;

/// The longest line: a store path, and room for the end of the line.
const LINE_LEN: u64 = 512;

/// Reads a list, and gives each store path to `take`.
///
/// # Errors
///
/// If the list cannot be read, or has something else in it.
pub(crate) fn read(
    list: &str,
    silence: Duration,
    progress: &Progress,
    mut take: impl FnMut(StorePath),
) -> Result<()> {
    let without_settings = list.split('?').next().unwrap_or(list);
    let (dir, name) = match without_settings.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some(parts) => parts,
        None => (".", without_settings),
    };
    let failed = |reason: String| Error::NoList { list: show::text(without_settings), reason };
    let place = match dir.contains("://") {
        true => Place::parse(dir, silence)?,
        false => Place::directory(dir),
    };
    let transfer = place.open(name, None).map_err(|trouble| failed(trouble.reason))?;
    let transfer = transfer.ok_or_else(|| failed("it does not exist".to_owned()))?;
    let (trouble, encoding) = (transfer.trouble(), transfer.encoding);
    let broken = |error: io::Error| {
        failed(trouble.take().map_or_else(|| show::text(&error.to_string()), |it| it.reason))
    };
    let plain = encoding.decoder(progress.watch(transfer)).map_err(broken)?;
    let lines = compression(name).decoder(plain).map_err(broken)?;
    let mut lines = BufReader::with_capacity(64 << 10, lines);
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut lines).take(LINE_LEN).read_until(b'\n', &mut line).map_err(broken)? == 0 {
            return Ok(());
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let path = StorePath::parse_full(text);
        take(path.map_err(|_| failed("it has lines that are no store paths".to_owned()))?);
    }
}

/// How a list with this name is compressed.
fn compression(name: &str) -> Compression {
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("xz") => Compression::Xz,
        Some("zst") => Compression::Zstd,
        Some("bz2") => Compression::Bzip2,
        Some("gz") => Compression::Gzip,
        Some("br") => Compression::Brotli,
        _ => Compression::None,
    }
}
