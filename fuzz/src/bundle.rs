//! Fuzz targets for whole bundles with correct digests, as an attacker can make them.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use format::{
    Argv0, BUNDLE_VERSION, Descriptor, Digest, Index, Mode, SKIPPABLE_HEADER_LEN, Section,
    SectionKind, SectionTable, SeekTable,
};
use runtime::payload::{Payload, Sections};
use runtime::unpack;
use runtime::unpack::progress::Progress;
use runtime::unpack::rewrite::Rewriter;
use runtime::unpack::tree::Destination;
use runtime::{command, payload};

use crate::parts::{Parts, encode_index};

/// The limit on unpacked bytes: more takes time and finds nothing.
const UNPACKED_LEN: u64 = 1 << 20;

/// The limit on nested directories, for the same reason.
const DEPTH: usize = 64;

/// The directory of the cache that references are rewritten to.
const BASE: &[u8] = b"/home/alice/.cache/packed";

/// Target: the tar archive and the index. It first corrects the checksums in the tar headers.
pub(crate) fn tar(data: &[u8]) -> bool {
    let Some(parts) = Parts::from_bytes(data) else { return false };
    let Some((manifest, index)) = parts.decode() else { return false };
    let mut tar = parts.tar.to_vec();
    for block in tar.chunks_exact_mut(512) {
        if &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    packer::fuzz::check_tar(&tar, &manifest.paths, &index).is_ok()
}

/// Target: a whole bundle without a stub. Both runtime and packer verify it; it is unpacked plain and relocated.
pub(crate) fn bundle(data: &[u8]) -> bool {
    let Some(parts) = Parts::from_bytes(data) else { return false };
    let Some((bytes, descriptor)) = assemble(&parts) else { return false };
    let header = payload::Bundle { descriptor, id: Digest::of(b"") };
    let mut file = tempfile::tempfile().expect("make a file");
    file.write_all(&bytes).expect("write a file");
    let other = file.try_clone().expect("copy a descriptor");
    let Ok(payload) = Payload::new(other.into(), &header.descriptor) else { return false };
    let Ok(sections) = payload.sections() else { return false };
    let Ok(index) = sections.index() else { return false };
    if command::verify(&payload).is_err() || !is_small(&sections, &index) {
        return false;
    }
    let is_whole = unpack(&payload, &sections, &index, None);
    if let Ok(rewriter) = Rewriter::new(BASE, &sections.manifest) {
        unpack(&payload, &sections, &index, Some(&rewriter));
    }
    drop(payload);
    let verified = packer::fuzz::verify(file, header, sections);
    assert!(is_whole || verified.is_err(), "packer verify accepts it, but unpacking differs");
    verified.is_ok()
}

fn is_small(sections: &Sections, index: &Index<'_>) -> bool {
    let mut depths: Vec<usize> = Vec::with_capacity(index.nodes.len());
    for node in &index.nodes {
        depths.push(node.parent.map_or(0, |parent| depths[parent as usize] + 1));
    }
    unpack::room(index, &sections.names(None)).bytes <= UNPACKED_LEN
        && depths.iter().all(|at| *at < DEPTH)
}

/// Unpacks to a directory; returns whether all files are as packed. Nothing may appear beside the directory.
fn unpack(
    payload: &Payload<'_>,
    sections: &Sections,
    index: &Index<'_>,
    rewriter: Option<&Rewriter>,
) -> bool {
    let directory = tempfile::tempdir().expect("make a directory");
    let store = directory.path().join("a/store");
    fs::create_dir_all(&store).expect("make a directory");
    let opened = File::open(&store).expect("open a directory");
    let names = sections.names(None);
    let destination = Destination { directory: opened.as_fd(), names: &names, rewriter };
    let unpacked = unpack::unpack(payload, sections, index, &destination, &Progress::start());
    let is_whole = unpacked.is_ok() && {
        let whole = unpack::verify(sections, index, &destination).expect("verify");
        whole.into_iter().all(|whole| whole)
    };
    let names =
        |of: &Path| fs::read_dir(of).expect("list").map(|entry| entry.expect("list").file_name());
    assert!(names(directory.path()).eq(["a"]) && names(&store.join("..")).eq(["store"]));
    let roots = sections.manifest.paths.len();
    assert!(names(&store).count() <= roots, "unpacking made more than the store paths");
    make_writable(&store);
    is_whole
}

/// Makes a tree writable, so that users other than root can remove it.
fn make_writable(directory: &Path) {
    fs::set_permissions(directory, Permissions::from_mode(0o700)).expect("change permissions");
    for entry in fs::read_dir(directory).expect("list") {
        let entry = entry.expect("list");
        if entry.file_type().expect("look").is_dir() {
            make_writable(&entry.path());
        }
    }
}

/// Makes the payload from the parts, and a descriptor for a stub of zero bytes.
fn assemble(parts: &Parts<'_>) -> Option<(Vec<u8>, Descriptor)> {
    let mut bytes = Vec::new();
    let mut table = SeekTable::default();
    let mut digests = Vec::new();
    for content in parts.tar.chunks(256 << (parts.frame_len % 12)) {
        let frame = compress(content);
        table.push(frame.len().try_into().ok()?, content.len().try_into().ok()?).ok()?;
        digests.push(Digest::of(&frame));
        bytes.extend(frame);
    }
    // An invalid index stays as it is.
    let index = match parts.decode() {
        Some((_, index)) => encode_index(&index, &digests),
        None => parts.index.to_vec(),
    };
    let section = |kind: SectionKind| {
        let content = match kind {
            SectionKind::Manifest => compress(parts.manifest),
            SectionKind::Index => compress(&index),
            SectionKind::SeekTable => table.encode().map_err(drop)?,
        };
        let len = u32::try_from(content.len()).map_err(drop)?;
        bytes.extend(kind.header(len));
        let offset = bytes.len() as u64;
        bytes.extend_from_slice(&content);
        if kind != SectionKind::SeekTable {
            let frame_len = u32::try_from(content.len() + SKIPPABLE_HEADER_LEN).map_err(drop)?;
            table.push(frame_len, 0).map_err(drop)?;
        }
        Ok::<Section, ()>(Section { offset, len: len.into(), digest: Digest::of(&content) })
    };
    let sections = SectionTable::try_from_fn(section).ok()?;
    let descriptor = Descriptor {
        version: BUNDLE_VERSION,
        stub_len: 0,
        file_len: bytes.len() as u64,
        sections,
        modes: [Mode::Relocate].into_iter().collect(),
        paths: Vec::new(),
        entries: Vec::new(),
        environment: Vec::new(),
        graphics: None,
        host_programs: Vec::new(),
        argv0: Argv0::default(),
    };
    Some((bytes, descriptor))
}

fn compress(content: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; zstd_safe::compress_bound(content.len())];
    let len = zstd_safe::compress(frame.as_mut_slice(), content, 1).expect("there is room");
    frame.truncate(len);
    frame
}
