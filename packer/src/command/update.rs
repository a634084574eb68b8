//! `packer update`: replaces a bundle by a newer one from a web server, of which it fetches what is new.

use std::path::Path;
use std::time::Duration;

use format::Digest;
use runtime::error::Size;
use serde::Serialize;

use super::{print, sign};
use crate::cli;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::show;
use crate::source::bundle::Bundle;
use crate::trust::minisign::BundleKey;
use crate::update::choice::{self, Allowed, Release, Standing};
use crate::update::fetch::{self, Arrived, Plan};
use crate::update::kept::Kept;
use crate::update::location::{Location, Terms};
use crate::update::offer::Offer;
use crate::update::old_frames::OldFrames;
use crate::update::signature;
use crate::update::target::{Keep, Target};

/// Replaces a bundle, or says what there is.
///
/// # Errors
///
/// If there is no update, or none that may be taken; then the bundle is as it was.
pub(crate) fn update(options: &cli::Update) -> Result<()> {
    let target = match options.check {
        true => Target::open(&options.bundle)?,
        false => Target::lock(&options.bundle, keep(options))?,
    };
    let asked = Asked::new(options, &target.bundle)?;
    let progress = Progress::new();
    let report = match attempt(&target, &asked, &progress) {
        // Somebody published another version in the meantime: frames that have arrived are not fetched again.
        Err(Error::UpdateChanged { .. }) => attempt(&target, &asked, &progress),
        result => result,
    }?;
    drop(progress);
    if options.json { print::json(&report) } else { print::text(&report.text(options.check)) }
}

/// What becomes of the old bundle.
fn keep(options: &cli::Update) -> Keep {
    if options.keep_old { Keep::Old } else { Keep::Nothing }
}

/// What is asked for.
struct Asked<'a> {
    options: &'a cli::Update,
    location: Location,
    key: Option<BundleKey>,
    allowed: Allowed,
    terms: Terms,
}

impl<'a> Asked<'a> {
    /// Takes the options, and what the bundle says of its updates.
    fn new(options: &'a cli::Update, bundle: &Bundle) -> Result<Asked<'a>> {
        let release = &bundle.sections.manifest.release;
        let url = options.url.as_ref().unwrap_or(&release.url);
        if url.is_empty() {
            return Err(Error::NoUpdates { path: bundle.path.clone() });
        }
        let location = Location::parse(url)?;
        let key = match options.public_key.as_deref() {
            Some(key) => Some(sign::public_key(key)?),
            None if release.key.is_empty() => None,
            None => Some(BundleKey::parse(&release.key).ok_or_else(|| Error::NoBundleKey {
                path: format!("the key in {}", bundle.path),
                kind: "public",
            })?),
        };
        let may_be_open = key.is_some() || options.transport.plain_http;
        if location.is_open() && !may_be_open {
            return Err(Error::UpdatePlain { url: location.name() });
        }
        let allowed = if options.allow_older { Allowed::All } else { Allowed::Updates };
        let silence = Duration::from_secs(options.timeout.into());
        let terms = Terms { silence, may_be_open };
        Ok(Asked { options, location, key, allowed, terms })
    }
}

/// Looks at what the URL has, and takes it if it is newer.
fn attempt(target: &Target, asked: &Asked<'_>, progress: &Progress) -> Result<Report> {
    let (old, kept) = (&target.bundle, Kept::open());
    progress.start("looking", None);
    let mut offer = Offer::open(&asked.location, asked.terms, progress)?;
    let mut report = Report::up_to_date(old, asked, &offer);
    if offer.id() == old.header.id {
        if !asked.options.check {
            // The update may have been killed when the new bundle had its place.
            kept.sweep(digests(old)?.into_iter());
        }
        return Ok(report);
    }
    let fetch_signature =
        |key| signature::fetch(&asked.location, key, offer.id(), asked.terms, progress);
    let signature = asked.key.as_ref().map(fetch_signature).transpose()?;
    if asked.options.check {
        let known = offer.known();
        let new = offer.sections(progress)?.bundle;
        choice::check_program(old, &new)?;
        let plan = Plan::new(&OldFrames::new(old)?, &new, &kept, offer.head_len())?;
        report.standing = choice::standing(old, &new);
        report.update = report.standing.is_taken(asked.allowed, signature.is_some());
        report.offered = Release::of(&new);
        (report.frames, report.fetched_frames) = (plan.frames, plan.missing);
        report.fetched_bytes = if offer.has_ranges() { known + plan.len() } else { offer.len() };
        return Ok(report);
    }
    let check = |new: &Bundle| {
        choice::check_program(old, new)?;
        let standing = choice::standing(old, new);
        match standing.is_taken(asked.allowed, signature.is_some()) {
            true => Ok(standing),
            false => Err(standing.refusal(old, new)),
        }
    };
    let Arrived { whole, standing, release, lost, digests, fetched, bytes } =
        fetch::fetch(target, offer, &kept, check, progress)?;
    if let Some(signature) = &signature {
        report.signed = Some(signature.verify(whole.file())?.comment);
    }
    target.replace(whole, keep(asked.options))?;
    if !lost.is_empty() {
        let (lost, bundle) = (lost.join(", "), show::path(&asked.options.bundle));
        progress.say(&format!(
            "the new bundle has no entry {lost}: a link with that name runs the first entry now\n\
             hint: remove the links with that name that lead to {bundle}"
        ));
    }
    (report.frames, report.fetched_frames) = (digests.len(), fetched);
    (report.standing, report.offered, report.fetched_bytes) = (standing, release, bytes);
    report.update = true;
    kept.sweep(digests.into_iter());
    Ok(report)
}

/// The digests of a bundle's frames.
fn digests(bundle: &Bundle) -> Result<Vec<Digest>> {
    let index = bundle.sections.index().map_err(|error| bundle.error(error))?;
    Ok(index.frames)
}

/// What there is; the field names are the keys of the JSON output.
#[derive(Debug, Serialize)]
struct Report {
    bundle: String,
    url: String,
    /// Whether an update is there, and taken unless this is only a check.
    update: bool,
    standing: Standing,
    installed: Release,
    offered: Release,
    /// Frames of the offered bundle, and those that the bundle and the cache do not have.
    frames: usize,
    fetched_frames: usize,
    /// Bytes of the offered bundle, and those that are fetched, or would be.
    file_bytes: u64,
    fetched_bytes: u64,
    /// The number of the key that the offered bundle has to be signed by.
    key: Option<String>,
    /// What was signed with the bundle; a check does not fetch what that takes.
    signed: Option<String>,
}

impl Report {
    fn up_to_date(old: &Bundle, asked: &Asked<'_>, offer: &Offer) -> Report {
        Report {
            bundle: show::path(Path::new(&asked.options.bundle)),
            url: asked.location.name(),
            update: false,
            standing: Standing::UpToDate,
            installed: Release::of(old),
            offered: Release::of(old),
            frames: old.sections.seek_table.data_frames().len(),
            fetched_frames: 0,
            file_bytes: offer.len(),
            fetched_bytes: 0,
            key: asked.key.as_ref().map(BundleKey::id),
            signed: None,
        }
    }

    fn text(&self, is_check: bool) -> String {
        let Report { bundle, installed, offered, url, .. } = self;
        let (fetched, all) = (Size(self.fetched_bytes), Size(self.file_bytes));
        match self.standing {
            Standing::UpToDate => format!("{bundle} is up to date: {installed}\n"),
            standing if is_check => {
                let what = match standing {
                    _ if self.update => format!("{fetched} of {all} to fetch"),
                    Standing::Older => "it is older".to_owned(),
                    _ => "it is another build of the same version".to_owned(),
                };
                format!("{bundle} is {installed}, {url} is {offered}: {what}\n")
            }
            _ => {
                let line =
                    format!("{bundle}: {installed} -> {offered}, {fetched} of {all} fetched\n");
                match (&self.key, &self.signed) {
                    (Some(key), Some(comment)) => {
                        format!("{line}signed by the key {key}: {}\n", show::text(comment))
                    }
                    _ => line,
                }
            }
        }
    }
}
