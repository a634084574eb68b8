//! The cache: bundles are found in it, or unpacked beside and published by renaming.
//!
//! `directory.rs` has the layout.

pub(crate) mod boot;
pub mod directory;
pub(crate) mod lease;
pub(crate) mod name;
pub mod place;
pub(crate) mod record;
pub(crate) mod remove;
pub(crate) mod root;
pub(crate) mod store_dir;
mod sweep;

use alloc::ffi::CString;
use alloc::vec::Vec;

use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::context::Context;
use crate::error::{Error, Impossible, Shown, Unusable};
use crate::payload::{Bundle, Payload};
use crate::system::file::ExactPermissions;
use crate::system::log::Log;
use crate::unpack;
use boot::Boot;
use directory::{Cache, PRIVATE, WORK};
use lease::Known;
pub use lease::Ready;
use place::{Absent, Place};
use record::Claim;
pub use record::{Form, Location, Record, State};
use store_dir::{StoreDir, Unpacking};
pub use sweep::{Listed, Removed};

/// Finds the bundle in a cache, or unpacks it to the first place that can hold it.
///
/// # Errors
///
/// If no place can.
pub fn obtain(context: &Context<'_>, form: Form) -> Result<(Cache, Ready), Impossible> {
    let places = place::places(&context.settings, context.environment);
    // Where it is already, it stays: a disk that was full when it was unpacked may have room by now.
    for place in &places {
        if let Ok(cache) = place.open(Absent::Fail)
            && let Ok(Some(ready)) = cache.find(context.bundle, form)
        {
            return Ok((cache, ready));
        }
    }
    add_to_first(context, form, &places)
}

/// Unpacks the bundle to the first place that can hold it.
#[cold]
fn add_to_first(
    context: &Context<'_>,
    form: Form,
    places: &[Place<'_>],
) -> Result<(Cache, Ready), Impossible> {
    let Context { bundle, log, .. } = *context;
    let _permissions = ExactPermissions::begin();
    let mut unusable = Vec::new();
    let mut last = None;
    for place in places {
        let cache = place.open(Absent::Create).and_then(|cache| match form {
            Form::Relocated => place::check_base(&cache, bundle).map(|()| cache),
            Form::AsIs => Ok(cache),
        });
        match cache.map(|cache| (cache.find_or_add(bundle, form, log), cache)) {
            Ok((Ok(ready), cache)) => return Ok((cache, ready)),
            Ok((Err(error), cache)) if error.depends_on_place() => {
                let error = out_of_space(error, bundle, &*cache.path);
                log.debug(format_args!("not in {}: {}", Shown::from(place), error.what()));
                last = last.or(Some(error));
            }
            Ok((Err(error), _)) => return Err(error.into()),
            Err(Unusable::Failed(operation, errno @ (Errno::NOSPC | Errno::DQUOT))) => {
                let error = Error::file(operation, place)(errno);
                log.debug(format_args!("not in {}", error.what()));
                last = last.or(Some(out_of_space(error, bundle, place)));
            }
            Err(reason) => {
                log.debug(format_args!("not in {}: {reason}", Shown::from(place)));
                unusable.push((Shown::from(place), reason));
            }
        }
    }
    Err(last.map_or(Impossible::NoPlace(unusable), Impossible::from))
}

/// Says how much room the bundle needs in `place`, if there was none.
#[cold]
#[inline(never)]
pub fn out_of_space(error: Error, bundle: &Bundle, place: impl Into<Shown>) -> Error {
    // That its own file cannot be read is not what went wrong.
    let needed = || {
        let sections = Payload::open_own(&bundle.descriptor).ok()?.sections().ok()?;
        Some(unpack::room(&sections.index().ok()?, &sections.names()))
    };
    error.out_of_space(needed, place)
}

/// What [`Cache::verify`] found.
#[derive(Debug)]
pub struct Verified {
    /// How many store paths the bundle has.
    pub paths: usize,
    /// The names of those that were not whole, and are again.
    pub altered: Vec<CString>,
}

impl Cache {
    /// Looks for the bundle.
    ///
    /// # Errors
    ///
    /// If the cache cannot be read.
    pub fn find(&self, bundle: &Bundle, form: Form) -> Result<Option<Ready>, Error> {
        lease::find(self, bundle, form, Known::Nothing)
    }

    /// Looks for the bundle, and unpacks what is missing of it.
    ///
    /// # Errors
    ///
    /// If the bundle is damaged or a file cannot be written. The cache is as it was then.
    fn find_or_add(&self, bundle: &Bundle, form: Form, log: Log) -> Result<Ready, Error> {
        let _lock = self.lock()?;
        if let Some(ready) = self.find(bundle, form)? {
            return Ok(ready);
        }
        // Whoever made it is gone: we have the lock.
        let work = self.subdirectory(WORK, PRIVATE)?;
        remove::empty_directory(&work)?;
        let result = self.add(bundle, form, &work, log);
        if result.is_err() {
            // The next start tries again; the error that matters is the one that is there.
            let _ = remove::empty_directory(&work);
        }
        result
    }

    /// Checks all that is unpacked of the bundle, and unpacks again what is not whole; `None` if nothing is unpacked.
    ///
    /// In the end all of it is on the disk, and the record says so.
    ///
    /// # Errors
    ///
    /// If the bundle is damaged or a file cannot be read or written. What was whole is so then.
    pub fn verify(&self, bundle: &Bundle, form: Form, log: Log) -> Result<Option<Verified>, Error> {
        let _lock = self.lock()?;
        if !record::is_there(self, bundle, form)? {
            return Ok(None);
        }
        let work = self.subdirectory(WORK, PRIVATE)?;
        remove::empty_directory(&work)?;
        let verify = || {
            let payload = Payload::open_own(&bundle.descriptor)?;
            let sections = payload.sections()?;
            let (location, store) = StoreDir::open(self, &sections.manifest, form)?;
            let altered = store.altered(&sections)?;
            let place = &self.path;
            let (payload, sections, work) = (&payload, &sections, &work);
            store.replace(&Unpacking { payload, sections, work, place, log }, &altered)?;
            let claim = Claim { state: State::Settled, location, names: &store.names };
            record::confirm(self, bundle, &sections.manifest, &claim, work)?;
            let altered = altered.into_iter().flatten().collect();
            Ok(Verified { paths: store.names.len(), altered })
        };
        let verified = verify();
        let removed = remove::empty_directory(&work);
        verified.and_then(|verified| removed.map(|()| Some(verified)))
    }

    /// Unpacks what is missing of the bundle; the lock is held.
    fn add(&self, bundle: &Bundle, form: Form, work: &OwnedFd, log: Log) -> Result<Ready, Error> {
        let payload = Payload::open_own(&bundle.descriptor)?;
        let sections = payload.sections()?;
        let (location, store) = StoreDir::open(self, &sections.manifest, form)?;
        let known = record::known(self, location)?;
        let mut missing = store.missing()?;
        let place = &self.path;
        let unpacking = Unpacking { payload: &payload, sections: &sections, work, place, log };
        let checked = store.check(&unpacking, &known, &mut missing)?;
        let is_complete = missing.iter().all(Option::is_none);
        let is_settled = |name| known.get(name) == Some(&State::Settled);
        // What was there before this boot, and is whole, was read from the disk just now; what another bundle
        // wrote in this boot was not.
        let is_on_disk = |name| is_settled(name) || !known.contains_key(name);
        let is_all_on_disk = is_complete && checked && store.names.iter().all(is_on_disk);
        if is_all_on_disk && record::settle(self, bundle, location)? {
            return self.find_added(bundle, form);
        }
        let state = match Boot::current() {
            Some(boot) if !is_complete || !store.names.iter().all(is_settled) => {
                State::Written(boot)
            }
            _ => State::Settled,
        };
        store.add(&unpacking, &missing, state)?;
        let claim = Claim { state, location, names: &store.names };
        record::write(self, bundle, &sections.manifest, &claim, work)?;
        // Only what was not whole is still here.
        remove::empty_directory(work)?;
        self.find_added(bundle, form)
    }

    /// The bundle that was unpacked under the lock just now.
    fn find_added(&self, bundle: &Bundle, form: Form) -> Result<Ready, Error> {
        lease::find(self, bundle, form, Known::Whole)?
            .ok_or(Error::file("read", &*self.path)(Errno::NOENT))
    }
}
