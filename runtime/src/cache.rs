//! The cache: finds bundles in it, unpacks missing store paths and gives them their names.
//!
//! See `directory.rs` for the layout.

mod above;
pub(crate) mod boot;
pub mod directory;
pub(crate) mod lease;
pub(crate) mod name;
mod network;
pub mod place;
pub(crate) mod published;
pub(crate) mod record;
pub mod shared;
pub(crate) mod store_dir;
mod sweep;
pub(crate) mod unfinished;
mod users;

use alloc::ffi::CString;
use alloc::vec::Vec;

use rustix::io::Errno;

use crate::context::Context;
use crate::error::{Error, Impossible, Room, Shown, Unusable};
use crate::payload::{Bundle, Payload};
use crate::system::file::ExactPermissions;
use crate::system::limit;
use crate::system::log::Log;
use crate::unpack;
use boot::Boot;
use directory::{Cache, Lock};
use lease::Known;
pub use lease::Ready;
use place::{Absent, Place};
use record::Claim;
pub use record::{Form, Location, Record, State, Wanted};
use store_dir::{StoreDir, Unpacking};
pub use sweep::{Collected, Listed, Removed};
pub use users::Kept;

/// Finds the bundle in a cache, or unpacks it to the first place that can hold it.
///
/// # Errors
///
/// If no place can hold it.
pub fn obtain(context: &Context<'_>, form: Form) -> Result<(Cache, Ready), Impossible> {
    // The user named them, so they come first.
    let wanted = Wanted::by(context, form);
    if let Some(list) = context.settings.shared
        && let Some(found) = shared::find(list, context, wanted)
    {
        return Ok(found);
    }
    let usual = place::usual(&context.settings, context.environment);
    match find_in(&usual, wanted) {
        Some(found) => Ok(found),
        None => obtain_elsewhere(context, wanted, usual),
    }
}

/// Finds the bundle in the first of these places that has it.
///
/// A bundle stays where it is unpacked: a better place that was full then may have room now.
fn find_in(places: &[Place<'_>], wanted: Wanted<'_>) -> Option<(Cache, Ready)> {
    places.iter().find_map(|place| {
        let cache = place.open(Absent::Fail).ok()?;
        let ready = cache.find(wanted).ok()??;
        Some((cache, ready))
    })
}

/// Finds the bundle in the other places of this machine and in its shared caches, or unpacks it.
#[cold]
#[inline(never)]
fn obtain_elsewhere<'a>(
    context: &Context<'a>,
    wanted: Wanted<'_>,
    mut places: Vec<Place<'a>>,
) -> Result<(Cache, Ready), Impossible> {
    let others = place::others(&context.settings, context.environment);
    let found = find_in(&others, wanted).or_else(|| shared::find_in_machine(context, wanted));
    if let Some(found) = found {
        return Ok(found);
    }
    places.extend(others);
    if places.len() > 1 {
        places = with_network_last(context, wanted, places);
    }
    // Before it calls what needs much of it.
    if !limit::has_stack() {
        return Err(Error::Stack.into());
    }
    add_to_first(context, wanted, &places)
}

/// Sorts the places: those on network file systems come last, since other machines use the same files and each small
/// file takes long. Only with such places is memory a place.
fn with_network_last<'a>(
    context: &Context<'_>,
    wanted: Wanted<'_>,
    places: Vec<Place<'a>>,
) -> Vec<Place<'a>> {
    let log = context.log;
    let (mut local, mut remote) = (Vec::new(), Vec::new());
    for place in places {
        match place.network() {
            None => local.push(place),
            Some(kind) => {
                let shown = Shown::from(&place);
                log.debug(format_args!(
                    "{shown} is on a network file system ({kind}): it comes last"
                ));
                remote.push(place);
            }
        }
    }
    if remote.is_empty() {
        local.retain(|place| *place != Place::Memory);
        return local;
    }
    local.retain(|place| {
        let Some(free) = place.memory() else { return true };
        // Half of it is for others, and for the program. What a control group may use, it counts there.
        let free = limit::control_group().map_or(free, |limit| limit.min(free)) / 2;
        let fits = room(wanted).is_some_and(|needed| needed.bytes <= free);
        if !fits {
            log.debug(format_args!("not in {}: too little memory", Shown::from(place)));
        }
        fits
    });
    local.append(&mut remote);
    local
}

/// Unpacks the bundle to the first place that can hold it.
// If it were inlined, looking into the other places would need its stack frame, too.
#[cold]
#[inline(never)]
fn add_to_first(
    context: &Context<'_>,
    wanted: Wanted<'_>,
    places: &[Place<'_>],
) -> Result<(Cache, Ready), Impossible> {
    let Wanted { bundle, form, .. } = wanted;
    let log = context.log;
    let _permissions = ExactPermissions::begin();
    let mut unusable = Vec::new();
    let mut last = None;
    for place in places {
        let cache = place.open(Absent::Create).and_then(|cache| match form {
            Form::Relocated => place::check_base(&cache, bundle).map(|()| cache),
            Form::AsIs => Ok(cache),
        });
        match cache.map(|cache| (cache.find_or_add(wanted, log), cache)) {
            Ok((Ok(ready), cache)) => return Ok((cache, ready)),
            Ok((Err(error), cache)) if error.depends_on_place() => {
                let error = out_of_space(error, wanted, &*cache.path);
                log.debug(format_args!("not in {}: {}", Shown::from(place), error.what()));
                last = last.or(Some(error));
            }
            Ok((Err(error), _)) => return Err(error.into()),
            Err(Unusable::Failed(operation, errno @ (Errno::NOSPC | Errno::DQUOT))) => {
                let error = Error::file(operation, place)(errno);
                log.debug(format_args!("not in {}", error.what()));
                last = last.or(Some(out_of_space(error, wanted, place)));
            }
            Err(reason) => {
                log.debug(format_args!("not in {}: {reason}", Shown::from(place)));
                unusable.push((Shown::from(place), reason));
            }
        }
    }
    Err(last.map_or(Impossible::NoPlace(unusable), Impossible::from))
}

/// Adds how much room the store paths need to an error that says that `place` has none left.
#[cold]
#[inline(never)]
pub fn out_of_space(error: Error, wanted: Wanted<'_>, place: impl Into<Shown>) -> Error {
    error.out_of_space(|| room(wanted), place)
}

/// Returns how much room the store paths need; `None` if the bundle cannot read its own file. Another error tells of
/// that.
fn room(wanted: Wanted<'_>) -> Option<Room> {
    let sections = Payload::open_own(&wanted.bundle.descriptor).ok()?.sections().ok()?;
    Some(unpack::room(&sections.index().ok()?, &sections.names(wanted.subset)))
}

/// The result of [`Cache::share`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The number of the bundle's store paths.
    pub paths: usize,
    /// How many of them were unpacked.
    pub unpacked: usize,
}

/// The result of [`Cache::verify`].
#[derive(Debug)]
pub struct Verified {
    /// The number of the bundle's store paths.
    pub paths: usize,
    /// The names of the store paths that were not whole and were unpacked again.
    pub altered: Vec<CString>,
}

impl Cache {
    /// Finds store paths of a bundle; `None` if they are not unpacked.
    ///
    /// # Errors
    ///
    /// If the cache cannot be read.
    pub fn find(&self, wanted: Wanted<'_>) -> Result<Option<Ready>, Error> {
        match lease::find(self, wanted, Known::Nothing)? {
            // All may be there: an administrator unpacks all.
            None if wanted.subset.is_some() => {
                lease::find(self, Wanted { subset: None, ..wanted }, Known::Nothing)
            }
            found => Ok(found),
        }
    }

    /// Finds store paths of a bundle; if they are not unpacked, unpacks the missing ones.
    ///
    /// # Errors
    ///
    /// If the bundle is damaged or a file cannot be written. The cache then stays as it was.
    fn find_or_add(&self, wanted: Wanted<'_>, log: Log) -> Result<Ready, Error> {
        let lock = self.lock()?;
        match self.find(wanted)? {
            Some(ready) => Ok(ready),
            None => self.add(wanted, &lock, log),
        }
    }

    /// Checks every file that is unpacked of the bundle, and unpacks again the store paths that are
    /// not whole. Returns `None` if the bundle is not unpacked.
    ///
    /// Afterwards all store paths are on the disk, and the record says so.
    ///
    /// # Errors
    ///
    /// If the bundle is damaged, or a file cannot be read or written. Store paths that were whole
    /// stay whole.
    pub fn verify(&self, bundle: &Bundle, form: Form, log: Log) -> Result<Option<Verified>, Error> {
        let lock = self.lock()?;
        let mut there = Vec::new();
        for wanted in Wanted::all(bundle, form).each() {
            if record::is_there(self, wanted)? {
                there.push(wanted);
            }
        }
        if there.is_empty() {
            return Ok(None);
        }
        let payload = Payload::open_own(&bundle.descriptor)?;
        let sections = payload.sections()?;
        let (location, store) = StoreDir::open(self, &sections, form, &there)?;
        store.remove_unfinished(lock.others)?;
        let altered = store.altered(&sections)?;
        let (payload, sections, place) = (&payload, &sections, &self.path);
        store.replace(&Unpacking { payload, sections, place, log }, &altered)?;
        let claim = Claim { state: State::Settled, location, names: &store.names };
        for wanted in there {
            record::confirm(self, wanted, &sections.manifest, &claim, lock.others)?;
        }
        let altered = altered.into_iter().flatten().collect();
        Ok(Some(Verified { paths: store.wanted().count(), altered }))
    }

    /// Unpacks what is missing or altered of a bundle's store paths for other users and machines: all is on the disk
    /// afterwards, and everybody may read it.
    ///
    /// # Errors
    ///
    /// If the bundle is damaged or a file cannot be written. The cache then stays as it was.
    pub fn share(
        &self,
        bundle: &Bundle,
        payload: &Payload<'_>,
        form: Form,
        log: Log,
    ) -> Result<Shared, Error> {
        let _permissions = ExactPermissions::begin();
        let lock = self.lock()?;
        self.open_to_all()?;
        let sections = payload.sections()?;
        let wanted = Wanted::all(bundle, form);
        let (location, store) = StoreDir::open(self, &sections, form, &[wanted])?;
        store.remove_unfinished(lock.others)?;
        shared::check_store(self, location)
            .map_err(|reason| Error::unusable(&*self.path, reason))?;
        let missing = store.missing()?;
        // Every file is compared: whoever repairs the cache calls this, too.
        let mut altered = store.altered(&sections)?;
        let unpacked = altered.iter().flatten().count();
        altered.iter_mut().zip(&missing).for_each(|(name, missing)| {
            name.take_if(|_| missing.is_some());
        });
        let place = &self.path;
        let unpacking = Unpacking { payload, sections: &sections, place, log };
        store.add(&unpacking, &missing, State::Settled)?;
        store.replace(&unpacking, &altered)?;
        let claim = Claim { state: State::Settled, location, names: &store.names };
        record::confirm(self, wanted, &sections.manifest, &claim, lock.others)?;
        Ok(Shared { paths: store.wanted().count(), unpacked })
    }

    /// Unpacks the missing store paths.
    fn add(&self, wanted: Wanted<'_>, lock: &Lock, log: Log) -> Result<Ready, Error> {
        let payload = Payload::open_own(&wanted.bundle.descriptor)?;
        let sections = payload.sections()?;
        let (location, store) = StoreDir::open(self, &sections, wanted.form, &[wanted])?;
        store.remove_unfinished(lock.others)?;
        let known = record::known(self, location)?;
        let mut missing = store.missing()?;
        let place = &self.path;
        let unpacking = Unpacking { payload: &payload, sections: &sections, place, log };
        let checked = store.check(&unpacking, &known, &mut missing)?;
        let is_complete = missing.iter().all(Option::is_none);
        let is_settled = |name| known.get(name) == Some(&State::Settled);
        // Store paths from an earlier boot that are whole were just read from the disk. Those that
        // another bundle wrote in this boot may not be on the disk yet.
        let is_on_disk = |name| is_settled(name) || !known.contains_key(name);
        let is_all_on_disk = is_complete && checked && store.wanted().all(is_on_disk);
        if is_all_on_disk && record::settle(self, wanted, location)? {
            return self.find_added(wanted);
        }
        // Boots are of one machine: those of others would not trust the record.
        let state = match Boot::current().filter(|_| self.network().is_none()) {
            Some(boot) if !is_complete || !store.wanted().all(is_settled) => State::Written(boot),
            _ => State::Settled,
        };
        store.add(&unpacking, &missing, state)?;
        let claim = Claim { state, location, names: &store.names };
        record::write(self, wanted, &sections.manifest, &claim, lock.others)?;
        self.find_added(wanted)
    }

    /// Finds the bundle that was just unpacked under the lock.
    fn find_added(&self, wanted: Wanted<'_>) -> Result<Ready, Error> {
        lease::find(self, wanted, Known::Whole)?
            .ok_or(Error::file("read", &*self.path)(Errno::NOENT))
    }
}
