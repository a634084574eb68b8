//! The proof that references can be rewritten: every place where a hash stands, and whether that is one.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use format::Reference;
use runtime::error::Escaped;

use super::aarch64::MoveScanner;
use super::catalogue;
use super::compressed::{self, Method};
use super::kind::{self, Bearing};
use super::pieces::{PieceScanner, Pieces};
use super::store_name::StoreNameScanner;
use super::streams::StreamScanner;
use crate::elf::Machine;
use crate::error::{Error, Result};
use crate::source::exclude::Exclude;
use crate::source::node::{Kind, Node};
use crate::source::reference::{Form, Hashes, Occurrence, PREFIX};
use crate::source::store::{Store, StoreFile};
use crate::source::tree::Tree;

/// Directories of a store path whose files nobody executes: a reference that stays there does no harm.
const DOCUMENTATION: [&[u8]; 3] = [b"share/man/", b"share/doc/", b"share/info/"];

/// Lines from which a text is taken for a list to look things up in.
const LIST_LINES: usize = 8;

/// What a proof goes by.
pub(crate) struct Rules<'a> {
    pub(crate) hashes: &'a Hashes,
    pub(crate) pieces: Pieces,
    /// The nodes that are named by the MD5 of a path.
    pub(crate) named: BTreeSet<u32>,
    /// The packager's own word for files that the proof cannot judge.
    pub(crate) word: &'a Word,
}

/// What the packager says of files: `--relocate` and `--no-relocate`.
#[derive(Default)]
pub(crate) struct Word {
    /// Files in which references can be rewritten.
    pub(crate) relocate: Exclude,
    /// Files in which they cannot.
    pub(crate) no_relocate: Exclude,
}

/// Where the hashes in a store path's files stand.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The references that can be rewritten, by node.
    pub(crate) references: BTreeMap<u32, Vec<Reference>>,
    /// The compiled Python modules that check their sources.
    pub(crate) checked_pycs: BTreeSet<u32>,
    /// What cannot be rewritten, in words.
    pub(crate) obstacles: Vec<String>,
    /// What nobody knows: it can be rewritten, but a file may be wrong afterwards.
    pub(crate) doubts: Vec<String>,
    /// What would be an obstacle or a doubt but for the packager's word.
    pub(crate) vouched: Vec<String>,
}

/// A file, link or directory that is surveyed.
pub(crate) struct Surveyed<'a> {
    survey: &'a mut Survey,
    rules: &'a Rules<'a>,
    tree: &'a Tree,
    node: u32,
    /// The path below the store: `<hash>-<name>/…`.
    location: Vec<u8>,
    /// The first and the last bytes of the content, which tell its kind.
    head: Vec<u8>,
    tail: Vec<u8>,
    /// Whether no byte of it is zero.
    is_text: bool,
    /// Where the first hash of a form that cannot be rewritten is, and how many there are.
    bare: Option<(u64, u32)>,
    wide: Option<(u64, u32)>,
    pieces: PieceScanner<'a>,
    moves: Option<MoveScanner>,
    names: Option<StoreNameScanner>,
    streams: Option<StreamScanner>,
}

/// How much a finding weighs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Obstacle,
    Doubt,
}
use Weight::{Doubt, Obstacle};

impl Survey {
    /// Starts with a node: its name, and then its content or target.
    pub(crate) fn node<'a>(
        &'a mut self,
        tree: &'a Tree,
        number: u32,
        rules: &'a Rules<'a>,
    ) -> Surveyed<'a> {
        let node = tree.node(number);
        let is_executable = matches!(node.kind, Kind::File { executable: true, .. });
        let mut surveyed = Surveyed {
            survey: self,
            rules,
            tree,
            node: number,
            location: tree.location(number),
            head: Vec::new(),
            tail: Vec::new(),
            is_text: true,
            bare: None,
            wide: None,
            pieces: PieceScanner::new(&rules.pieces),
            moves: None,
            names: is_executable.then(StoreNameScanner::default),
            streams: None,
        };
        surveyed.streams = (!surveyed.is_documentation()).then(StreamScanner::default);
        if rules.hashes.first(&node.name).is_some() {
            surveyed.find(Obstacle, "its name holds a store hash");
        }
        if rules.named.contains(&number) {
            surveyed.find(Doubt, "it is named by the MD5 of a path");
        }
        if rules.word.no_relocate.matches(&surveyed.location) {
            let location = Escaped(&surveyed.location);
            let what = "kept from relocation by --no-relocate";
            surveyed.survey.obstacles.push(format!("{}/{location}: {what}", format::STORE_DIR));
        }
        surveyed
    }
}

impl Surveyed<'_> {
    /// Takes the next bytes of a file's content.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.head.is_empty() && Machine::of_program(bytes) == Some(Machine::Aarch64) {
            self.moves = Some(MoveScanner::default());
        }
        let missing = kind::HEAD_LEN - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(missing)]);
        let last = &bytes[bytes.len().saturating_sub(compressed::TAIL_LEN)..];
        let passed = (self.tail.len() + last.len()).saturating_sub(compressed::TAIL_LEN);
        self.tail.drain(..passed);
        self.tail.extend_from_slice(last);
        self.is_text = self.is_text && memchr::memchr(0, bytes).is_none();
        self.pieces.feed(bytes);
        if let Some(moves) = &mut self.moves {
            moves.feed(bytes);
        }
        if let Some(names) = &mut self.names {
            names.feed(bytes);
        }
        if let Some(streams) = &mut self.streams {
            streams.feed(bytes);
        }
    }

    /// Takes a hash that was found in the content or the target.
    pub(crate) fn occurrence(&mut self, found: Occurrence) {
        let Occurrence { position, number, form } = found;
        let unfit = match form {
            Form::Reference => {
                let offset = position - PREFIX.len() as u64;
                let references = self.survey.references.entry(self.node).or_default();
                references.push(Reference { offset, path: number });
                return;
            }
            Form::Bare => &mut self.bare,
            Form::Wide => &mut self.wide,
        };
        let (_, count) = unfit.get_or_insert((position, 0));
        *count = count.saturating_add(1);
    }

    /// Ends a node: says what its kind, its forms of hashes and what is inside of it mean for relocation.
    ///
    /// # Errors
    ///
    /// If it cannot be opened again.
    pub(crate) fn end(mut self, store: &Store) -> Result<()> {
        for (found, one, many) in [
            (self.bare, "a store hash without its path", "store hashes without their paths"),
            (self.wide, "a reference in UTF-16 or UTF-32", "references in UTF-16 or UTF-32"),
        ] {
            match found {
                None => {}
                Some((at, 1)) => self.find(Obstacle, &format!("{one}, at byte {at}")),
                Some((at, count)) => {
                    self.find(Obstacle, &format!("{count} {many}, the first at byte {at}"));
                }
            }
        }
        let pieces = std::mem::replace(&mut self.pieces, PieceScanner::new(&self.rules.pieces));
        if let Some(at) = pieces.end() {
            self.find(Obstacle, &format!("a store hash in pieces, the first at byte {at}"));
        }
        if let Some(at) = self.moves.take().and_then(MoveScanner::end) {
            self.find(Obstacle, &format!("a path in the store in pieces, at byte {at}"));
        }
        if let Some(at) = self.names.take().and_then(StoreNameScanner::end) {
            self.find(Doubt, &format!("names /nix without a hash, at byte {at}"));
        }
        let head = &self.head[..self.head.len().min(compressed::HEAD_LEN)];
        let method = Method::of(head, &self.tail);
        let is_compressed = method.is_some_and(Method::is_compressed);
        // A member of a tar archive is under no checksum; its header is, and is looked at below.
        let is_judged = is_compressed || method == Some(Method::Tar);
        if self.survey.references.contains_key(&self.node) && !is_judged {
            self.references(store)?;
        }
        if self.location.ends_with(b".pyc") && format::is_checked_pyc(&self.head) {
            self.survey.checked_pycs.insert(self.node);
        }
        let obstacles = self.survey.obstacles.len();
        if let Some(method) = method {
            self.look_into(method, store)?;
        }
        // What is compressed as a whole was looked into.
        let is_whole = is_compressed || matches!(method, Some(Method::Png | Method::Bitcode));
        if is_whole || self.survey.obstacles.len() > obstacles {
            return Ok(());
        }
        self.look_into_streams(store)
    }

    /// Looks for references in the compressed streams of a file that is not compressed as a whole.
    fn look_into_streams(&mut self, store: &Store) -> Result<()> {
        let streams = self.streams.take().map_or_else(Vec::new, StreamScanner::end);
        if streams.is_empty() {
            return Ok(());
        }
        let file = self.open(store)?;
        let rest = Cell::new(compressed::LIMIT);
        let mut next = 0;
        for (at, method) in streams {
            if at < next || is_debug_section(&file, at) {
                continue;
            }
            let name = method.name();
            let input = ReadAt { file: &file, at };
            match compressed::stream_holds_reference(input, method, self.rules.hashes, &rest) {
                Ok((false, len)) => next = at + len,
                Ok((true, _)) => {
                    self.find(
                        Obstacle,
                        &format!("a reference inside a {name} stream, at byte {at}"),
                    );
                    break;
                }
                Err(error) => {
                    let what = format!("a {name} stream that cannot be looked into ({error})");
                    self.find(Doubt, &format!("{what}, at byte {at}"));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Judges a file that holds references, which it can do because they stand there as they are.
    fn references(&mut self, store: &Store) -> Result<()> {
        if !matches!(self.tree.node(self.node).kind, Kind::File { .. }) {
            return Ok(());
        }
        let name = self.tree.node(self.node).name.clone();
        let holds = "holds a reference, and";
        match kind::bearing(&name, &self.head, self.is_text) {
            Bearing::Known => {}
            Bearing::Doubtful(reason) => self.find(Doubt, &format!("{holds} {reason}")),
            Bearing::Broken(reason) => self.leave(&format!("{holds} {reason}")),
        }
        if let Some((weight, digest)) = self.digest_beside(&name) {
            self.find(weight, &format!("{holds} {digest} has its digest"));
        }
        if self.is_in_original(store)? {
            self.find(Doubt, &format!("{holds} a message is found by it"));
        }
        if self.is_text && self.is_sorted_list(store)? {
            self.find(Doubt, &format!("{holds} it is a sorted list"));
        }
        Ok(())
    }

    /// A file that is checked against another one when it is loaded: libraries that check themselves, as FIPS 140
    /// demands. NSS has `libx.chk` for `libx.so`, others `.libx.so.hmac`; both look at it only if the system or the
    /// caller wants FIPS 140. OpenSSL's module always checks itself against `fipsmodule.cnf`.
    fn digest_beside(&self, name: &[u8]) -> Option<(Weight, String)> {
        if !self.head.starts_with(b"\x7fELF") {
            return None;
        }
        let is_configuration = |node: &Node| node.name == b"fipsmodule.cnf";
        if name == b"fips.so" && self.tree.nodes.iter().any(is_configuration) {
            return Some((Obstacle, "fipsmodule.cnf".to_owned()));
        }
        let stem = name.split(|byte| *byte == b'.').next().unwrap_or(name);
        let beside = [
            [name, b".hmac"].concat(),
            [b".", name, b".hmac"].concat(),
            [name, b".chk"].concat(),
            [stem, b".chk"].concat(),
        ];
        let parent = self.tree.node(self.node).parent?;
        let mut siblings = self.tree.children(parent).map(|child| &self.tree.node(child).name);
        let found = siblings.find(|sibling| beside.contains(sibling))?;
        Some((Doubt, Escaped(found).to_string()))
    }

    /// Whether each line begins with a path in the store and the lines are in order: somebody may look one up.
    fn is_sorted_list(&self, store: &Store) -> Result<bool> {
        let starts = |line: &[u8]| line.starts_with(PREFIX);
        if !starts(&self.head) {
            return Ok(false);
        }
        let whole = self.whole(store)?;
        let lines: Vec<&[u8]> =
            whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        Ok(lines.len() >= LIST_LINES && lines.iter().all(|line| starts(line)) && lines.is_sorted())
    }

    /// The whole content, read again if it is longer than the head.
    fn whole(&self, store: &Store) -> Result<Vec<u8>> {
        if self.head.len() < kind::HEAD_LEN {
            return Ok(self.head.clone());
        }
        let mut whole = Vec::new();
        self.open(store)?
            .read_to_end(&mut whole)
            .map_err(|error| Error::in_store("read", &self.location, error))?;
        Ok(whole)
    }

    /// Whether a reference is in the original of a message in a catalogue, by which the message is found.
    fn is_in_original(&self, store: &Store) -> Result<bool> {
        if !catalogue::is_catalogue(&self.head) {
            return Ok(false);
        }
        let references = self.survey.references.get(&self.node).into_iter().flatten();
        let positions = references.map(|reference| reference.offset);
        Ok(catalogue::is_in_original(&self.whole(store)?, positions))
    }

    /// Looks for references where rewriting cannot reach them.
    fn look_into(&mut self, method: Method, store: &Store) -> Result<()> {
        if self.is_documentation() {
            if method.is_compressed() {
                // Bytes that a compressed file holds uncompressed are under its checksum.
                self.survey.references.remove(&self.node);
            }
            return Ok(());
        }
        let name = method.name();
        let file = self.open(store)?;
        match compressed::holds_reference(file, method, self.rules.hashes, compressed::LIMIT) {
            Ok(false) => {}
            Ok(true) => self.find(Obstacle, &format!("a reference inside a {name} file")),
            Err(error) => {
                let what = format!("a {name} file that cannot be looked into ({error})");
                // What is damaged ends for everybody where it ended here, and no reference was in it up to there.
                let weight = if compressed::is_damage(&error) { Doubt } else { Obstacle };
                self.find(weight, &what);
            }
        }
        Ok(())
    }

    fn open<'s>(&self, store: &'s Store) -> Result<StoreFile<'s>> {
        store
            .open_file(&self.location)
            .map_err(|error| Error::in_store("read", &self.location, error))
    }

    /// Finds that rewriting makes the file wrong: in documentation it stays as it is.
    fn leave(&mut self, what: &str) {
        if self.is_documentation() {
            self.survey.references.remove(&self.node);
        }
        self.find(Obstacle, what);
    }

    fn find(&mut self, weight: Weight, what: &str) {
        if self.is_documentation() {
            return;
        }
        let finding = format!("{}/{}: {what}", format::STORE_DIR, Escaped(&self.location));
        let list = if self.rules.word.relocate.matches(&self.location) {
            &mut self.survey.vouched
        } else if weight == Obstacle {
            &mut self.survey.obstacles
        } else {
            &mut self.survey.doubts
        };
        list.push(finding);
    }

    fn is_documentation(&self) -> bool {
        let below = self.location.iter().position(|byte| *byte == b'/').map(|at| at + 1);
        let below = below.and_then(|at| self.location.get(at..)).unwrap_or_default();
        DOCUMENTATION.iter().any(|directory| below.starts_with(directory))
    }
}

/// Reads a file from a place on.
struct ReadAt<'a> {
    file: &'a StoreFile<'a>,
    at: u64,
}

impl Read for ReadAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read_at(buffer, self.at)?;
        self.at += len as u64;
        Ok(len)
    }
}

/// Whether a stream is a compressed section of an ELF file: debug information, which no program needs. A header stands
/// before it: 1 or 2 for the method, and four bytes that are zero. (elf(5), `Elf64_Chdr`)
fn is_debug_section(file: &StoreFile<'_>, at: u64) -> bool {
    let mut header = [0; 24];
    let Some(start) = at.checked_sub(24) else { return false };
    let is_read = file.read_exact_at(&mut header, start).is_ok();
    is_read && matches!(header[0], 1 | 2) && header[1..8] == [0; 7]
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::scan::content;
    use crate::source::store::tests::{BASH, GLIBC, TestStore};

    /// What is in the way or doubtful, and how many references can be rewritten.
    fn survey(store: &TestStore) -> (Vec<String>, usize) {
        let store = store.file(&format!("{GLIBC}/lib/libc.so"), "").open();
        let (_, content) = content::tests::read(&store);
        let findings = content.findings();
        let lists = [&findings.obstacles, &findings.doubts];
        (lists.into_iter().flatten().cloned().collect(), content.count_references().0)
    }

    /// As `survey`, for one file.
    fn survey_file(name: &str, content: &[u8]) -> (Vec<String>, usize) {
        survey(TestStore::new().file(&format!("{BASH}/{name}"), content))
    }

    /// The obstacle `what` in `file`; none if it is empty.
    fn refused(file: &str, what: &str) -> Vec<String> {
        what.lines().map(|what| format!("/nix/store/{BASH}/{file}: {what}")).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn text_is_judged_by_what_stands_before_the_hash() {
        for (text, references, what) in [
            ("/nix/store/HASH", 1, ""),
            ("/nix/store/HASH-glibc/lib:/nix/store/HASH-glibc", 2, ""),
            ("//nix/store/HASH-glibc", 1, ""),
            ("file:///nix/store/HASH-glibc", 1, ""),
            // No reference to Nix; but a program could put it together.
            (
                "/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1a",
                0,
                "a store hash in pieces, the first at byte 11",
            ),
            ("/nix/store/1B9P07Z77PHVV2HF6GM9F28SYP39F1AG-glibc", 0, ""),
            ("/nix/store/00000000000000000000000000000000-absent", 0, ""),
            // What would name another file, or none, if it were replaced.
            ("HASH", 0, "a store hash without its path, at byte 0"),
            ("/gnu/store/HASH-glibc", 0, "a store hash without its path, at byte 11"),
            ("/nix//store/HASH-glibc", 0, "a store hash without its path, at byte 12"),
            ("/nix/store//HASH-glibc", 0, "a store hash without its path, at byte 12"),
            ("../HASH-glibc/lib", 0, "a store hash without its path, at byte 3"),
            (r"\/nix\/store\/HASH-glibc", 0, "a store hash without its path, at byte 14"),
            ("%2Fnix%2Fstore%2FHASH", 0, "a store hash without its path, at byte 17"),
            ("%2fnix%2fstore%2fHASH", 0, "a store hash without its path, at byte 17"),
            (
                "HASH /nix/store/HASH HASH",
                1,
                "2 store hashes without their paths, the first at byte 0",
            ),
        ] {
            let expected = (refused("lib/x", what), references);
            let content = text.replace("HASH", &GLIBC[..32]);
            assert_eq!(survey_file("lib/x", content.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_library_with_its_digest_beside_it_is_judged() {
        let library = [b"\x7fELF\x02\0/nix/store/", GLIBC.as_bytes()].concat();
        let holds = |file: &str, digest: &str| {
            vec![format!(
                "/nix/store/{BASH}/{file}: holds a reference, and {digest} has its digest"
            )]
        };
        for (file, digest) in [
            ("lib/libsoftokn3.so", "libsoftokn3.chk"),
            ("lib/libgcrypt.so.20", ".libgcrypt.so.20.hmac"),
            ("lib/libx.so", "libx.so.hmac"),
            ("lib/ossl-modules/fips.so", "fipsmodule.cnf"),
        ] {
            let store = TestStore::new();
            let directory = if digest == "fipsmodule.cnf" { "etc" } else { "lib" };
            store.file(&format!("{BASH}/{file}"), &library);
            store.file(&format!("{BASH}/{directory}/{digest}"), "");
            assert_eq!(survey(&store).0, holds(file, digest), "{file}");
            let alone = TestStore::new();
            assert_eq!(survey(alone.file(&format!("{BASH}/{file}"), &library)).0, [""; 0]);
        }
    }

    #[test]
    fn a_message_that_is_found_by_a_reference_is_doubtful() {
        let text = format!("/nix/store/{GLIBC}").into_bytes();
        // One original and its translation, after the header and two rows.
        let catalogue = |original: &[u8], translation: &[u8]| {
            let [first, second] =
                [original, translation].map(|text| u32::try_from(text.len()).unwrap());
            let numbers = [0x9504_12de, 0, 1, 28, 36, 0, 0, first, 44, second, 45 + first];
            let words = numbers.iter().flat_map(|number: &u32| number.to_le_bytes());
            [&words.collect::<Vec<u8>>()[..], original, b"\0", translation, b"\0"].concat()
        };
        let found = |content: &[u8]| survey_file("share/x.mo", content).0;
        assert_eq!(found(&catalogue(b"hello", &text)), [""; 0]);
        let expected = refused("share/x.mo", "holds a reference, and a message is found by it");
        assert_eq!(found(&catalogue(&text, b"hello")), expected);
    }

    #[test]
    fn streams_in_the_middle_of_a_file_are_searched() {
        let text = format!("prefix=/nix/store/{GLIBC}").repeat(3).into_bytes();
        let zlib = |text: &[u8]| {
            let mut encoder = flate2::read::ZlibEncoder::new(text, flate2::Compression::default());
            let mut stream = Vec::new();
            encoder.read_to_end(&mut stream).unwrap();
            stream
        };
        let other = b"nothing to see here".repeat(9);
        let zstd = |text: &[u8]| zstd::encode_all(text, 3).unwrap();
        let bits: Vec<u8> = {
            // Seven bits a character, three bits from the start.
            let bits = text.iter().flat_map(|byte| (0..7).map(move |bit| byte >> bit & 1));
            let bits: Vec<u8> = [0, 1, 0].into_iter().chain(bits).collect();
            bits.chunks(8)
                .map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit))
                .collect()
        };
        // What stands before a compressed section of an ELF file.
        let section = [&[1, 0, 0, 0, 0, 0, 0, 0, 99][..], &[0; 15]].concat();
        for (before, stream, expected) in [
            (&b"FOR1\0"[..], zlib(&text), "a reference inside a zlib stream, at byte 5"),
            (b"\x7fELF\0\x78\x9c", zstd(&text), "a reference inside a zstd stream, at byte 7"),
            (b"#!/bin/sh\n\0", gzip(&text), "a reference inside a gzip stream, at byte 11"),
            (b"\x78\x9c", [zlib(&other), zlib(&text)].concat(), "a reference inside a zlib stream"),
            (b"\0BC\xc0\xde", bits, "a reference inside a bitcode stream, at byte 1"),
            (b"FOR1\0", zlib(&other), ""),
            // Magic numbers in a decoder's own code.
            (
                b"\0\x28\xb5\x2f\xfd\x39\xf0\0\x28\xb5\x2f\xfd\x75\0",
                b"\xfd7zXZ\0\0\0BC\xc0\xde".to_vec(),
                "",
            ),
            (&section, zlib(&text), ""),
        ] {
            let (found, _) = survey_file("lib/x", &[before, &stream].concat());
            match expected {
                "" => assert_eq!(found, [""; 0]),
                // gzip stores: the reference is seen, too.
                _ => assert!(found[0].contains(expected), "{found:?}"),
            }
        }
    }

    #[test]
    fn wide_text_is_refused() {
        let text = format!("/nix/store/{GLIBC}|");
        let utf16 = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect();
        let utf32 = |unit: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| unit(c.into())).collect();
        let cases: [(Vec<u8>, u32); 4] = [
            (utf16(u16::to_le_bytes), 22),
            (utf16(u16::to_be_bytes), 23),
            (utf32(u32::to_le_bytes), 44),
            (utf32(u32::to_be_bytes), 47),
        ];
        for (content, at) in cases {
            let what = format!("a reference in UTF-16 or UTF-32, at byte {at}");
            assert_eq!(survey_file("lib/x", &content), (refused("lib/x", &what), 0));
            let what = format!("2 references in UTF-16 or UTF-32, the first at byte {at}");
            assert_eq!(survey_file("lib/x", &content.repeat(2)), (refused("lib/x", &what), 0));
        }
    }

    #[test]
    fn compressed_files_are_looked_into() {
        // Not compressed, so that the reference stands in the file as it is: it must not be rewritten.
        let stored = gzip(format!("/nix/store/{GLIBC}").as_bytes());
        let what = "a reference inside a gzip file";
        assert_eq!(survey_file("lib/x", &stored), (refused("lib/x", what), 1));
        assert_eq!(survey_file("lib/x", &gzip(b"nothing here")), (Vec::new(), 0));
        let (obstacles, _) = survey_file("lib/x", &stored[..20]);
        assert!(obstacles[0].contains("a gzip file that cannot be looked into ("), "{obstacles:?}");
    }

    #[test]
    fn documentation_alone_is_excused() {
        let hash = &GLIBC[..32];
        let stored = gzip(format!("/nix/store/{GLIBC}").as_bytes());
        for name in ["share/man/man1/x.1", "share/doc/x", "share/info/x"] {
            assert_eq!(survey_file(name, hash.as_bytes()), (Vec::new(), 0), "{name}");
            assert_eq!(survey_file(name, &stored), (Vec::new(), 0), "{name}");
            assert_eq!(survey_file(&format!("{name}-{hash}"), b""), (Vec::new(), 0), "{name}");
            let text = format!("/nix/store/{GLIBC}");
            assert_eq!(survey_file(name, text.as_bytes()), (Vec::new(), 1), "{name}");
        }
        for name in ["share/mandatory", "share/man", "lib/share/man/x", "man/x", "share/document/x"]
        {
            let what = "a store hash without its path, at byte 0";
            assert_eq!(survey_file(name, hash.as_bytes()), (refused(name, what), 0));
        }
    }

    #[test]
    fn names_and_targets_are_judged() {
        let hash = &GLIBC[..32];
        let name = format!("lib/{hash}.txt");
        let what = "its name holds a store hash";
        assert_eq!(survey_file(&name, b""), (refused(&name, what), 0));
        let link = |target: &str| survey(TestStore::new().link(&format!("{BASH}/lib"), target));
        assert_eq!(link(&format!("/nix/store/{GLIBC}/lib")), (Vec::new(), 1));
        let what = "a store hash without its path, at byte 3";
        assert_eq!(link(&format!("../{GLIBC}/lib")), (refused("lib", what), 0));
    }
}
