//! The program's argv\[0\].

use alloc::vec::Vec;

use crate::error::{Error, Part};
use crate::wire::{Reader, Writer};

/// What the program gets as argv\[0\].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Argv0 {
    /// A path in the program's own directory, so that programs find what is beside them: its last
    /// component is the caller's, if that names a program there, and else the entry's.
    #[default]
    Beside,
    /// What the caller gave.
    Caller,
    /// The entry's path.
    Entry,
    /// This text, whatever the caller gave.
    Name(Vec<u8>),
}

/// Tags of all but the default, for which nothing is written.
const CALLER: u8 = 1;
const ENTRY: u8 = 2;
const NAME: u8 = 3;

impl Argv0 {
    pub(crate) fn encode(&self, writer: &mut Writer) -> Result<(), Error> {
        match self {
            Argv0::Beside => {}
            Argv0::Caller => writer.u8(CALLER),
            Argv0::Entry => writer.u8(ENTRY),
            Argv0::Name(name) => {
                writer.u8(NAME);
                writer.short(Part::Descriptor, "bytes in argv[0]", name)?;
            }
        }
        Ok(())
    }

    /// Decodes what is left, if anything is.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Argv0, Error> {
        if reader.is_empty() {
            return Ok(Argv0::Beside);
        }
        match reader.u8()? {
            CALLER => Ok(Argv0::Caller),
            ENTRY => Ok(Argv0::Entry),
            NAME => match reader.short()? {
                name if name.contains(&0) => Err(reader.invalid("argv[0] holds NUL")),
                name => Ok(Argv0::Name(name.into())),
            },
            _ => Err(reader.invalid("argv[0] has an unknown kind")),
        }
    }
}
