//! Decides for which processor type a bundle is.

use super::entry::{self, Program};
use crate::elf::Machine;
use crate::error::{Error, Result};
use crate::source::node::{Kind, Node};
use crate::source::store::Store;
use crate::source::tree::Tree;
use runtime::error::Escaped;

/// Directories for programs, as the Filesystem Hierarchy Standard and GNU name them. Elsewhere there may be what is only
/// kept: tests of a tool for binaries, or libraries that a cross compiler links.
const DIRECTORIES: [&[u8]; 3] = [b"bin", b"sbin", b"libexec"];

/// Returns the processor type of the entries: `wanted`, or the one that all programs of the closure are for.
///
/// # Errors
///
/// If an entry is not for `wanted`; without it, if two programs of the closure are for different processor types.
pub(crate) fn choose(
    store: &Store,
    tree: &Tree,
    programs: &[Program],
    wanted: Option<Machine>,
) -> Result<Machine> {
    let entries =
        programs.iter().filter_map(|program| Some((program.full_path(), program.machine?)));
    let shown = |path: &[u8]| Escaped(path).to_string();
    if let Some(machine) = wanted {
        return match entries.into_iter().find(|(_, found)| *found != machine) {
            Some((path, found)) => Err(Error::OtherMachine { path: shown(&path), found, machine }),
            None => Ok(machine),
        };
    }
    let mut first: Option<(Vec<u8>, Machine)> = None;
    for program in entries.map(Ok).chain(in_directories(store, tree)) {
        let (path, found) = program?;
        match &first {
            None => first = Some((path, found)),
            Some((other, machine)) if !machine.runs(found) => {
                let (path, other, machine) = (shown(&path), shown(other), *machine);
                return Err(Error::MixedMachines { path, found, other, machine });
            }
            Some(_) => {}
        }
    }
    Ok(first.map_or_else(Machine::own, |(_, machine)| machine))
}

/// The ELF programs of the closure in directories for programs.
fn in_directories(store: &Store, tree: &Tree) -> impl Iterator<Item = Result<(Vec<u8>, Machine)>> {
    let is_program =
        |(_, node): &(u32, &Node)| matches!(node.kind, Kind::File { executable: true, .. });
    let read = |(number, _)| {
        let location = tree.location(number);
        let mut above = location.split(|byte| *byte == b'/').rev().skip(1);
        if !above.any(|name| DIRECTORIES.contains(&name)) {
            return None;
        }
        let machine = match entry::head(store, tree, number) {
            Ok(head) => Machine::of_program(&head)?,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(([b"/nix/store/", location.as_slice()].concat(), machine)))
    };
    tree.iter().filter(is_program).filter_map(read)
}

#[cfg(test)]
mod tests {
    use format::StorePath;

    use super::*;
    use crate::source::exclude::Exclude;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV, TestStore};

    /// Chooses for a closure with these programs; the first is the entry.
    fn chosen(programs: &[(&str, u8)], wanted: Option<Machine>) -> Result<Machine> {
        let example = TestStore::new();
        for (path, machine) in programs {
            example.program(path, entry::tests::elf(*machine));
        }
        let store = example.open();
        let tree = Tree::read(&store, &store.paths()?, &Exclude::default())?;
        let (root, below) = programs[0].0.split_once('/').unwrap();
        let root = StorePath::parse(root.as_bytes()).unwrap();
        let programs = entry::choose(&store, &tree, &[root], &[below.into()])?;
        choose(&store, &tree, &programs, wanted)
    }

    fn text(error: &Error) -> String {
        format!("{error}\n{}", error.hint())
    }

    const I386: u8 = 3;
    const X86_64: u8 = 62;
    const AARCH64: u8 = 183;
    const RISCV64: u8 = 243;

    #[test]
    fn entry_decides() {
        for (machine, expected) in
            [(X86_64, Machine::X86_64), (AARCH64, Machine::Aarch64), (RISCV64, Machine::Riscv64)]
        {
            let markov = format!("{MARKOV}/bin/markov");
            assert_eq!(chosen(&[(&markov, machine)], None).unwrap(), expected);
            assert_eq!(chosen(&[(&markov, machine)], Some(expected)).unwrap(), expected);
        }
    }

    #[test]
    fn mixed_closures_are_refused_with_both_programs() {
        let markov = format!("{MARKOV}/bin/markov");
        for place in ["bin/bash", "sbin/bash", "libexec/tools/bash"] {
            let bash = format!("{BASH}/{place}");
            let programs = [(markov.as_str(), X86_64), (bash.as_str(), AARCH64)];
            let error = chosen(&programs, None).unwrap_err();
            let expected = format!(
                "/nix/store/{BASH}/{place} is for aarch64, but /nix/store/{markov} is for x86_64\n\
                pack a closure for each processor type; if the first is not run, only kept, give --system x86_64-linux"
            );
            assert_eq!(text(&error), expected);
            assert_eq!(chosen(&programs, Some(Machine::X86_64)).unwrap(), Machine::X86_64);
            let error = chosen(&programs, Some(Machine::Aarch64)).unwrap_err();
            assert!(text(&error).contains("markov is for x86_64, but the bundle is for aarch64"));
        }
    }

    #[test]
    fn what_is_only_kept_decides_nothing() {
        let markov = format!("{MARKOV}/bin/markov");
        let library = format!("{GLIBC}/lib/libc.so.6");
        let kept = [(markov.as_str(), X86_64), (library.as_str(), AARCH64)];
        assert_eq!(chosen(&kept, None).unwrap(), Machine::X86_64);
        let older = format!("{BASH}/bin/bash");
        let older = [(markov.as_str(), X86_64), (older.as_str(), I386)];
        assert_eq!(chosen(&older, None).unwrap(), Machine::X86_64);
    }
}
