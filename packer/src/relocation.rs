//! The proof that references can be rewritten: every place where a hash stands, and whether that is one.

mod member;

use std::collections::BTreeMap;

use format::Reference;

use crate::error::Result;
use crate::reference::{Form, Hashes, Occurrence, PREFIX};
use crate::show::Show;
use crate::store::Store;
use crate::tree::Tree;

/// Directories of a store path whose files nobody executes: a reference that stays there does no harm.
const DOCUMENTATION: [&[u8]; 3] = [b"share/man/", b"share/doc/", b"share/info/"];

/// Where the hashes in a store path's files stand.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The references that can be rewritten, by node.
    pub(crate) references: BTreeMap<u32, Vec<Reference>>,
    /// What cannot, in words.
    pub(crate) obstacles: Vec<String>,
}

/// A file, link or directory that is surveyed.
pub(crate) struct Surveyed<'a> {
    survey: &'a mut Survey,
    node: u32,
    /// The path below the store: `<hash>-<name>/…`.
    location: Vec<u8>,
    /// The first bytes of the content, which tell if it is compressed.
    head: Vec<u8>,
}

impl Survey {
    /// Starts with a node: its name, and then its content or target.
    pub(crate) fn node<'a>(
        &'a mut self,
        tree: &Tree,
        number: u32,
        hashes: &Hashes,
    ) -> Surveyed<'a> {
        let location = tree.location(number);
        let mut node = Surveyed { survey: self, node: number, location, head: Vec::new() };
        if hashes.first(&tree.node(number).name).is_some() {
            node.obstacle("its name holds a store hash");
        }
        node
    }
}

impl Surveyed<'_> {
    /// Takes the next bytes of a file's content.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let missing = member::MAGIC_LEN - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(missing)]);
    }

    /// Takes a hash that was found in the content or the target.
    pub(crate) fn occurrence(&mut self, found: Occurrence) {
        let Occurrence { position, number, form } = found;
        match form {
            Form::Reference => {
                let offset = position - PREFIX.len() as u64;
                let references = self.survey.references.entry(self.node).or_default();
                references.push(Reference { offset, path: number });
            }
            Form::Bare => {
                self.obstacle(&format!("a store hash without its path, at byte {position}"))
            }
            Form::Wide => {
                self.obstacle(&format!("a reference in UTF-16 or UTF-32, at byte {position}"))
            }
        }
    }

    /// Ends a file: if it is compressed, looks for references inside.
    ///
    /// # Errors
    ///
    /// If it cannot be opened again.
    pub(crate) fn end_file(mut self, store: &Store, hashes: &Hashes) -> Result<()> {
        let Some(method) = member::Method::of(&self.head) else { return Ok(()) };
        if self.is_documentation() {
            return Ok(());
        }
        let file = store
            .open_file(&self.location)
            .map_err(|error| crate::error::Error::in_store("read", &self.location, error))?;
        let name = method.name();
        match member::holds_reference(file, method, hashes) {
            Ok(false) => {}
            Ok(true) => self.obstacle(&format!("a reference inside a {name} file")),
            Err(error) => {
                self.obstacle(&format!("a {name} file that cannot be looked into ({error})"));
            }
        }
        Ok(())
    }

    fn obstacle(&mut self, what: &str) {
        if !self.is_documentation() {
            let location = Show(&self.location);
            self.survey.obstacles.push(format!("{}/{location}: {what}", format::STORE_DIR));
        }
    }

    fn is_documentation(&self) -> bool {
        let below = self.location.iter().position(|byte| *byte == b'/').map(|at| at + 1);
        let below = below.and_then(|at| self.location.get(at..)).unwrap_or_default();
        DOCUMENTATION.iter().any(|directory| below.starts_with(directory))
    }
}
