//! Chooses the entries of a bundle and checks that they can run.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;

use format::{STORE_DIR, StorePath, entry_name};

use crate::elf::Machine;
use crate::error::{Error, Result};
use crate::source::node::Kind;
use crate::source::resolve::{Unresolved, resolve};
use crate::source::store::Store;
use crate::source::tree::Tree;
use runtime::error::Escaped;

/// Bytes to read from a program: as many as the kernel reads (`BINPRM_BUF_SIZE`).
const HEAD_LEN: u64 = 256;

/// The limit on scripts whose interpreter is a script again, as in the kernel (`exec_binprm`).
const INTERPRETERS: usize = 5;

/// The largest number of names in a hint.
const SUGGESTIONS: usize = 12;

/// A program of the closure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// The store path that contains it.
    pub(crate) path: StorePath,
    /// The path below the store path, such as `/bin/markov`; empty if the store path itself is the program.
    pub(crate) program: Vec<u8>,
    /// Its processor type; `None` before it was checked, and for a script whose interpreter is not in the closure.
    pub(crate) machine: Option<Machine>,
}

impl Program {
    /// The argv\[0\] that chooses this program; also the default name of the bundle if it is the first.
    pub(crate) fn name(&self) -> &[u8] {
        entry_name(&self.path, &self.program)
    }

    /// The absolute path.
    pub(crate) fn full_path(&self) -> Vec<u8> {
        [format!("{STORE_DIR}/{}", self.path).as_bytes(), &self.program].concat()
    }
}

/// Finds the programs that `--entry` names; without `--entry`, the only program in `bin/` of the roots.
///
/// # Errors
///
/// If a program is missing or is none. The hint lists the available programs.
pub(crate) fn choose(
    store: &Store,
    tree: &Tree,
    roots: &[StorePath],
    arguments: &[OsString],
) -> Result<Vec<Program>> {
    let mut programs = if arguments.is_empty() {
        match &mut programs(tree, roots)[..] {
            [only] => vec![only.clone()],
            [] => {
                let full_path = |root: &StorePath| format!("{STORE_DIR}/{root}");
                return Err(Error::NoProgram { roots: list(roots.iter().map(full_path)) });
            }
            several => {
                return Err(Error::SeveralPrograms { programs: names(several.iter()) });
            }
        }
    } else {
        let find = |argument: &OsString| find(tree, roots, argument.as_bytes());
        arguments.iter().map(find).collect::<Result<_>>()?
    };
    let mut taken = BTreeSet::new();
    for program in &mut programs {
        if !taken.insert(program.name().to_vec()) {
            return Err(Error::SameName { name: Escaped(program.name()).to_string() });
        }
        program.machine = check(store, tree, program)?;
    }
    Ok(programs)
}

/// Finds the program that one `--entry` names: a path below a root, or an absolute path in the closure.
fn find(tree: &Tree, roots: &[StorePath], argument: &[u8]) -> Result<Program> {
    let mut components: Vec<&[u8]> = argument
        .split(|byte| *byte == b'/')
        .filter(|component| !matches!(*component, b"" | b"."))
        .collect();
    if components.contains(&b"..".as_slice()) {
        return Err(Error::EntryParent { entry: Escaped(argument).to_string() });
    }
    let is_full_path = argument.starts_with(b"/")
        && components.first_chunk() == Some(&[b"nix".as_slice(), b"store"])
        && components.len() > 2;
    let below = |components: &[&[u8]]| -> Vec<u8> {
        components.iter().flat_map(|component| [b"/", *component]).flatten().copied().collect()
    };
    let candidates: Vec<Program> = if is_full_path {
        let rest = components.split_off(3);
        let path = StorePath::parse(components[2]).ok();
        let program = |path| Program { path, program: below(&rest), machine: None };
        path.filter(|path| tree.number_of(path).is_some()).map(program).into_iter().collect()
    } else {
        let program = |path: &StorePath| Program {
            path: path.clone(),
            program: below(&components),
            machine: None,
        };
        roots.iter().map(program).collect()
    };
    for program in candidates {
        match resolve(tree, &program.full_path()) {
            Ok(_) => return Ok(program),
            Err(Unresolved::Missing) => {}
            Err(reason) => return Err(unresolved(&program.full_path(), reason)),
        }
    }
    let mut available = programs(tree, roots);
    let wanted = Escaped(components.last().copied().unwrap_or(argument)).to_string();
    available.sort_by_cached_key(|program| {
        let name = Escaped(program.name()).to_string();
        (strsim::damerau_levenshtein(&wanted, &name), name)
    });
    Err(Error::NoEntry { entry: Escaped(argument).to_string(), programs: names(available.iter()) })
}

/// Returns the programs in `bin/` of the roots; a root that is an executable file is a program itself.
///
/// Names that begin with a dot are left out: wrapper scripts call those, users do not.
fn programs(tree: &Tree, roots: &[StorePath]) -> Vec<Program> {
    let mut programs = Vec::new();
    for path in roots {
        let Some(number) = tree.number_of(path) else { continue };
        let mut add = |below: Vec<u8>| {
            let program = Program { path: path.clone(), program: below, machine: None };
            let found = resolve(tree, &program.full_path()).map(|file| &tree.node(file).kind);
            if matches!(found, Ok(Kind::File { executable: true, .. })) {
                programs.push(program);
            }
        };
        if tree.node(tree.roots[number]).kind != Kind::Directory {
            add(Vec::new());
            continue;
        }
        let bin = resolve(tree, format!("{STORE_DIR}/{path}/bin").as_bytes());
        if let Ok(bin) = bin
            && tree.node(bin).kind == Kind::Directory
        {
            for child in tree.children(bin) {
                let name = &tree.node(child).name;
                if !name.starts_with(b".") {
                    add([b"/bin/", name.as_slice()].concat());
                }
            }
        }
    }
    programs
}

/// Checks that a kernel can run the program, or the interpreter of the script; returns the processor type.
fn check(store: &Store, tree: &Tree, program: &Program) -> Result<Option<Machine>> {
    let mut path = program.full_path();
    for _ in 0..INTERPRETERS {
        let file = resolve(tree, &path).map_err(|reason| unresolved(&path, reason))?;
        let shown = || Escaped(&path).to_string();
        if !matches!(tree.node(file).kind, Kind::File { executable: true, .. }) {
            return Err(Error::NotExecutable { path: shown() });
        }
        let head = head(store, tree, file)?;
        if let Some(line) = head.strip_prefix(b"#!") {
            match interpreter(line) {
                Some(interpreter) if interpreter.starts_with(STORE_DIR.as_bytes()) => {
                    path = interpreter.to_vec();
                }
                Some(_) => return Ok(None),
                None => return Err(Error::NotProgram { path: shown() }),
            }
        } else {
            return match Machine::of_program(&head) {
                None => Err(Error::NotProgram { path: shown() }),
                machine => Ok(machine),
            };
        }
    }
    Err(Error::NotProgram { path: Escaped(&program.full_path()).to_string() })
}

/// Reads the first bytes of a program.
///
/// # Errors
///
/// If the file cannot be read.
pub(super) fn head(store: &Store, tree: &Tree, file: u32) -> Result<Vec<u8>> {
    let location = tree.location(file);
    let mut head = Vec::new();
    store
        .open_file(&location)
        .and_then(|file| file.take(HEAD_LEN).read_to_end(&mut head))
        .map_err(|error| Error::in_store("read", &location, error))?;
    Ok(head)
}

/// Returns the interpreter from the first line of a script, without its `#!`.
fn interpreter(line: &[u8]) -> Option<&[u8]> {
    let line = line.split(|byte| *byte == b'\n').next()?;
    line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty())
}

fn unresolved(path: &[u8], reason: Unresolved) -> Error {
    let shown = Escaped(path).to_string();
    match reason {
        Unresolved::Loop => Error::LinkLoop { path: shown },
        Unresolved::Outside(target) if target != path => {
            Error::OutsideClosure { path: shown, target: Escaped(&target).to_string() }
        }
        Unresolved::Missing | Unresolved::Outside(_) => Error::NoSuchFile { path: shown },
    }
}

fn names<'a>(programs: impl ExactSizeIterator<Item = &'a Program>) -> String {
    list(programs.map(|program| match program.program.as_slice() {
        b"" => format!("{STORE_DIR}/{}", program.path),
        below => Escaped(below).to_string(),
    }))
}

fn list(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(SUGGESTIONS);
    let mut list = names.take(SUGGESTIONS).collect::<Vec<_>>().join(", ");
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    list
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::source::exclude::Exclude;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV, TestStore};

    /// Makes the first bytes of a program for this `e_machine`: 62 is x86_64, 183 is aarch64.
    pub(crate) fn elf(machine: u8) -> Vec<u8> {
        let mut head = b"\x7fELF\x02\x01\x01".to_vec();
        head.resize(64, 0);
        (head[16], head[18]) = (2, machine);
        head
    }

    fn example() -> TestStore {
        let store = TestStore::new();
        store.program(&format!("{BASH}/bin/bash"), elf(62));
        store.link(&format!("{BASH}/bin/sh"), "bash").file(&format!("{BASH}/bin/bashbug"), "");
        store.program(&format!("{BASH}/bin/arm"), elf(183)).program(&format!("{BASH}/x"), "text");
        store.link(&format!("{BASH}/out"), "/bin/sh");
        let script = format!("#! /nix/store/{BASH}/bin/sh -e\n");
        store.program(&format!("{MARKOV}/bin/markov"), script);
        store.program(&format!("{MARKOV}/bin/.markov-wrapped"), elf(62));
        store.program(&format!("{MARKOV}/lost"), format!("#!/nix/store/{MARKOV}/bin/none"));
        store.program(&format!("{MARKOV}/env"), "#!/usr/bin/env python\n");
        store.program(&format!("{MARKOV}/self"), format!("#!/nix/store/{MARKOV}/self\n"));
        store.program(GLIBC, elf(62));
        store
    }

    fn entries(roots: &[&str], arguments: &[&str]) -> Result<Vec<String>> {
        let example = example();
        let store = example.open();
        let tree = Tree::read(&store, &store.paths()?, &Exclude::default())?;
        let roots: Vec<StorePath> =
            roots.iter().map(|root| StorePath::parse(root.as_bytes()).unwrap()).collect();
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let programs = choose(&store, &tree, &roots, &arguments)?;
        Ok(programs.iter().map(|program| Escaped(&program.program).to_string()).collect())
    }

    #[test]
    fn good_entries() {
        for (roots, arguments, expected) in [
            (vec![MARKOV], vec![], vec!["/bin/markov"]),
            (vec![MARKOV], vec!["/bin/markov"], vec!["/bin/markov"]),
            (vec![MARKOV], vec!["bin//./markov"], vec!["/bin/markov"]),
            (vec![MARKOV, BASH], vec!["/bin/sh", "/bin/markov"], vec!["/bin/sh", "/bin/markov"]),
            (vec![MARKOV], vec!["/env"], vec!["/env"]),
            (vec![GLIBC], vec![], vec![""]),
        ] {
            assert_eq!(entries(&roots, &arguments).unwrap(), expected, "{arguments:?}");
        }
        let whole = format!("/nix/store/{BASH}/bin/sh");
        assert_eq!(entries(&[MARKOV], &[&whole]).unwrap(), ["/bin/sh"]);
    }

    #[test]
    fn bad_entries_are_explained() {
        for (roots, arguments, expected) in [
            (vec![BASH], vec![], "arm, /bin/bash, /bin/sh"),
            (vec![MARKOV], vec!["/bin/markow"], "no program /bin/markow"),
            (vec![MARKOV], vec!["/bin/../env"], ".."),
            (vec![BASH], vec!["/bin/bashbug"], "not an executable"),
            (vec![BASH], vec!["/bin"], "not an executable"),
            (vec![BASH], vec!["/x"], "neither"),
            (vec![BASH], vec!["/out"], "/bin/sh"),
            (vec![BASH], vec!["/bin/sh", "/bin/sh"], "sh"),
            (vec![MARKOV], vec!["/lost"], "bin/none"),
            (vec![MARKOV], vec!["/self"], "neither"),
        ] {
            let error = entries(&roots, &arguments).unwrap_err();
            let text = format!("{error}\n{}", error.hint());
            assert!(text.contains(expected), "{arguments:?}: {text}");
        }
    }

    #[test]
    fn nearest_program_is_named_first() {
        let hint = entries(&[BASH], &["/bin/bas"]).unwrap_err().hint();
        assert!(hint.contains("/bin/bash, "), "{hint}");
    }
}
