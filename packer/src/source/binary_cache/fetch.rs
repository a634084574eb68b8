//! Fetches NARs: many at once, with a bound on the memory of their decoders.

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, PoisonError};

use format::StorePath;

use super::compression::Compression;
use super::place::{Cause, Trouble};
use super::transfer::Transfer;
use super::{Caches, Found, connections};
use crate::error::{Error, Result};
use crate::parallel;
use crate::progress::Progress;
use crate::show;
use crate::source::kept::{Full, Nar, Place};
use crate::source::path_info::Known;
use crate::trust::content_address;

/// Bytes that the decoders of all NARs in work may take together.
const MEMORY: u64 = 256 << 20;

/// Bytes that a decoder takes besides its window.
const DECODER: u64 = 1 << 20;

/// Bytes that a compressed NAR may be longer than the NAR: an eighth, and some.
const SLACK: u64 = 64 << 10;

impl Caches {
    /// Gets the NARs of store paths, from `place` or from the caches, and keeps them in `place`.
    ///
    /// # Errors
    ///
    /// If no cache gives the NAR that was signed, or it cannot be kept.
    pub(crate) fn fetch(
        &self,
        found: Vec<Found>,
        place: &Place,
        threads: NonZeroUsize,
        progress: &Progress,
    ) -> Result<Vec<(StorePath, Nar)>> {
        // The largest first, so that no thread is left alone with it at the end.
        let mut wanted = found;
        wanted.sort_by_key(|found| std::cmp::Reverse(found.info.known.nar_len));
        progress.start("looking", None);
        let mut nars = Vec::new();
        let mut missing = Vec::new();
        let mut waiting = wanted.iter();
        let look = |number: usize| {
            let known = &wanted[number].info.known;
            let kept = place.find(&known.nar_hash, known.nar_len);
            // What is kept has the hash that the cache names; nobody may have vouched for that. It is fetched then, and the
            // cache is named.
            Ok(kept.filter(|nar| is_addressed(nar, known).unwrap_or(false)))
        };
        parallel::in_order(threads, wanted.len(), look, |kept| {
            let Some(wanted) = waiting.next() else { return Ok(()) };
            match kept {
                Some(nar) => nars.push((wanted.info.path.clone(), nar)),
                None => missing.push(wanted),
            }
            Ok(())
        })?;

        // The numbers are only the caches' word.
        let total = missing.iter().fold(0_u64, |all, found| all.saturating_add(len(found)));
        progress.start("fetching", Some(total));
        let memory = Budget::new(MEMORY);
        let get = |number: usize| {
            let found = missing[number];
            let _share = memory.take(found.info.known.nar_len.saturating_add(DECODER));
            self.get(found, place, progress)
        };
        let mut waiting = missing.iter();
        parallel::in_order(connections(), missing.len(), get, |nar| {
            nars.extend(waiting.next().map(|found| (found.info.path.clone(), nar)));
            Ok(())
        })?;
        Ok(nars)
    }

    /// Gets a NAR from the first cache that gives it.
    fn get(&self, found: &Found, place: &Place, progress: &Progress) -> Result<Nar> {
        let error = match self.one(found, place, progress) {
            // Another cache makes no room.
            Err(error) if !matches!(error, Error::NotKept { .. }) => error,
            result => return result,
        };
        let mut from = found.cache + 1;
        // What another cache has may be another NAR, of another build: its closure is another one, too.
        while let Ok(Some(other)) = self.find(&found.info.path, from, progress) {
            let (a, b) = (&other.info.known, &found.info.known);
            if (a.nar_hash, a.nar_len) == (b.nar_hash, b.nar_len)
                && let Ok(nar) = self.one(&other, place, progress)
            {
                return Ok(nar);
            }
            from = other.cache + 1;
        }
        Err(error)
    }

    fn one(&self, found: &Found, place: &Place, progress: &Progress) -> Result<Nar> {
        let cache = &self.all[found.cache];
        let (info, path) = (&found.info, &found.info.path);
        let gone = || cache.lie(path, format!("its file {} is not there", show::text(&info.url)));
        let of_trouble = |trouble: Trouble| match trouble.cause {
            Cause::File => cache.lie(path, trouble.reason),
            _ => self.give_up(cache, trouble, progress),
        };
        if cache.is_down() {
            let reason = "it does not answer any more".to_owned();
            return Err(cache.error(Trouble::of_server(reason)));
        }
        let transfer = cache.place.open(&info.url, info.file_len).map_err(of_trouble)?;
        let mut transfer = transfer.ok_or_else(gone)?;
        let trouble = transfer.trouble();
        let limit = info.known.nar_len.saturating_add(info.known.nar_len / 8 + SLACK);
        let mut counted = Counted { input: &mut transfer, progress, rest: limit };
        let failed = |error: io::Error| match trouble.take() {
            Some(trouble) => of_trouble(trouble),
            None => match error.get_ref().and_then(|inner| inner.downcast_ref::<Full>()) {
                Some(Full(full)) => {
                    Error::NotKept { dir: show::path(&place.dir()), reason: full.to_string() }
                }
                None => {
                    cache.lie(path, format!("its NAR is wrong: {}", show::text(&error.to_string())))
                }
            },
        };
        let nar = decode(&mut counted, found, place).map_err(failed)?;
        if !is_addressed(&nar, &info.known).map_err(failed)? {
            return Err(cache.lie(path, "its content address is for another content".to_owned()));
        }
        let (digest, len) = transfer.finish(limit).map_err(failed)?;
        // Behind another compression of the server's, the file is not the one that was described.
        let is_as_described = transfer.encoding == Compression::None;
        let is_other = info.file_hash.is_some_and(|expected| expected != digest)
            || info.file_len.is_some_and(|expected| expected != len);
        if is_as_described && is_other {
            return Err(cache.lie(path, "its file has another digest than FileHash".to_owned()));
        }
        Ok(nar)
    }
}

/// Whether a NAR has the content that a content address of one file names. The addresses of NARs were compared before.
fn is_addressed(nar: &Nar, known: &Known) -> io::Result<bool> {
    match content_address::file(&known.content_address) {
        Some(expected) => Ok(nar.file_digest()? == Some(expected)),
        None => Ok(true),
    }
}

fn decode(counted: &mut Counted<'_, '_>, found: &Found, place: &Place) -> io::Result<Nar> {
    let encoding = counted.input.encoding;
    let info = &found.info;
    let plain = encoding.decoder(counted)?;
    let nar = info.compression.decoder(plain)?;
    place.keep(nar, &info.known.nar_hash, info.known.nar_len)
}

/// Bytes that are expected to arrive for a store path.
fn len(found: &Found) -> u64 {
    found.info.file_len.unwrap_or(found.info.known.nar_len)
}

/// Shows what is read on the progress bar, and bounds it.
struct Counted<'a, 'b> {
    input: &'a mut Transfer<'b>,
    progress: &'a Progress,
    /// Bytes that may still come.
    rest: u64,
}

impl Read for Counted<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.progress.advance(count);
        let rest = self.rest.checked_sub(count as u64);
        let what = "its file is longer than a compressed NAR of this length";
        self.rest = rest.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, what))?;
        Ok(count)
    }
}

/// A number of bytes that threads share.
struct Budget {
    rest: Mutex<u64>,
    whole: u64,
    freed: Condvar,
}

/// A thread's part of a budget.
struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    fn new(whole: u64) -> Budget {
        Budget { rest: Mutex::new(whole), whole, freed: Condvar::new() }
    }

    /// Waits until so many bytes are free. Who wants more than all gets all.
    fn take(&self, bytes: u64) -> Share<'_> {
        let bytes = bytes.min(self.whole);
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = self.freed.wait_while(rest, |rest| *rest < bytes);
        *rest.unwrap_or_else(PoisonError::into_inner) -= bytes;
        Share { budget: self, bytes }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.budget.rest.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.budget.freed.notify_all();
    }
}
