//! Reads the files, directories and symbolic links of store paths, in the order of the bundle's index.

use std::os::fd::OwnedFd;

use format::{StorePath, limits};
use rustix::fs::{AtFlags, Dir, FileType, readlinkat, statat};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::source::exclude::Exclude;
use crate::source::node::{Kind, Node};
use crate::source::store::Store;
use runtime::error::Escaped;

/// The nodes of all store paths: depth first, siblings sorted by name, as in a NAR and in the index.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The store paths, sorted by base name.
    pub(crate) paths: Vec<StorePath>,
    /// For each store path, the number of its root node.
    pub(crate) roots: Vec<u32>,
    /// For each store path, whether files of it were left out or changed: it is not the one that Nix knows.
    pub(crate) partial: Vec<bool>,
    pub(crate) nodes: Vec<Node>,
}

impl Tree {
    /// Reads the nodes of `paths` except those that `exclude` matches; `paths` must be sorted.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or is a special file, or a limit of the format is exceeded.
    pub(crate) fn read(store: &Store, paths: &[StorePath], exclude: &Exclude) -> Result<Tree> {
        let mut tree = Tree::default();
        for path in paths {
            let base_name = path.to_string().into_bytes();
            if exclude.matches(&base_name) {
                continue;
            }
            tree.paths.push(path.clone());
            tree.roots.push(number(tree.nodes.len())?);
            tree.partial.push(false);
            let kind = match store.fetched(&base_name) {
                Some((nar, _)) => nar.root().clone(),
                None => {
                    let failed = |error| Error::io("open", store.dir(), error);
                    kind(&store.open_dir(b".").map_err(failed)?, &base_name, &base_name)?
                }
            };
            tree.add(None, Vec::new(), kind)?;
            tree.walk(store, base_name, exclude)?;
        }
        Ok(tree)
    }

    /// Reads the nodes below the last node, which is at `path` below the store.
    ///
    /// It uses a loop instead of recursion, and keeps names instead of open directories. So neither the call stack
    /// nor the limit on open files limits the depth.
    fn walk(&mut self, store: &Store, mut path: Vec<u8>, exclude: &Exclude) -> Result<()> {
        /// A directory that is being read.
        struct Open {
            number: u32,
            path_len: usize,
            rest: std::vec::IntoIter<(Vec<u8>, Kind)>,
        }
        let mut is_partial = false;
        let mut start = |number, path: &[u8]| -> Result<Open> {
            let (rest, is_whole) = children(store, path, exclude)?;
            is_partial |= !is_whole;
            Ok(Open { number, path_len: path.len(), rest: rest.into_iter() })
        };
        let mut open = Vec::new();
        if let Some(Node { kind: Kind::Directory, .. }) = self.nodes.last() {
            open.push(start(number(self.nodes.len() - 1)?, &path)?);
        }
        while let Some(directory) = open.last_mut() {
            path.truncate(directory.path_len);
            let Some((name, kind)) = directory.rest.next() else {
                self.nodes[directory.number as usize].end = number(self.nodes.len())?;
                open.pop();
                continue;
            };
            path.push(b'/');
            path.extend_from_slice(&name);
            let descend = kind == Kind::Directory;
            let number = self.add(Some(directory.number), name, kind)?;
            if descend {
                if open.len() >= limits::DEPTH {
                    return Err(Error::TooDeep { path: Escaped(&path).to_string() });
                }
                open.push(start(number, &path)?);
            }
        }
        if let Some(last) = self.partial.last_mut() {
            *last = is_partial;
        }
        Ok(())
    }

    /// The tree without these nodes, whose store paths are then partial. With a directory goes all that is below it; a
    /// store path itself stays.
    pub(crate) fn without(self, is_left_out: impl Fn(u32) -> bool) -> Tree {
        let mut tree = Tree { paths: self.paths, partial: self.partial, ..Tree::default() };
        // For each node its new number; `None` if it is left out.
        let mut numbers: Vec<Option<u32>> = Vec::with_capacity(self.nodes.len());
        let mut next = 0;
        let mut ends = Vec::new();
        for (old, node) in (0..).zip(self.nodes) {
            let parent = node.parent.map(|parent| numbers[parent as usize]);
            let stays = match parent {
                None => true,
                Some(parent) => parent.is_some() && !is_left_out(old),
            };
            numbers.push(stays.then_some(next));
            if !stays {
                if let Some(partial) = tree.partial.get_mut(tree.roots.len().saturating_sub(1)) {
                    *partial = true;
                }
                continue;
            }
            next += 1;
            if node.parent.is_none() {
                tree.roots.push(next - 1);
            }
            ends.push(node.end);
            tree.nodes.push(Node { parent: parent.flatten(), ..node });
        }
        // A node ends where the next that stays begins.
        let mut following = vec![next; numbers.len() + 1];
        for (old, number) in numbers.iter().enumerate().rev() {
            following[old] = number.unwrap_or(following[old + 1]);
        }
        for (node, end) in tree.nodes.iter_mut().zip(ends) {
            node.end = following[end as usize];
        }
        tree
    }

    fn add(&mut self, parent: Option<u32>, name: Vec<u8>, kind: Kind) -> Result<u32> {
        let number = number(self.nodes.len())?;
        self.nodes.push(Node { parent, name, kind, end: number + 1 });
        Ok(number)
    }

    /// The node with this number.
    pub(crate) fn node(&self, number: u32) -> &Node {
        &self.nodes[number as usize]
    }

    /// The nodes with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Node)> {
        (0..).zip(&self.nodes)
    }

    /// The number of the store path that contains a node.
    pub(crate) fn path_of(&self, number: u32) -> usize {
        self.roots.partition_point(|root| *root <= number) - 1
    }

    /// The path of a node below the store, such as `<hash>-<name>/bin/sh`.
    pub(crate) fn location(&self, number: u32) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = self.node(number);
        while let Some(parent) = at.parent {
            names.push(at.name.as_slice());
            at = self.node(parent);
        }
        let base_name = self.paths[self.path_of(number)].to_string();
        names.push(base_name.as_bytes());
        names.reverse();
        names.join(&b'/')
    }

    /// The nodes directly in a directory.
    pub(crate) fn children(&self, directory: u32) -> impl Iterator<Item = u32> {
        let end = self.node(directory).end;
        let mut next = directory + 1;
        std::iter::from_fn(move || {
            let child = (next < end).then_some(next)?;
            next = self.node(child).end;
            Some(child)
        })
    }

    /// The nodes of a store path.
    pub(crate) fn nodes_of(&self, path: usize) -> std::ops::Range<u32> {
        self.roots[path]..self.node(self.roots[path]).end
    }

    /// The number of the store path with this base name.
    pub(crate) fn find(&self, base_name: &[u8]) -> Option<usize> {
        let path = StorePath::parse(base_name).ok()?;
        self.number_of(&path)
    }

    /// The number of a store path.
    pub(crate) fn number_of(&self, path: &StorePath) -> Option<usize> {
        self.paths.iter().position(|other| other == path)
    }

    /// Bytes of all files.
    pub(crate) fn len(&self) -> u64 {
        (0..self.paths.len()).map(|path| self.path_len(path)).sum()
    }

    /// Bytes of a store path's files.
    pub(crate) fn path_len(&self, path: usize) -> u64 {
        let len = |number| match self.node(number).kind {
            Kind::File { len, .. } => len,
            _ => 0,
        };
        self.nodes_of(path).map(len).sum()
    }

    /// The number of files.
    pub(crate) fn file_count(&self) -> usize {
        self.nodes.iter().filter(|node| node.kind != Kind::Directory).count()
    }
}

/// Checks a number of nodes against the format's limit.
fn number(number: usize) -> Result<u32> {
    u32::try_from(number)
        .ok()
        .filter(|number| *number < limits::NODES)
        .ok_or(Error::TooMany { what: "files", limit: limits::NODES.into() })
}

/// The files of a directory, sorted by name, with their kinds.
type Children = Vec<(Vec<u8>, Kind)>;

/// Reads a directory; returns with its files whether these are all.
fn children(store: &Store, path: &[u8], exclude: &Exclude) -> Result<(Children, bool)> {
    let failed = |error| Error::in_store("read", path, error);
    if let Some((nar, below)) = store.fetched(path) {
        let mut children = nar.children(below).map_err(failed)?;
        let count = children.len();
        children.retain(|(name, _)| !exclude.matches(&[path, b"/", name].concat()));
        let is_whole = children.len() == count;
        return Ok((children, is_whole));
    }
    let fd = store.open_dir(path).map_err(failed)?;
    let mut children = Vec::new();
    let mut is_whole = true;
    for entry in Dir::read_from(&fd).map_err(|errno| failed(errno.into()))? {
        let entry = entry.map_err(|errno| failed(errno.into()))?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let path = [path, b"/", name].concat();
        if exclude.matches(&path) {
            is_whole = false;
            continue;
        }
        match kind(&fd, name, &path) {
            Err(Error::FileKind { .. }) if exclude.matches_special() => is_whole = false,
            kind => children.push((name.to_vec(), kind?)),
        }
    }
    children.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok((children, is_whole))
}

/// Finds the kind of the file `name`; `path` is for messages.
fn kind(dir: &OwnedFd, name: &[u8], path: &[u8]) -> Result<Kind> {
    let failed = |errno: Errno| Error::in_store("read", path, errno.into());
    let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(Kind::Directory),
        FileType::RegularFile => Ok(Kind::File {
            // Nix also looks only at the owner's permission bit.
            executable: stat.st_mode & 0o100 != 0,
            len: u64::try_from(stat.st_size).map_err(|_| failed(Errno::OVERFLOW))?,
        }),
        FileType::Symlink => {
            let target = readlinkat(dir, name, Vec::new()).map_err(failed)?.into_bytes();
            Ok(Kind::Symlink { target })
        }
        _ => Err(Error::FileKind { path: Escaped(path).to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::source::store::tests::{BASH, GLIBC, TestStore};

    fn read(store: &TestStore, exclude: &[&str]) -> Result<Tree> {
        let store = store.open();
        let exclude: Vec<String> = exclude.iter().map(|&pattern| pattern.to_owned()).collect();
        Tree::read(&store, &store.paths()?, &Exclude::new(&exclude)?)
    }

    fn locations(tree: &Tree) -> Vec<String> {
        tree.iter().map(|(number, _)| Escaped(&tree.location(number)).to_string()).collect()
    }

    #[test]
    fn nodes_come_depth_first_by_name() {
        let store = TestStore::new();
        store.file(&format!("{GLIBC}/lib/libc.so"), "abc").link(&format!("{GLIBC}/lib64"), "lib");
        store.file(&format!("{GLIBC}/lib-x"), "").program(BASH, "#!/bin/sh\n");
        let tree = read(&store, &[]).unwrap();
        let expected = [
            GLIBC.to_owned(),
            format!("{GLIBC}/lib"),
            format!("{GLIBC}/lib/libc.so"),
            format!("{GLIBC}/lib-x"),
            format!("{GLIBC}/lib64"),
            BASH.to_owned(),
        ];
        assert_eq!(locations(&tree), expected);
        assert_eq!(tree.nodes[2].kind, Kind::File { executable: false, len: 3 });
        assert_eq!(tree.nodes[4].kind, Kind::Symlink { target: b"lib".into() });
        assert_eq!(tree.nodes[5].kind, Kind::File { executable: true, len: 10 });
        assert_eq!(tree.roots, [0, 5]);
        assert_eq!(tree.children(0).collect::<Vec<_>>(), [1, 3, 4]);
        assert_eq!((tree.path_of(4), tree.path_of(5)), (0, 1));
        assert_eq!(tree.len(), 13);
    }

    #[test]
    fn excluded_directory_goes_with_all_below() {
        let store = TestStore::new();
        store.file(&format!("{GLIBC}/share/man/man1/ls.1"), "").file(BASH, "");
        let tree = read(&store, &["share/man"]).unwrap();
        assert_eq!(locations(&tree).len(), 3);
        assert_eq!(tree.partial, [true, false]);
        assert_eq!(read(&store, &["share/info"]).unwrap().partial, [false, false]);
        assert_eq!(read(&store, &["/nix/store/*-glibc"]).unwrap().paths.len(), 1);
    }

    #[test]
    fn a_tree_without_nodes_is_as_if_they_were_excluded() {
        let store = TestStore::new();
        store.file(&format!("{GLIBC}/a"), "1").file(&format!("{GLIBC}/share/man/man1/ls.1"), "2");
        store.file(&format!("{GLIBC}/share/x"), "3").file(&format!("{BASH}/z"), "4");
        for exclude in [&["share/man"][..], &["a", "share"], &["share/x", "z"], &[]] {
            let expected = read(&store, exclude).unwrap();
            let whole = read(&store, &[]).unwrap();
            let all = locations(&whole);
            let is_left_out = |number: u32| {
                let location = &all[number as usize];
                location.split_once('/').is_some_and(|(_, below)| exclude.contains(&below))
            };
            let tree = whole.without(is_left_out);
            assert_eq!(format!("{tree:?}"), format!("{expected:?}"), "{exclude:?}");
        }
    }

    #[test]
    fn names_are_bytes_and_paths_have_any_length() {
        use std::os::unix::ffi::OsStrExt as _;
        let store = TestStore::new();
        let dir = store.dir().join(GLIBC);
        fs::create_dir(&dir).unwrap();
        for name in [b"\xff\xfe".as_slice(), b"a\nb", &[b'x'; 255]] {
            fs::write(dir.join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
        }
        let mut fd = rustix::fs::open(&dir, rustix::fs::OFlags::PATH, 0.into()).unwrap();
        let name = "d".repeat(200);
        for _ in 0..50 {
            rustix::fs::mkdirat(&fd, &name, 0o755.into()).unwrap();
            fd = rustix::fs::openat(&fd, &name, rustix::fs::OFlags::PATH, 0.into()).unwrap();
        }
        rustix::fs::symlinkat("nowhere", &fd, "link").unwrap();
        let tree = read(&store, &[]).unwrap();
        assert_eq!(tree.nodes.len(), 1 + 3 + 50 + 1);
        let names: Vec<&[u8]> = tree.children(0).map(|n| tree.node(n).name.as_slice()).collect();
        assert_eq!(names, [b"a\nb", name.as_bytes(), &[b'x'; 255], b"\xff\xfe"]);
        let deepest = (0..).zip(&tree.nodes).find(|(_, node)| node.name == b"link").unwrap().0;
        assert_eq!(tree.location(deepest).len(), GLIBC.len() + 50 * 201 + 5);
    }

    #[test]
    fn other_kinds_are_refused() {
        let store = TestStore::new();
        fs::create_dir(store.dir().join(GLIBC)).unwrap();
        let path = store.dir().join(GLIBC).join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        assert!(matches!(read(&store, &[]), Err(Error::FileKind { .. })));
    }
}
