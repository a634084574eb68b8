//! What differs between two bundles: store paths, settings, and how much an update would bring.

use std::collections::BTreeMap;

use format::{DESCRIPTOR_LEN, Descriptor, Index, Kind, Manifest, Mode};
use serde::Serialize;

use super::old_frames::OldFrames;
use super::old_stub;
use super::pairs;
use crate::error::Result;
use crate::source::bundle::Bundle;

/// The differences of two bundles; the field names are the keys of the JSON output.
#[derive(Debug, Serialize)]
pub(crate) struct Diff {
    /// The identities.
    pub(crate) old: String,
    pub(crate) new: String,
    /// The packages that came, went or changed, by name.
    pub(crate) packages: Vec<Package>,
    /// Store paths that both have.
    pub(crate) same_store_paths: usize,
    pub(crate) entries: Change<Vec<String>>,
    pub(crate) modes: Change<Vec<&'static str>>,
    /// The versions as text; empty if there is none.
    pub(crate) release: Change<String>,
    pub(crate) file_bytes: Change<u64>,
    /// Bytes of all files of the closure.
    pub(crate) closure_bytes: Change<u64>,
    pub(crate) frames: Frames,
}

/// A value of the old and of the new bundle.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change<T> {
    pub(crate) old: T,
    pub(crate) new: T,
}

/// A package whose store paths differ.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) versions: Change<Vec<String>>,
    pub(crate) store_paths: Change<Vec<String>>,
    /// Bytes of its files.
    pub(crate) bytes: Change<u64>,
}

/// What an update has to bring.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Frames {
    pub(crate) all: usize,
    /// Those that the old bundle has.
    pub(crate) same: usize,
    /// Bytes of the new bundle that the old one does not have: other frames, the sections, another stub.
    pub(crate) bytes_to_bring: u64,
}

impl Diff {
    /// Compares two bundles.
    ///
    /// # Errors
    ///
    /// If one is damaged.
    pub(crate) fn new(old: &Bundle, new: &Bundle) -> Result<Diff> {
        let manifests = [&old.sections.manifest, &new.sections.manifest];
        let indexes = [
            old.sections.index().map_err(|error| old.error(error))?,
            new.sections.index().map_err(|error| new.error(error))?,
        ];
        let [old_bytes, new_bytes] = indexes.each_ref().map(bytes);
        let mut packages: BTreeMap<String, Package> = BTreeMap::new();
        let mut same_store_paths = 0;
        for pair in pairs::pair(manifests[0], manifests[1]) {
            if pair.is_same {
                same_store_paths += 1;
                continue;
            }
            let package =
                packages.entry(pair.name.clone()).or_insert_with(|| Package::new(&pair.name));
            let sides =
                [(pair.old, manifests[0], &old_bytes), (pair.new, manifests[1], &new_bytes)];
            for (side, (number, manifest, bytes)) in sides.into_iter().enumerate() {
                if let Some(number) = number {
                    package.add(side, manifest, number, bytes);
                }
            }
        }
        let descriptors = [&old.header.descriptor, &new.header.descriptor];
        Ok(Diff {
            old: old.header.id.to_string(),
            new: new.header.id.to_string(),
            packages: packages.into_values().collect(),
            same_store_paths,
            entries: change(descriptors, entries),
            modes: change(descriptors, |descriptor| {
                descriptor.modes.iter().map(Mode::name).collect()
            }),
            release: Change {
                old: manifests[0].release.version.clone(),
                new: manifests[1].release.version.clone(),
            },
            file_bytes: change(descriptors, |descriptor| descriptor.file_len),
            closure_bytes: Change { old: old_bytes.iter().sum(), new: new_bytes.iter().sum() },
            frames: frames(old, new, &indexes[1])?,
        })
    }
}

impl Package {
    fn new(name: &str) -> Package {
        let (versions, store_paths) = (Change::default(), Change::default());
        Package { name: name.to_owned(), versions, store_paths, bytes: Change::default() }
    }

    fn add(&mut self, side: usize, manifest: &Manifest, number: usize, bytes: &[u64]) {
        let Package { versions, store_paths, bytes: sum, .. } = self;
        let (versions, store_paths, sum) = match side {
            0 => (&mut versions.old, &mut store_paths.old, &mut sum.old),
            _ => (&mut versions.new, &mut store_paths.new, &mut sum.new),
        };
        let packed = &manifest.paths[number];
        versions.push(pairs::name(packed).1);
        store_paths.push(format!("{}/{}", format::STORE_DIR, packed.path));
        *sum = sum.saturating_add(bytes.get(number).copied().unwrap_or(0));
    }
}

impl<T: Default> Default for Change<T> {
    fn default() -> Change<T> {
        Change { old: T::default(), new: T::default() }
    }
}

fn change<T>(descriptors: [&Descriptor; 2], value: impl Fn(&Descriptor) -> T) -> Change<T> {
    let [old, new] = descriptors.map(value);
    Change { old, new }
}

/// The names of the entries; the first is the default.
fn entries(descriptor: &Descriptor) -> Vec<String> {
    let name =
        |entry: &format::Entry| runtime::error::Escaped(entry.name(&descriptor.paths)).to_string();
    descriptor.entries.iter().map(name).collect()
}

/// Bytes of the files of each store path.
fn bytes(index: &Index<'_>) -> Vec<u64> {
    let mut sums: Vec<u64> = Vec::new();
    for node in &index.nodes {
        if node.parent.is_none() {
            sums.push(0);
        }
        if let (Kind::File { content, .. }, Some(sum)) = (node.kind, sums.last_mut()) {
            *sum = sum.saturating_add(content.len);
        }
    }
    sums
}

/// Counts the frames that the old bundle has.
fn frames(old: &Bundle, new: &Bundle, index: &Index<'_>) -> Result<Frames> {
    let places = OldFrames::new(old)?;
    let all = new.sections.seek_table.data_frames();
    let is_old = |digest| places.place(digest).is_some();
    let same = all.iter().zip(&index.frames).filter(|(_, digest)| is_old(digest));
    let same: Vec<u64> = same.map(|(frame, _)| frame.compressed_len.into()).collect();
    // Of the same stub, only the descriptor is new.
    let same_stub = old_stub::find(old, new).map_or(0, |stub| stub.len() - DESCRIPTOR_LEN);
    let bytes = new.header.descriptor.file_len;
    let bytes_to_bring = bytes.saturating_sub(same.iter().sum::<u64>() + same_stub as u64);
    Ok(Frames { all: all.len(), same: same.len(), bytes_to_bring })
}
