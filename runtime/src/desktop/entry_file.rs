//! A desktop entry: reads a file, and writes it for a bundle.

use alloc::vec::Vec;

use super::exec;
use super::left_out::{self, AllLeftOut, LeftOut, Reason};

/// The name of the main group.
const MAIN: &[u8] = b"Desktop Entry";

/// A desktop entry file of the closure.
pub(super) struct EntryFile<'a> {
    groups: Vec<Group<'a>>,
}

struct Group<'a> {
    name: &'a [u8],
    /// Its lines as they are, with comments and empty lines.
    lines: Vec<&'a [u8]>,
}

/// What a desktop entry of a bundle has instead of what the packed one has.
pub(super) struct Changes<'a> {
    /// Returns the path to run in place of a program of the closure, by its base name.
    pub(super) program: &'a mut dyn FnMut(&[u8]) -> Option<Vec<u8>>,
    /// Returns the value of `Icon` in place of this one.
    pub(super) icon: &'a dyn Fn(&[u8]) -> Option<Vec<u8>>,
    /// The path of the bundle.
    pub(super) bundle: &'a [u8],
    /// The digest of the bundle, as text.
    pub(super) digest: &'a str,
    /// The name of the file in the closure, without `.desktop`.
    pub(super) id: &'a [u8],
}

/// Splits a line at `=`; `None` for comments and empty lines.
fn pair(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (line[..at].trim_ascii(), line[at + 1..].trim_ascii());
    (!key.starts_with(b"#")).then_some((key, value))
}

impl<'a> Group<'a> {
    fn get(&self, key: &[u8]) -> Option<&'a [u8]> {
        let mut pairs = self.lines.iter().filter_map(|line| pair(line));
        pairs.find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The name of the action that the group describes.
    fn action(&self) -> Option<&'a [u8]> {
        self.name.strip_prefix(b"Desktop Action ")
    }
}

impl<'a> EntryFile<'a> {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it is not the desktop entry of an application with a command line.
    pub(super) fn parse(text: &'a [u8]) -> Result<EntryFile<'a>, Reason> {
        if text.contains(&0) || core::str::from_utf8(text).is_err() {
            return Err(Reason::NoText);
        }
        let mut groups: Vec<Group<'a>> = Vec::new();
        for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end) {
            let name = line.strip_prefix(b"[").and_then(|line| line.strip_suffix(b"]"));
            match (name, groups.last_mut()) {
                (Some(name), _) => groups.push(Group { name, lines: Vec::new() }),
                (None, Some(group)) => group.lines.push(line),
                // A comment in front of the first group.
                (None, None) if line.is_empty() || line.starts_with(b"#") => {}
                (None, None) => return Err(Reason::NoDesktopEntry),
            }
        }
        let main = groups.first().filter(|group| group.name == MAIN);
        let main = main.ok_or(Reason::NoDesktopEntry)?;
        if main.get(b"Type") != Some(b"Application") || main.get(b"Hidden") == Some(b"true") {
            return Err(Reason::NoApplication);
        }
        main.get(b"Exec").ok_or(Reason::NoExec)?;
        Ok(EntryFile { groups })
    }

    /// Returns the values of all `Icon` keys, of actions and languages, too.
    pub(super) fn icons(&self) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.groups.iter().flat_map(|group| &group.lines);
        lines.filter_map(|line| pair(line)).filter(|(key, _)| is_icon(key)).map(|(_, value)| value)
    }

    /// Returns the file's text for a bundle. Groups other than the main one whose programs the bundle does not have are
    /// added to `left_out`; `file` is the name for that.
    ///
    /// # Errors
    ///
    /// If the bundle does not have the program of the main group.
    pub(super) fn write(
        &self,
        changes: &mut Changes<'_>,
        file: &[u8],
        left_out: &mut AllLeftOut,
    ) -> Result<Vec<u8>, Reason> {
        let mut written: Vec<(&Group<'a>, Option<Vec<u8>>)> = Vec::new();
        for group in &self.groups {
            let exec = group.get(b"Exec").map(|value| exec::replaced(value, &mut *changes.program));
            let is_main = group.name == MAIN;
            match exec.transpose() {
                Ok(None) if group.action().is_some() => left_out.push(LeftOut {
                    file: left_out::group(file, group.name),
                    reason: Reason::NoExec,
                }),
                Ok(exec) => written.push((group, exec)),
                Err(reason) if is_main => return Err(reason),
                Err(reason) => {
                    left_out.push(LeftOut { file: left_out::group(file, group.name), reason });
                }
            }
        }
        let actions: Vec<&[u8]> = written.iter().filter_map(|(group, _)| group.action()).collect();
        let mut text = Vec::new();
        for (group, exec) in &written {
            if !text.is_empty() {
                text.push(b'\n');
            }
            line(&mut text, &[b"[", group.name, b"]"]);
            let last = group.lines.iter().rposition(|line| !line.is_empty());
            for &packed in group.lines.iter().take(last.map_or(0, |last| last + 1)) {
                let (key, value) = pair(packed).unwrap_or((b"", b""));
                match key {
                    b"Exec" => line(&mut text, &[b"Exec=", exec.as_deref().unwrap_or(value)]),
                    b"Actions" => {
                        let listed = value.split(|byte| *byte == b';');
                        let kept: Vec<u8> = listed
                            .filter(|name| actions.contains(name))
                            .flat_map(|name| [name, b";"].concat())
                            .collect();
                        if !kept.is_empty() {
                            line(&mut text, &[b"Actions=", &kept]);
                        }
                    }
                    // The bundle starts by its path alone, and that is what is looked for. A directory in the store
                    // does not exist here.
                    b"TryExec" | b"DBusActivatable" | b"X-Packed-Bundle" => {}
                    b"Path" if super::closure::below_store(value).is_some() => {}
                    _ if is_icon(key) => {
                        let icon = (changes.icon)(value);
                        line(&mut text, &[key, b"=", icon.as_deref().unwrap_or(value)]);
                    }
                    _ => line(&mut text, &[packed]),
                }
            }
            if group.name == MAIN {
                let bundle = exec::escaped(changes.bundle);
                // Without the bundle, menus leave the entry out.
                line(&mut text, &[b"TryExec=", &bundle]);
                // Desktops know a window by this, or by the file's name, which is another one now.
                if group.get(b"StartupWMClass").is_none() {
                    line(&mut text, &[b"StartupWMClass=", changes.id]);
                }
                line(&mut text, &[b"X-Packed-Bundle=", changes.digest.as_bytes(), b" ", &bundle]);
            }
        }
        Ok(text)
    }
}

fn is_icon(key: &[u8]) -> bool {
    key == b"Icon" || key.starts_with(b"Icon[")
}

fn line(text: &mut Vec<u8>, parts: &[&[u8]]) {
    text.extend(parts.concat());
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString as _};

    use super::*;

    fn write(text: &str) -> Result<(String, String), Reason> {
        let mut left_out = AllLeftOut::new();
        let mut program = |name: &[u8]| (name == b"foo").then(|| b"/a b/foo".into());
        let icon = |name: &[u8]| (name == b"foo").then(|| b"foo.packed_foo".into());
        let mut changes = Changes {
            program: &mut program,
            icon: &icon,
            bundle: b"/a b/foo",
            digest: "0f",
            id: b"org.Foo",
        };
        let file = EntryFile::parse(text.as_bytes())?;
        let text = file.write(&mut changes, b"f", &mut left_out)?;
        let said = left_out::Lines(&left_out, "\n").to_string();
        Ok((String::from_utf8(text).unwrap(), said))
    }

    #[test]
    fn entry_is_rewritten() {
        let text = "# comment\r\n[Desktop Entry]\r\nType=Application\r\nName=Foo\r\nExec = foo %U\r\n\
            TryExec=foo\r\nIcon=foo\r\nIcon[de]=other\r\nDBusActivatable=true\r\nPath=/nix/store/x\r\n\
            Actions=new;old;none;\r\nX-Packed-Bundle=/other\r\n\r\n\
            [Desktop Action new]\r\nName=New\r\nIcon=foo\r\nExec=env A=b foo --new\r\n\
            [Desktop Action old]\r\nName=Old\r\nExec=bar\r\n\
            [Desktop Action none]\r\nName=None\r\n[X-Other]\r\nA=b";
        let (text, said) = write(text).unwrap();
        assert_eq!(
            text,
            "[Desktop Entry]\nType=Application\nName=Foo\nExec=\"/a b/foo\" %U\nIcon=foo.packed_foo\n\
             Icon[de]=other\nActions=new;\nTryExec=/a b/foo\nStartupWMClass=org.Foo\n\
             X-Packed-Bundle=0f /a b/foo\n\n\
             [Desktop Action new]\nName=New\nIcon=foo.packed_foo\nExec=env A=b \"/a b/foo\" --new\n\n\
             [X-Other]\nA=b\n"
        );
        assert_eq!(
            said,
            "f [Desktop Action old]: the bundle has no entry bar\nf [Desktop Action none]: it has no Exec"
        );
    }

    #[test]
    fn other_files_are_refused() {
        let main = "[Desktop Entry]\n";
        for (text, reason) in [
            ("", Reason::NoDesktopEntry),
            ("Type=Application\n", Reason::NoDesktopEntry),
            ("[Other]\n[Desktop Entry]\nType=Application\nExec=foo\n", Reason::NoDesktopEntry),
            ("[Desktop Entry]\nType=Application\nExec=fo\0o", Reason::NoText),
            (&[main, "Type=Link\nURL=x"].concat(), Reason::NoApplication),
            (&[main, "Type=Application\nHidden=true\nExec=foo"].concat(), Reason::NoApplication),
            (&[main, "Type=Application\n#Exec=foo"].concat(), Reason::NoExec),
            (&[main, "Type=Application\nExec="].concat(), Reason::MalformedExec),
            (&[main, "Type=Application\nExec=bar"].concat(), Reason::NoProgram("bar".into())),
        ] {
            assert_eq!(write(text).err(), Some(reason), "{text}");
        }
        assert_eq!(EntryFile::parse(b"[Desktop Entry]\nName=\xff").err(), Some(Reason::NoText));
    }
}
