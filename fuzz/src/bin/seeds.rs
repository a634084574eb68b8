//! Splits a bundle into seeds: `seeds BUNDLE NAME`. Leaves out large seeds.

// A developer runs it by hand, so an error may end it with a panic.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use format::{Descriptor, Index, Manifest, Section, SeekTable};
use fuzz::Parts;

/// The limit on bytes of a seed: larger seeds do not help the fuzzer.
const LEN: usize = 64 << 10;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().expect("seeds BUNDLE NAME");
    let (bundle, name) = (fs::read(argument()).expect("read the bundle"), argument());
    let note = packer::fuzz::note(&bundle).expect("it is a bundle");
    let (descriptor, _) = Descriptor::decode(note).expect("it is a bundle");
    let at = |number: u64| usize::try_from(number).expect("it is in memory");
    let stored = |section: &Section| &bundle[at(section.offset)..][..at(section.len)];

    let manifest = decompress(stored(&descriptor.sections.manifest));
    let index = decompress(stored(&descriptor.sections.index));
    let table = SeekTable::decode(stored(&descriptor.sections.seek_table)).expect("a seek table");
    let mut tar = Vec::new();
    for frame in table.data_frames() {
        let start = at(descriptor.stub_len + frame.offset);
        tar.extend(decompress(&bundle[start..][..frame.compressed_len as usize]));
    }
    let paths = Manifest::decode(&manifest, descriptor.version).expect("a manifest").paths.len();
    Index::decode(&index, paths, tar.len() as u64).expect("an index");

    let body = u32::from_le_bytes([note[4], note[5], note[6], note[7]]);
    let used = fuzz::DESCRIPTOR_BODY + at(body.into());
    let note_end = note.as_ptr().addr() - bundle.as_ptr().addr() + note.len();
    let tar_len = u32::try_from(tar.len()).expect("a small closure").to_le_bytes();
    let paths = u8::try_from(paths).expect("a small closure");
    let parts = Parts { frame_len: 8, manifest: &manifest, index: &index, tar: &tar };
    let seeds = [
        ("descriptor", name.clone(), note[..used].to_vec()),
        ("descriptor", format!("{name}-note"), bundle[..note_end].to_vec()),
        ("seek-table", name.clone(), stored(&descriptor.sections.seek_table).to_vec()),
        ("index", name.clone(), [&[paths], tar_len.as_slice(), &index].concat()),
        ("bundle", name.clone(), parts.to_bytes()),
        ("manifest", name, manifest.clone()),
    ];
    for (target, name, seed) in seeds {
        if seed.len() <= LEN {
            let directory = Path::new("fuzz/seeds").join(target);
            fs::create_dir_all(&directory).expect("make a directory");
            fs::write(directory.join(name), seed).expect("write a seed");
        }
    }
}

fn decompress(frame: &[u8]) -> Vec<u8> {
    let len =
        zstd_safe::get_frame_content_size(frame).ok().flatten().expect("a frame with a length");
    let mut content = vec![0; usize::try_from(len).expect("it is in memory")];
    zstd_safe::decompress(content.as_mut_slice(), frame).expect("a frame");
    content
}
