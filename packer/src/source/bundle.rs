//! Opens an existing bundle and checks everything except its frames.

use std::fs::File;
use std::path::Path;

use format::{DESCRIPTOR_LEN, Error as FormatError, Kind, Node};
use runtime::error::Error as RuntimeError;
use runtime::payload::{self, Payload, Sections};

use crate::elf;
use crate::error::{Error, Result};
use crate::show;

/// An open bundle; the code of the stub reads it.
pub(crate) struct Bundle {
    /// The path, for messages.
    pub(crate) path: String,
    pub(crate) file: File,
    /// The decoded descriptor, which a running stub has in memory.
    pub(crate) header: payload::Bundle,
    /// The sections, which follow the frames.
    pub(crate) sections: Sections,
}

impl Bundle {
    /// Opens a bundle and reads everything except its frames.
    ///
    /// # Errors
    ///
    /// If the file is not a bundle, or is damaged.
    pub(crate) fn open(path: &Path) -> Result<Bundle> {
        let name = show::path(path);
        // Opening a pipe would block until a process writes to it.
        let is_file = std::fs::metadata(path).map(|metadata| metadata.is_file());
        if !is_file.map_err(|error| Error::io("open", path, error))? {
            return Err(Error::NoBundle { path: name });
        }
        let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
        Bundle::of(name, file)
    }

    /// Reads everything except the frames of an open bundle, which messages call `name`.
    ///
    /// # Errors
    ///
    /// As [`Bundle::open`].
    pub(crate) fn of(name: String, file: File) -> Result<Bundle> {
        let note = elf::descriptor(&file);
        let note = note.ok_or_else(|| Error::NoBundle { path: name.clone() })?;
        let header = header(&name, &note)?;
        let sections = payload(&file, &header)
            .and_then(|payload| payload.sections())
            .map_err(|error| named(&name, error))?;
        Ok(Bundle { path: name, file, header, sections })
    }

    /// Calls a function of the runtime with the payload.
    ///
    /// # Errors
    ///
    /// If the payload cannot be opened, or the function fails.
    pub(crate) fn run<T>(
        &self,
        act: impl FnOnce(&Payload<'_>) -> std::result::Result<T, RuntimeError>,
    ) -> Result<T> {
        let result = payload(&self.file, &self.header).and_then(|payload| act(&payload));
        result.map_err(|error| self.error(error))
    }

    /// Reads a file of the first entry's store path; `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// If the bundle is damaged.
    pub(crate) fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let manifest = &self.sections.manifest;
        let descriptor = &self.header.descriptor;
        let root = &descriptor.paths[usize::from(descriptor.entries[0].path)].path;
        let Some(number) = manifest.paths.iter().position(|packed| packed.path == *root) else {
            return Ok(None);
        };
        let index = self.sections.index().map_err(|error| self.error(error))?;
        let nodes = || (0_u32..).zip(&index.nodes);
        let mut at =
            nodes().filter(|(_, node)| node.parent.is_none()).nth(number).map(|(at, _)| at);
        for name in path.split('/') {
            let is_it = |node: &Node<'_>| node.parent == at && node.name == name.as_bytes();
            at = Some(match nodes().find(|(_, node)| is_it(node)) {
                Some((child, _)) => child,
                None => return Ok(None),
            });
        }
        let node = at.and_then(|at| index.nodes.get(at as usize));
        let Some(Node { kind: Kind::File { content, .. }, .. }) = node else { return Ok(None) };
        let read = self.run(|payload| payload.contents(&self.sections, &index, &[*content]));
        read.map(|mut contents| contents.pop())
    }

    /// Converts an error of the runtime, and adds the name of the bundle.
    pub(crate) fn error(&self, error: impl Into<RuntimeError>) -> Error {
        named(&self.path, error.into())
    }
}

/// Decodes the descriptor of a bundle, which messages call `name`, and checks its digest.
///
/// # Errors
///
/// If it is none.
pub(crate) fn header(name: &str, note: &[u8; DESCRIPTOR_LEN]) -> Result<payload::Bundle> {
    let header = payload::Bundle::decode(note).map_err(|error| named(name, error))?;
    format::Descriptor::check_digest(note).map_err(|error| named(name, error.into()))?;
    Ok(header)
}

fn payload<'a>(
    file: &File,
    header: &'a payload::Bundle,
) -> std::result::Result<Payload<'a>, RuntimeError> {
    // A copy of the file descriptor, because the payload closes it.
    let file = file.try_clone().map_err(|_| RuntimeError::memory())?;
    Payload::new(file.into(), &header.descriptor)
}

fn named(path: &str, error: RuntimeError) -> Error {
    let path = path.to_owned();
    match error {
        RuntimeError::Damaged(FormatError::EmptyDescriptor) => Error::NoBundle { path },
        RuntimeError::Damaged(source) => Error::Damaged { path, source },
        RuntimeError::FileLength { expected, found } => {
            Error::OtherLength { path, found, expected }
        }
        error => Error::Runtime(error),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::path::PathBuf;

    use clap::Parser as _;
    use format::{Digest, Kind};

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::output::stub::tests::example;
    use crate::source::reference::Hashes;
    use crate::source::store::tests::{BASH, GLIBC, TestStore};

    /// Makes a store, and a directory for bundles that contains a stub.
    pub(crate) fn fixture() -> (TestStore, tempfile::TempDir) {
        let store = TestStore::new();
        let mut program = example();
        program.truncate(64);
        store.program(&format!("{BASH}/bin/sh"), program);
        store.link(&format!("{BASH}/lib"), &format!("/nix/store/{GLIBC}/lib"));
        store.file(&format!("{GLIBC}/lib/libc.so"), "text");
        store.file(&format!("{GLIBC}/share/same"), "text").file(&format!("{GLIBC}/empty"), "");
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("stub"), example()).unwrap();
        (store, dir)
    }

    pub(crate) fn build(
        store: &TestStore,
        dir: &Path,
        name: &str,
        options: &[&str],
    ) -> Result<PathBuf> {
        let output = dir.join(name);
        let mut command: Vec<String> =
            ["packer", "build", "--no-cache", "--closure"].map(String::from).into();
        command.push(store.dir().join(BASH).to_str().unwrap().to_owned());
        for (option, value) in [
            ("--store-root", store.root.path()),
            ("--stub", &dir.join("stub")),
            ("--output", &output),
        ] {
            command.extend([option.to_owned(), value.to_str().unwrap().to_owned()]);
        }
        command.extend(options.iter().map(|&option| option.to_owned()));
        let Command::Build(options) = Cli::parse_from(command).command else { panic!("not build") };
        crate::command::build::build(&options).map(|()| output)
    }

    #[test]
    fn what_is_built_can_be_read() {
        let (store, dir) = fixture();
        let env = format!("LIBS=/nix/store/{GLIBC}/lib");
        let path = build(&store, dir.path(), "sh", &["--env", &env]).unwrap();
        let bundle = Bundle::open(&path).unwrap();
        let descriptor = &bundle.header.descriptor;
        let Sections { manifest, seek_table, .. } = &bundle.sections;
        assert_eq!(descriptor.stub_len, example().len() as u64);
        assert_eq!(descriptor.paths.len(), 2);
        assert_eq!(manifest.paths.len(), 2);
        assert_eq!(manifest.paths[1].references, [0]);
        let keys: Vec<Digest> = descriptor.paths.iter().map(|path| path.key).collect();
        assert_eq!(keys, [manifest.paths[1].key, manifest.paths[0].key]);

        let index = bundle.sections.index().unwrap();
        let bytes = fs::read(&path).unwrap();
        let mut tar = Vec::new();
        for (frame, digest) in seek_table.data_frames().iter().zip(&index.frames) {
            let start = usize::try_from(descriptor.stub_len + frame.offset).unwrap();
            let frame_bytes = &bytes[start..][..usize::try_from(frame.compressed_len).unwrap()];
            assert_eq!(Digest::of(frame_bytes), *digest);
            let mut content = vec![0; usize::try_from(frame.len).unwrap()];
            zstd_safe::decompress(content.as_mut_slice(), frame_bytes).unwrap();
            tar.extend(content);
        }
        let contents: Vec<&[u8]> = index
            .nodes
            .iter()
            .filter_map(|node| match node.kind {
                Kind::File { content, .. } => Some(content),
                _ => None,
            })
            .map(|content| {
                let start = usize::try_from(content.start).unwrap();
                &tar[start..][..usize::try_from(content.len).unwrap()]
            })
            .collect();
        assert_eq!(contents, [b"", b"text".as_slice(), b"text", &example()[..64]]);
    }

    #[test]
    fn same_bytes_whatever_the_threads() {
        let (store, dir) = fixture();
        for (number, noise) in noise(36 << 20).chunks(1 << 20).enumerate() {
            store.file(&format!("{GLIBC}/share/{number}"), noise);
        }
        let one = build(&store, dir.path(), "1", &["--level=1", "--threads=1"]).unwrap();
        let many = build(&store, dir.path(), "2", &["--level=1", "--threads=7"]).unwrap();
        assert!(fs::read(one).unwrap() == fs::read(many).unwrap());
    }

    #[test]
    fn no_hash_stands_in_a_bundle_as_text() {
        let (store, dir) = fixture();
        store.file(&format!("{GLIBC}/noise"), noise_with_hashes());
        let bundle = build(&store, dir.path(), "sh", &["--level=1"]).unwrap();
        let hashes = Hashes::new(
            [GLIBC, BASH].map(|name| format::StorePath::parse(name.as_bytes()).unwrap().hash()),
        );
        assert_eq!(hashes.first(&fs::read(bundle).unwrap()), None);
    }

    #[test]
    fn excluded_store_path_is_neither_packed_nor_shown() {
        let (store, dir) = fixture();
        store.file(&format!("{BASH}/noise"), noise_with_hashes());
        let exclude = format!("--exclude=/nix/store/{GLIBC}");
        let path = build(&store, dir.path(), "sh", &["--level=1", &exclude]).unwrap();
        let manifest = Bundle::open(&path).unwrap().sections.manifest;
        assert_eq!(manifest.paths.len(), 1);
        let bytes = fs::read(path).unwrap();
        let hash = &GLIBC.as_bytes()[..32];
        assert!(!bytes.windows(hash.len()).any(|window| window == hash));
    }

    #[test]
    fn other_files_and_damage_are_named() {
        let (store, dir) = fixture();
        let path = build(&store, dir.path(), "sh", &[]).unwrap();
        let good = fs::read(&path).unwrap();
        let descriptor = Bundle::open(&path).unwrap().header.descriptor;
        let open = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            Bundle::open(&path).err().unwrap().to_string()
        };
        let flipped = |at: u64| {
            let mut bytes = good.clone();
            bytes[usize::try_from(at).unwrap()] ^= 1;
            bytes
        };
        assert!(open(b"#!/bin/sh").ends_with("is not a bundle"));
        assert!(open(&example()).ends_with("is not a bundle"));
        assert!(open(&good[..good.len() - 1]).contains("instead of"));
        assert!(open(&[good.as_slice(), b"x"].concat()).contains("instead of"));
        assert!(open(&flipped(200)).contains("descriptor: digest"));
        assert!(open(&flipped(descriptor.sections.manifest.offset)).contains("manifest: digest"));
        assert!(open(&flipped(descriptor.sections.index.offset)).contains("index: digest"));
        assert!(
            open(&flipped(descriptor.sections.seek_table.offset)).contains("seek table: digest")
        );
        assert!(Bundle::open(dir.path()).is_err());
    }

    #[test]
    fn failed_build_leaves_nothing() {
        let (store, dir) = fixture();
        build(&store, dir.path(), "sh", &["--entry=/bin/none"]).unwrap_err();
        // Too long for the descriptor, which packer notices at the end of the build.
        let value = format!("--env=A={}", "x".repeat(9000));
        build(&store, dir.path(), "sh", &[&value]).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    pub(crate) fn noise(len: usize) -> Vec<u8> {
        crate::output::frame::tests::noise(len)
    }

    /// Makes bytes that zstd cannot compress, with hashes among them.
    fn noise_with_hashes() -> Vec<u8> {
        let mut bytes = Vec::new();
        for piece in noise(200_000).chunks(500) {
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(GLIBC.as_bytes());
        }
        bytes
    }
}
