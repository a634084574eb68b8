//! Rules that change the program's environment.

use alloc::vec::Vec;

use crate::error::{Error, Part};
use crate::wire::{Reader, Writer};

/// What a rule does with its variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sets the value: `K=V`.
    Set,
    /// Sets the value if the variable is not set: `K?=V`.
    SetUnlessSet,
    /// Removes the variable: `K-`. The rule's value is empty.
    Remove,
    /// Sets the value if the variable is not set and the value is the path of an existing file.
    SetIfExists,
    /// Keeps the files in the variable's list whose names begin with the value, and removes the
    /// variable if there are none. Spaces and colons separate the files: ld.so(8) on `LD_PRELOAD`.
    KeepFiles,
    /// Sets the value, whether or not the variable is set, if the value is the path of an existing file.
    ReplaceIfExists,
    /// Sets the value behind the first piece, if the variable is not set and the file that the first piece names does
    /// not exist.
    SetIfMissing,
}

/// A part of a variable's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Literal bytes.
    Bytes(Vec<u8>),
    /// The location of a store path at run time, such as `/nix/store/<hash>-<name>`. The number is
    /// an index into the descriptor's [`paths`](crate::Descriptor::paths).
    Path(u16),
    /// The absolute path of the bundle's file.
    Bundle,
}

/// A change to the program's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What the rule does.
    pub action: Action,
    /// The variable's name: not empty, without `=` and NUL.
    pub name: Vec<u8>,
    /// The pieces of the value; the value is all of them, joined.
    pub value: Vec<Piece>,
}

/// Tags of the kinds of pieces.
const BYTES: u8 = 0;
const PATH: u8 = 1;
const BUNDLE: u8 = 2;

impl Rule {
    pub(crate) fn encode(&self, writer: &mut Writer) -> Result<(), Error> {
        writer.u8(match self.action {
            Action::Set => 0,
            Action::SetUnlessSet => 1,
            Action::Remove => 2,
            Action::SetIfExists => 3,
            Action::KeepFiles => 4,
            Action::ReplaceIfExists => 5,
            Action::SetIfMissing => 6,
        });
        writer.short(Part::Descriptor, "bytes in a variable's name", &self.name)?;
        writer.count(Part::Descriptor, "pieces of a value", self.value.len())?;
        for piece in &self.value {
            match piece {
                Piece::Bytes(bytes) => {
                    writer.u8(BYTES);
                    writer.short(Part::Descriptor, "bytes in a variable's value", bytes)?;
                }
                Piece::Path(path) => {
                    writer.u8(PATH);
                    writer.u16(*path);
                }
                Piece::Bundle => writer.u8(BUNDLE),
            }
        }
        Ok(())
    }

    pub(crate) fn decode(reader: &mut Reader<'_>, paths: usize) -> Result<Rule, Error> {
        let action = match reader.u8()? {
            0 => Action::Set,
            1 => Action::SetUnlessSet,
            2 => Action::Remove,
            3 => Action::SetIfExists,
            4 => Action::KeepFiles,
            5 => Action::ReplaceIfExists,
            6 => Action::SetIfMissing,
            _ => return Err(reader.invalid("an environment rule has an unknown action")),
        };
        let name = reader.short()?;
        if name.is_empty() || name.contains(&b'=') || name.contains(&0) {
            return Err(reader.invalid("a variable's name is empty or holds '=' or NUL"));
        }
        let mut value = Vec::new();
        for _ in 0..reader.count(u32::MAX, 1, "pieces of a value")? {
            value.push(match reader.u8()? {
                BYTES => match reader.short()? {
                    bytes if bytes.contains(&0) => {
                        return Err(reader.invalid("a variable's value holds NUL"));
                    }
                    bytes => Piece::Bytes(bytes.into()),
                },
                PATH => match reader.u16()? {
                    path if usize::from(path) >= paths => {
                        return Err(reader.invalid("a value's store path is not in the table"));
                    }
                    path => Piece::Path(path),
                },
                BUNDLE => Piece::Bundle,
                _ => return Err(reader.invalid("a piece of a value has an unknown kind")),
            });
        }
        if action == Action::Remove && !value.is_empty() {
            return Err(reader.invalid("a rule that removes a variable has a value"));
        }
        if action == Action::SetIfMissing && value.is_empty() {
            return Err(reader.invalid("a rule for a missing file names none"));
        }
        Ok(Rule { action, name: name.into(), value })
    }
}
