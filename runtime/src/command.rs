//! The commands of `PACKED=…`, which replace running the program.

use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::c_int;
use core::fmt::{self, Write as _};
use core::sync::atomic::{AtomicUsize, Ordering};

use format::{DESCRIPTOR_LEN, Descriptor, STORE_DIR};
use rustix::fs::{AtFlags, CWD, OFlags};
use rustix::io::Errno;

use crate::accounts::UnknownUsers;
use crate::cache::boot::Boot;
use crate::cache::place::{self, Absent};
use crate::cache::record::{Form, State};
use crate::cache::store_dir::{StoreDir, Unpacking};
use crate::cache::{Removed, Verified};
use crate::context::Context;
use crate::desktop;
use crate::entry::find_own_path;
use crate::error::{Error, Room, Shown, Size, WRITE_TO};
use crate::mode::namespace::verify_root;
use crate::payload::{Bundle, FrameReader, Payload, Sections};
use crate::settings::{Command, Desktop};
use crate::system::file::{self, ExactPermissions, Permissions};
use crate::system::log::Log;
use crate::system::{call, thread};
use crate::unpack;

/// Runs a command and returns the exit status.
///
/// # Errors
///
/// If the bundle is damaged, or a file cannot be read or written.
#[cold]
pub fn run(
    command: Command<'_>,
    descriptor: &[u8; DESCRIPTOR_LEN],
    context: &Context<'_>,
) -> Result<c_int, Error> {
    let bundle = context.bundle;
    match command {
        Command::Info => info(bundle),
        Command::Sbom => sbom(bundle),
        Command::Verify => {
            Descriptor::check_digest(descriptor)?;
            let frames = verify(&Payload::open_own(&bundle.descriptor)?)?;
            print(format_args!("{frames} frames, manifest, index and seek table are whole\n"))?;
            verify_caches(context)
        }
        Command::Extract(directory) => {
            extract(&Payload::open_own(&bundle.descriptor)?, directory)?;
            Ok(())
        }
        Command::Clear { force } => clear(context, force),
        Command::Desktop(action) => desktop(context, action),
    }?;
    Ok(0)
}

fn info(bundle: &Bundle) -> Result<(), Error> {
    let descriptor = &bundle.descriptor;
    let payload = Payload::open_own(descriptor)?;
    let sections = payload.sections()?;
    let mut text = String::new();
    let mut line = |name: &str, value: fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<12} {value}");
    };
    line("bundle", format_args!("{}", bundle.id));
    line("packed by", format_args!("{}", sections.manifest.packer));
    for entry in &descriptor.entries {
        let path = &descriptor.paths[usize::from(entry.path)].path;
        line("entry", format_args!("{STORE_DIR}/{path}{}", Shown::from(&*entry.program)));
    }
    let modes: Vec<&str> = descriptor.modes.iter().map(format::Mode::name).collect();
    line("modes", format_args!("{}", modes.join(", ")));
    let (packed, unpacked) = (descriptor.file_len, sections.seek_table.tar_len());
    line("size", format_args!("{} of {}", Size(packed), Size(unpacked)));
    for path in &sections.manifest.paths {
        line("store path", format_args!("{STORE_DIR}/{} {}", path.path, Size(path.nar_len)));
    }
    if let Some(unknown) = UnknownUsers::find() {
        let _ = writeln!(text, "{:<12} {unknown}\nhint: {}", "users", unknown.hint());
    }
    print(format_args!("{text}"))
}

fn sbom(bundle: &Bundle) -> Result<(), Error> {
    match Payload::open_own(&bundle.descriptor)?.manifest()?.sbom {
        sbom if sbom.is_empty() => Err(Error::NoSbom),
        sbom => write(sbom.as_bytes()),
    }
}

/// Checks every digest and decodes every frame; returns the number of frames.
///
/// # Errors
///
/// If a part differs from what the packer wrote, or the file cannot be read.
pub fn verify(payload: &Payload<'_>) -> Result<usize, Error> {
    let sections = payload.sections()?;
    let index = sections.index()?;
    let frames = sections.seek_table.data_frames();
    let next = AtomicUsize::new(0);
    thread::parallel(unpack::threads(frames, frames.len())?, || {
        let mut reader = FrameReader::new(payload, frames)?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let (Some(frame), Some(digest)) = (frames.get(number), index.frames.get(number)) else {
                return Ok::<(), Error>(());
            };
            // The seek table has fewer frames than a u32 can count.
            reader.read(u32::try_from(number).unwrap_or(u32::MAX), frame, *digest)?;
        }
    })?;
    Ok(frames.len())
}

/// Checks the bundle's store paths in each place for a cache, and unpacks again those that are not
/// whole.
fn verify_caches(context: &Context<'_>) -> Result<(), Error> {
    let _permissions = ExactPermissions::begin();
    for place in place::places(&context.settings, context.environment) {
        let Ok(cache) = place.open(Absent::Fail) else { continue };
        let path = Shown::from(&*cache.path);
        for form in [Form::AsIs, Form::Relocated] {
            match cache.verify(context.bundle, form, context.log)? {
                None => {}
                Some(Verified { paths, altered }) if altered.is_empty() => {
                    print(format_args!("{path}: {paths} store paths are whole\n"))?;
                }
                Some(Verified { altered, .. }) => {
                    for name in altered {
                        let name = Shown::from(name);
                        print(format_args!("{path}: {name} was altered, and is unpacked again\n"))?;
                    }
                }
            }
        }
        if verify_root(&cache)? {
            print(format_args!("{path}: the new root was altered, and is made again\n"))?;
        }
    }
    Ok(())
}

/// Writes the closure to `nix/store` below `directory`, which is created if it is absent.
///
/// # Errors
///
/// If a store path exists already or cannot be written. No new files are left then. But if a signal
/// ends the process, files are left whose names begin with `.packed-`.
pub fn extract(payload: &Payload<'_>, directory: &[u8]) -> Result<(), Error> {
    let sections = payload.sections()?;
    extract_all(payload, &sections, directory)
        .map_err(|error| error.out_of_space(|| room(&sections).ok(), directory))
}

fn extract_all(payload: &Payload<'_>, sections: &Sections, directory: &[u8]) -> Result<(), Error> {
    let _permissions = ExactPermissions::begin();
    let root =
        CString::new(directory).map_err(|_| Error::file("create", directory)(Errno::INVAL))?;
    let permissions = Permissions::from_raw_mode(0o755);
    match rustix::fs::mkdirat(CWD, &*root, permissions) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(Error::file("create", directory)(errno)),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let open = || {
        let root = file::open(CWD, &root, flags, Permissions::empty())?;
        file::ensure_directory(&root, c"nix", permissions)
            .and_then(|nix| file::ensure_directory(nix, c"store", permissions))
    };
    let store = open().map_err(Error::file("create", directory))?;
    for name in sections.names(None).iter().flatten() {
        if rustix::fs::statat(&store, &**name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(Error::file("create", &**name)(Errno::EXIST));
        }
    }
    let store = StoreDir::outside(store, sections, None);
    // Extracted files need not survive a power failure, so they are not synced where the boot is
    // known.
    let state = Boot::current().map_or(State::Settled, State::Written);
    let log = Log { on: false };
    let unpacking = Unpacking { payload, sections, place: directory, log };
    store.add(&unpacking, &store.missing()?, state)
}

/// Returns the room that unpacking all store paths needs.
fn room(sections: &Sections) -> Result<Room, Error> {
    Ok(unpack::room(&sections.index()?, &sections.names(None)))
}

fn clear(context: &Context<'_>, force: bool) -> Result<(), Error> {
    for place in place::places(&context.settings, context.environment) {
        if let Ok(cache) = place.open(Absent::Fail) {
            let path = Shown::from(&*cache.path);
            match cache.clear(context.bundle, force)? {
                Removed::Gone => print(format_args!("cleared {path}\n"))?,
                Removed::Absent => {}
                Removed::Kept(kept) => {
                    print(format_args!("{kept}, not cleared: {path}\n"))?;
                    if !kept.is_certain() {
                        print(format_args!("hint: PACKED=clear=force clears it all the same\n"))?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn desktop(context: &Context<'_>, action: Desktop<'_>) -> Result<(), Error> {
    let Context { bundle, environment, .. } = context;
    let text = match action {
        Desktop::List => desktop::list(environment),
        Desktop::Install => {
            let payload = Payload::open_own(&bundle.descriptor)?;
            desktop::install(&payload, bundle, &find_own_path(&bundle.descriptor), environment)
        }
        Desktop::Remove(None) => {
            desktop::remove(&find_own_path(&bundle.descriptor), Some(bundle), environment)
        }
        Desktop::Remove(Some(path)) => desktop::remove(path, None, environment),
    }?;
    write(text.as_bytes())
}

fn print(text: fmt::Arguments<'_>) -> Result<(), Error> {
    write(alloc::format!("{text}").as_bytes())
}

/// Writes to stdout. A command may do that, since no program runs. A reader that closed the pipe is
/// no error.
fn write(mut rest: &[u8]) -> Result<(), Error> {
    while !rest.is_empty() {
        match rustix::io::retry_on_intr(|| rustix::io::write(call::stdout(), rest)) {
            Ok(len) => rest = &rest[len..],
            Err(Errno::PIPE) => return Ok(()),
            Err(errno) => return Err(Error::file(WRITE_TO, "stdout")(errno)),
        }
    }
    Ok(())
}
