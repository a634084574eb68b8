//! What is in the files: every file is read once, in parallel.
//!
//! One pass gives the digest of each file, the NAR hash of each store path and its references.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;

use format::nar::NarHasher;
use format::{Digest, Findings, Hasher, Reference};

use super::digest_name;
use super::pieces::Pieces;
use super::proof::{Rules, Survey, Word};
use super::secret::{SecretScanner, Secrets};
use super::texts::{TextScanner, Texts};
use crate::error::{Error, Result};
use crate::parallel;
use crate::progress::Progress;
use crate::source::node::Kind;
use crate::source::reader::{Part, Reader};
use crate::source::reference::{Depth, Form, Hashes};
use crate::source::store::Store;
use crate::source::tree::Tree;

/// What one store path holds.
pub(crate) struct PathContent {
    pub(crate) nar_hash: Digest,
    pub(crate) nar_len: u64,
    /// The store paths it refers to, itself excepted: rising numbers.
    pub(crate) references: Vec<u32>,
    /// The digest of each of its files, in the tree's order.
    files: Vec<(u32, Digest)>,
    /// Where hashes stand in its files.
    survey: Survey,
    /// The texts that its files hold.
    texts: Texts,
}

#[cfg(test)]
impl PathContent {
    pub(crate) fn for_test(nar_hash: Digest, references: Vec<u32>) -> PathContent {
        PathContent {
            nar_hash,
            nar_len: 0,
            references,
            files: Vec::new(),
            survey: Survey::default(),
            texts: Texts::default(),
        }
    }
}

/// What all store paths of a tree hold.
pub(crate) struct Content {
    pub(crate) paths: Vec<PathContent>,
    /// For each node the number of the first file with the same bytes and executable bit; its own for
    /// all others.
    first: Vec<u32>,
    /// For each file a number from its content.
    ranks: HashMap<u32, u64>,
}

impl Content {
    /// Reads all files of a tree.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or changes meanwhile, or a secret is found.
    pub(crate) fn read(
        store: &Store,
        tree: &Tree,
        hashes: &Hashes,
        word: &Word,
        secrets: &Secrets,
        threads: NonZeroUsize,
        progress: &Progress,
    ) -> Result<Content> {
        let rules =
            Rules { hashes, pieces: Pieces::new(hashes), named: digest_name::find(tree), word };
        // The largest first, so that no thread is left alone with it at the end.
        let mut order: Vec<usize> = (0..tree.paths.len()).collect();
        order.sort_by_key(|path| std::cmp::Reverse(tree.path_len(*path)));
        let mut paths: Vec<Option<PathContent>> = order.iter().map(|_| None).collect();
        let mut turns = order.iter();
        parallel::in_order(
            threads,
            order.len(),
            |turn| read_path(store, tree, order[turn], &rules, secrets, progress),
            |content| {
                if let Some(path) = turns.next() {
                    paths[*path] = Some(content);
                }
                Ok(())
            },
        )?;
        let paths: Vec<PathContent> = paths.into_iter().flatten().collect();
        let first = first(tree, &paths);
        let files = paths.iter().flat_map(|path| &path.files);
        let ranks = files.map(|(number, digest)| (*number, rank(digest))).collect();
        Ok(Content { paths, first, ranks })
    }

    /// Where the references of a node can be rewritten.
    pub(crate) fn references(&self, tree: &Tree, node: u32) -> &[Reference] {
        let survey = &self.paths[tree.path_of(node)].survey;
        survey.references.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Whether a node is a compiled Python module that is valid only with its source as it was.
    pub(crate) fn is_checked_pyc(&self, tree: &Tree, node: u32) -> bool {
        self.paths[tree.path_of(node)].survey.checked_pycs.contains(&node)
    }

    /// What was found of relocation, in words.
    pub(crate) fn findings(&self) -> Findings {
        let all = |list: fn(&Survey) -> &Vec<String>| {
            self.paths.iter().flat_map(|path| list(&path.survey)).cloned().collect()
        };
        Findings {
            obstacles: all(|survey| &survey.obstacles),
            doubts: all(|survey| &survey.doubts),
            vouched: all(|survey| &survey.vouched),
        }
    }

    /// The texts that some file holds.
    pub(crate) fn texts(&self) -> Texts {
        self.paths.iter().fold(Texts::default(), |texts, path| texts.union(path.texts))
    }

    /// The texts that some file holds which store paths need, these included.
    pub(crate) fn texts_from(&self, roots: impl IntoIterator<Item = usize>) -> Texts {
        let mut pending: Vec<usize> = roots.into_iter().collect();
        let mut needed: BTreeSet<usize> = pending.iter().copied().collect();
        let mut texts = Texts::default();
        while let Some(path) = pending.pop() {
            let PathContent { references, texts: found, .. } = &self.paths[path];
            texts = texts.union(*found);
            let references = references.iter().map(|reference| *reference as usize);
            pending.extend(references.filter(|reference| needed.insert(*reference)));
        }
        texts
    }

    /// How many references there are, in how many files and links.
    pub(crate) fn count_references(&self) -> (usize, usize) {
        let lists = || self.paths.iter().flat_map(|path| path.survey.references.values());
        (lists().map(Vec::len).sum(), lists().count())
    }

    /// The first file that is the same as `file`: `file` itself unless it is a duplicate.
    ///
    /// Empty files are never duplicates: nothing is saved, and a file system bounds the links of one file.
    pub(crate) fn first(&self, file: u32) -> u32 {
        self.first[file as usize]
    }

    /// A number that files with different contents mostly have different; 0 for what is no file.
    pub(crate) fn rank(&self, node: u32) -> u64 {
        self.ranks.get(&node).copied().unwrap_or(0)
    }
}

fn read_path(
    store: &Store,
    tree: &Tree,
    path: usize,
    rules: &Rules<'_>,
    secrets: &Secrets,
    progress: &Progress,
) -> Result<PathContent> {
    let hashes = rules.hashes;
    let mut nar = NarHasher::begin();
    let mut found = BTreeSet::new();
    let mut files = Vec::new();
    let mut survey = Survey::default();
    let mut texts = TextScanner::default();
    let mut scanner = SecretScanner::new(secrets);
    let mut reader = Reader::new(store, tree, hashes);
    for number in tree.nodes_of(path) {
        let node = tree.node(number);
        nar.node(number, node.parent, &node.name, node.kind.in_nar());
        let mut hasher = Hasher::new();
        let mut surveyed = survey.node(tree, number, rules);
        hashes.find(&node.name, |_, number| {
            found.insert(number);
        });
        reader.read(number, Depth::Wide, |part| match part {
            Part::Bytes(bytes) => {
                nar.bytes(bytes);
                hasher.update(bytes);
                surveyed.bytes(bytes);
                texts.feed(bytes);
                scanner.feed(bytes);
                progress.advance(bytes.len());
            }
            Part::Hash(hash) => {
                // What Nix does not see is no reference to Nix.
                if hash.form != Form::Wide {
                    found.insert(hash.number);
                }
                surveyed.occurrence(hash);
            }
        })?;
        if let Kind::File { .. } = node.kind {
            nar.end_file();
            texts.end_file();
            files.push((number, hasher.finish()));
        }
        surveyed.end(store)?;
        let target = match &node.kind {
            Kind::Symlink { target } => target,
            _ => &Vec::new(),
        };
        let in_file = scanner.end_file();
        if let Some(secret) =
            in_file.or_else(|| secrets.find(target)).or_else(|| secrets.find(&node.name))
        {
            return Err(Error::secret_found(secret, &tree.location(number)));
        }
    }
    let (nar_hash, nar_len) = nar.finish();
    let references = found.into_iter().filter(|number| *number as usize != path).collect();
    let texts = texts.finish();
    Ok(PathContent { nar_hash, nar_len, references, files, survey, texts })
}

fn first(tree: &Tree, paths: &[PathContent]) -> Vec<u32> {
    let mut first: Vec<u32> = tree.iter().map(|(number, _)| number).collect();
    let mut known: HashMap<(Digest, bool), u32> = HashMap::new();
    for (number, digest) in paths.iter().flat_map(|path| &path.files) {
        if let Kind::File { executable, len: 1.. } = tree.node(*number).kind {
            first[*number as usize] = *known.entry((*digest, executable)).or_insert(*number);
        }
    }
    first
}

fn rank(digest: &Digest) -> u64 {
    digest.0.first_chunk().map_or(0, |start| u64::from_le_bytes(*start))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::source::exclude::Exclude;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV, TestStore};

    /// Reads all of a store, which has no secret.
    pub(crate) fn read(store: &Store) -> (Tree, Content) {
        let tree = Tree::read(store, &store.paths().unwrap(), &Exclude::default()).unwrap();
        let hashes = Hashes::of_paths(&tree.paths);
        let threads = NonZeroUsize::new(3).unwrap();
        let content = Content::read(
            store,
            &tree,
            &hashes,
            &Word::default(),
            &Secrets::default(),
            threads,
            &Progress::hidden(),
        )
        .unwrap();
        (tree, content)
    }

    #[test]
    fn references_are_in_contents_names_and_targets() {
        let store = TestStore::new();
        store.file(&format!("{GLIBC}/a"), GLIBC).file(&format!("{BASH}/{GLIBC}"), "");
        store.file(&format!("{MARKOV}/bin/x"), format!("#!/nix/store/{BASH}/bin/sh\n"));
        store.link(&format!("{MARKOV}/lib"), &format!("/nix/store/{GLIBC}/lib"));
        let (_, content) = read(&store.open());
        let references: Vec<&[u32]> =
            content.paths.iter().map(|path| path.references.as_slice()).collect();
        assert_eq!(references, [&[][..], &[0], &[0, 1]]);
    }

    #[test]
    fn same_bytes_and_bit_are_one() {
        let store = TestStore::new();
        store.file(&format!("{GLIBC}/a"), "same").file(&format!("{GLIBC}/b"), "same");
        store.file(&format!("{GLIBC}/c"), "").file(&format!("{GLIBC}/d"), "");
        store.program(&format!("{GLIBC}/e"), "same").file(BASH, "same");
        let (_, content) = read(&store.open());
        let first: Vec<u32> = (0..7).map(|number| content.first(number)).collect();
        assert_eq!(first, [0, 1, 1, 3, 4, 5, 1]);
    }
}
