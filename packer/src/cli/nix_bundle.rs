//! Recognises a command line of nix-bundle, `TARGET EXECUTABLE`, and suggests the same one for packer.

use std::ffi::OsString;
use std::path::Path;

use crate::error::Error;
use crate::show;
use crate::source::installable::is_installable;

/// Makes an error from the words after `packer build`, if the first one is a target.
pub(crate) fn after_build(words: &[OsString]) -> Option<Error> {
    let (target, rest) = words.split_first().filter(|(target, _)| !is_option(target))?;
    let mut command = format!("packer build --closure {}", closure(target));
    for (number, word) in rest.iter().enumerate() {
        if number == 0 && !is_option(word) {
            command.push_str(" --entry");
        }
        command.push(' ');
        command.push_str(&quote(&show::os(word)));
    }
    Some(Error::Positional { target: show::os(target), command })
}

/// Makes an error from the words after `packer`, if they are a target and a path.
pub(crate) fn after_packer(words: &[OsString]) -> Option<Error> {
    let executable = words.get(1)?;
    if executable.as_encoded_bytes().contains(&b'/') { after_build(words) } else { None }
}

fn is_option(word: &OsString) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}

/// Returns the value of `--closure` for a target: a path, an attribute of nixpkgs, or an expression.
fn closure(target: &OsString) -> String {
    let text = show::os(target);
    let is_attribute = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let path = Path::new(target);
    if text.starts_with(['/', '.']) || path.exists() || is_installable(path) {
        quote(&text)
    } else if text.chars().all(is_attribute) {
        format!("nixpkgs#{text}")
    } else {
        // nix-bundle evaluates the target in this way.
        let expression = quote(&format!("with import <nixpkgs> {{ }}; {text}"));
        format!("\"$(nix-build --no-out-link -E {expression})\"")
    }
}

/// Quotes a word for a shell if it needs quotes.
fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:#=+@%^,".contains(c);
    if !word.is_empty() && !word.starts_with('#') && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Option<String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        after_build(&words).map(|error| error.hint())
    }

    #[test]
    fn the_nearest_command_is_named() {
        for (words, expected) in [
            (&["hello", "/bin/hello"][..], "nixpkgs#hello --entry /bin/hello"),
            (&["gnome.gedit"], "nixpkgs#gnome.gedit"),
            (&["./no-result", "bin/a b"], "./no-result --entry 'bin/a b'"),
            (
                &[".#markov", "/bin/markov", "-o", "it's"],
                r".#markov --entry /bin/markov -o 'it'\''s'",
            ),
            (&["/", "--entry", "/bin/sh"], "/ --entry /bin/sh"),
            (
                &["(import ./. {}).entry", "/bin/x"],
                r#""$(nix-build --no-out-link -E 'with import <nixpkgs> { }; (import ./. {}).entry')" --entry /bin/x"#,
            ),
        ] {
            let expected = format!("packer build --closure {expected}");
            assert_eq!(command(words), Some(expected), "{words:?}");
        }
        assert_eq!(command(&["--closure", "x", "y"]), None);
        assert_eq!(command(&[]), None);
    }
}
