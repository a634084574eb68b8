//! `--strip`: finds the files that have debug information, and replaces them.

mod elf;

use std::io::Read as _;
use std::num::NonZeroUsize;

use format::LeftOut;
use object::read::ReadCache;

use super::node::Kind;
use super::store::Store;
use super::stripped::StrippedFiles;
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::parallel;

/// The name of what `--strip` does, beside those of the rules of `--slim`.
const RULE: &str = "strip";

/// Strips the files of a tree; the store has their new contents from now on. Returns what that saves.
///
/// # Errors
///
/// If a file cannot be read, or there is no room for temporary files.
pub(crate) fn strip(
    store: &mut Store,
    tree: &mut Tree,
    threads: NonZeroUsize,
) -> Result<Option<LeftOut>> {
    let is_file = |number: &u32| matches!(tree.node(*number).kind, Kind::File { len: 1.., .. });
    let files: Vec<u32> = tree.iter().map(|(number, _)| number).filter(is_file).collect();
    let mut stripped = StrippedFiles::default();
    let mut left_out = LeftOut { rule: RULE.to_owned(), files: 0, bytes: 0 };
    let mut changed: Vec<(u32, u64)> = Vec::new();
    let mut turns = files.iter();
    parallel::in_order(
        threads,
        files.len(),
        |turn| stripped_file(store, tree, files[turn]),
        |content| {
            if let (Some(number), Some(content)) = (turns.next(), content) {
                stripped.add(tree.location(*number), &content)?;
                changed.push((*number, content.len() as u64));
            }
            Ok(())
        },
    )?;
    for (number, new) in changed {
        let path = tree.path_of(number);
        tree.partial[path] = true;
        if let Kind::File { len, .. } = &mut tree.nodes[number as usize].kind {
            left_out.bytes += len.saturating_sub(new);
            left_out.files += 1;
            *len = new;
        }
    }
    store.set_stripped(stripped);
    Ok((left_out.files > 0).then_some(left_out))
}

/// Reads and strips one file; `None` if it stays as it is.
fn stripped_file(store: &Store, tree: &Tree, number: u32) -> Result<Option<Vec<u8>>> {
    let location = tree.location(number);
    let failed = |error| Error::in_store("read", &location, error);
    let mut file = store.open_file(&location).map_err(failed)?;
    let mut magic = [0; 4];
    let count = file.read_at(&mut magic, 0).map_err(failed)?;
    if magic[..count] != object::elf::ELFMAG || is_sealed(tree, number) {
        return Ok(None);
    }
    if !elf::has_debug(&ReadCache::new(&mut file)) {
        return Ok(None);
    }
    let mut content = Vec::new();
    let mut file = store.open_file(&location).map_err(failed)?;
    file.read_to_end(&mut content).map_err(failed)?;
    Ok(elf::strip(&content))
}

/// Whether a digest of the file is beside it, as libraries have that check themselves: NSS's .chk, and .hmac.
fn is_sealed(tree: &Tree, number: u32) -> bool {
    let node = tree.node(number);
    let Some(parent) = node.parent else { return false };
    let stem = node.name.strip_suffix(b".so").unwrap_or(&node.name);
    let seals = [[stem, b".chk"].concat(), [&node.name[..], b".hmac"].concat()];
    let hidden = [b".", &node.name[..], b".hmac"].concat();
    tree.children(parent).any(|child| {
        let name = &tree.node(child).name;
        seals.contains(name) || *name == hidden
    })
}
