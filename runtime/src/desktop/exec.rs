//! Values of desktop entries: escapes, and the command line of `Exec`.
//!
//! The rules are those of the Desktop Entry Specification, <https://specifications.freedesktop.org/desktop-entry-spec>,
//! "Possible value types" and "The Exec key".

use alloc::vec::Vec;
use core::ops::Range;

use super::closure::below_store;
use super::left_out::Reason;
use super::text::{Text, copied, joined, kept};

/// Characters that an argument may have only between quotes.
const RESERVED: &[u8] = b" \t\n\"'\\><~|&;$*?#()`";

/// Returns the path to run in place of a program, by its base name.
pub(super) type Program<'a> = &'a mut dyn FnMut(&[u8]) -> Option<Text>;

/// Returns a command line with another program, as a value.
///
/// `path` returns the path to run in place of the program with this base name. The program can stand behind `env` and
/// its assignments. All arguments stay.
///
/// # Errors
///
/// If there is no such program, or the words cannot be told apart.
pub(super) fn replaced(value: &[u8], path: Program<'_>) -> Result<Text, Reason> {
    let line = unescaped(value);
    let mut words = Words { line, at: 0 };
    let mut next = || words.next().ok_or(Reason::MalformedExec)?;
    let first = next()?;
    let (mut program, mut new) = (first, Vec::new());
    if base_name(program.text) == b"env" {
        let start = program.range.end;
        loop {
            program = next()?;
            match program.text {
                b"-u" => {
                    next()?;
                }
                b"-i" | b"-" | b"--" => {}
                text if text.contains(&b'=') => {}
                _ => break,
            }
        }
        new.extend_from_slice(b"env");
        new.extend_from_slice(&line[start..program.range.start]);
    }
    let name = base_name(program.text);
    let path = path(name).ok_or_else(|| Reason::NoProgram(copied(name)))?;
    let arguments = &line[program.range.end..];
    if [&*new, arguments].iter().any(|part| has_store_path(part)) {
        return Err(Reason::StorePathArgument);
    }
    new.extend_from_slice(quoted(path));
    new.extend_from_slice(arguments);
    Ok(escaped(&new))
}

/// Whether text has a path in the store.
fn has_store_path(text: &[u8]) -> bool {
    (0..text.len()).any(|at| below_store(&text[at..]).is_some())
}

pub(super) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// A word of a command line.
struct Word {
    text: Text,
    /// Where it stands.
    range: Range<usize>,
}

struct Words<'a> {
    line: &'a [u8],
    at: usize,
}

impl Words<'_> {
    /// Returns the next word; `None` at the end of the line.
    fn next(&mut self) -> Option<Result<Word, Reason>> {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
        self.at += self.line[self.at..].iter().position(|byte| !blank(byte))?;
        let start = self.at;
        let mut text = Vec::new();
        let mut quote = None;
        while let Some(&byte) = self.line.get(self.at) {
            self.at += 1;
            match (byte, quote) {
                (b' ' | b'\t' | b'\n', None) => {
                    self.at -= 1;
                    break;
                }
                (b'"' | b'\'', None) => quote = Some(byte),
                (byte, Some(open)) if byte == open => quote = None,
                (b'\\', None | Some(b'"')) => {
                    text.extend(self.line.get(self.at));
                    self.at += 1;
                }
                _ => text.push(byte),
            }
        }
        let range = start..self.at.min(self.line.len());
        Some(if quote.is_none() {
            Ok(Word { text: kept(text), range })
        } else {
            Err(Reason::MalformedExec)
        })
    }
}

/// Quotes an argument, if it needs that; `%` begins a field code.
fn quoted(argument: &[u8]) -> Text {
    let needs_quotes = argument.iter().any(|byte| RESERVED.contains(byte));
    let mut text = Vec::new();
    for &byte in argument {
        match byte {
            b'"' | b'`' | b'$' | b'\\' => text.push(b'\\'),
            b'%' => text.push(b'%'),
            _ => {}
        }
        text.push(byte);
    }
    if needs_quotes { joined(&[b"\"", &text, b"\""]) } else { kept(text) }
}

/// Undoes the escapes of a value. A backslash before any other character stands for itself.
pub(super) fn unescaped(value: &[u8]) -> Text {
    let mut text = Vec::new();
    let mut rest = value.iter();
    while let Some(&byte) = rest.next() {
        let escape = if byte == b'\\' { rest.as_slice().first() } else { None };
        let known = escape.and_then(|escape| match escape {
            b's' => Some(b' '),
            b'n' => Some(b'\n'),
            b't' => Some(b'\t'),
            b'r' => Some(b'\r'),
            b'\\' => Some(b'\\'),
            _ => None,
        });
        if known.is_some() {
            rest.next();
        }
        text.push(known.unwrap_or(byte));
    }
    kept(text)
}

/// Escapes text as a value. A space at its end would be lost.
pub(super) fn escaped(text: &[u8]) -> Text {
    let mut value = Vec::new();
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'\\' => value.extend_from_slice(br"\\"),
            b'\n' => value.extend_from_slice(br"\n"),
            b'\t' => value.extend_from_slice(br"\t"),
            b'\r' => value.extend_from_slice(br"\r"),
            b' ' if at == 0 || at + 1 == text.len() => value.extend_from_slice(br"\s"),
            _ => value.push(byte),
        }
    }
    kept(value)
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn exec(value: &str, path: &str) -> Result<String, Reason> {
        let mut found = |name: &[u8]| (name == b"foo").then(|| copied(path.as_bytes()));
        replaced(value.as_bytes(), &mut found).map(|new| String::from_utf8(new.into()).unwrap())
    }

    #[test]
    fn program_is_replaced_and_arguments_stay() {
        for (value, new) in [
            ("foo", "/b"),
            ("foo %U", "/b %U"),
            ("/nix/store/x-foo/bin/foo --a=%f", "/b --a=%f"),
            ("\"/opt/a b/foo\" \"x y\" %%", "/b \"x y\" %%"),
            ("'foo' a", "/b a"),
            (r"f\\oo a", "/b a"),
            ("env A=b foo -x", "env A=b /b -x"),
            ("/nix/store/x/bin/env -u B A=\"b c\" foo -x", "env -u B A=\"b c\" /b -x"),
            (r"foo\s--x \\$a \$b", r"/b --x \\$a \\$b"),
        ] {
            assert_eq!(exec(value, "/b").as_deref(), Ok(new), "{value}");
        }
    }

    #[test]
    fn path_is_quoted() {
        for (path, new) in [
            ("/a b/c", r#""/a b/c""#),
            ("/50%", "/50%%"),
            ("/gr\u{fc}n", "/gr\u{fc}n"),
            (r#"/a"`$\b"#, r#""/a\\"\\`\\$\\\\b""#),
            ("/a'b", r#""/a'b""#),
            ("/a;b(c)", r#""/a;b(c)""#),
        ] {
            assert_eq!(exec("foo %U", path), Ok([new, " %U"].concat()), "{path}");
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for (value, reason) in [
            ("", Reason::MalformedExec),
            ("env", Reason::MalformedExec),
            ("env -u foo", Reason::MalformedExec),
            ("\"foo", Reason::MalformedExec),
            ("bar foo", Reason::NoProgram(b"bar")),
            ("env -S foo", Reason::NoProgram(b"-S")),
            ("foo /nix/store/x/y", Reason::StorePathArgument),
            ("env A=/nix/store/x/y foo", Reason::StorePathArgument),
        ] {
            assert_eq!(exec(value, "/b"), Err(reason), "{value}");
        }
    }

    #[test]
    fn escapes_are_undone() {
        for (value, text) in [(r"\sa\\b\n\t\r ", " a\\b\n\t\r "), (r"\$\", r"\$\")] {
            assert_eq!(unescaped(value.as_bytes()), text.as_bytes());
            assert_eq!(unescaped(escaped(text.as_bytes())), text.as_bytes());
        }
    }
}
