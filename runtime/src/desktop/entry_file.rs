//! A desktop entry: reads a file, and writes it for a bundle.

use alloc::vec::Vec;

use super::exec::{self, Program};
use super::left_out::{self, AllLeftOut, LeftOut, Reason};
use super::text::{Text, joined, kept};

/// The name of the main group.
const MAIN: &[u8] = b"Desktop Entry";

/// A desktop entry file of the closure.
#[derive(Clone, Copy)]
pub(super) struct EntryFile {
    /// The groups; the first is the main one.
    groups: &'static [Group],
}

#[derive(Clone, Copy)]
struct Group {
    name: Text,
    /// Its lines as they are, with comments and empty lines.
    lines: &'static [Text],
}

/// What a desktop entry of a bundle has instead of what the packed one has.
pub(super) struct Changes<'a> {
    /// Returns the path to run in place of a program of the closure, by its base name.
    pub(super) program: Program<'a>,
    /// Returns the value of `Icon` in place of this one.
    pub(super) icon: &'a dyn Fn(&[u8]) -> Option<Text>,
    /// The path of the bundle.
    pub(super) bundle: Text,
    /// The digest of the bundle, as text.
    pub(super) digest: &'a [u8],
    /// The name of the file in the closure, without `.desktop`.
    pub(super) id: &'a [u8],
}

/// Splits a line at `=`; `None` for comments and empty lines.
fn pair(line: Text) -> Option<(Text, Text)> {
    let at = line.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (line[..at].trim_ascii(), line[at + 1..].trim_ascii());
    (!key.starts_with(b"#")).then_some((key, value))
}

impl Group {
    fn get(&self, key: &[u8]) -> Option<Text> {
        let mut pairs = self.lines.iter().filter_map(|line| pair(line));
        pairs.find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The name of the action that the group describes.
    fn action(&self) -> Option<Text> {
        self.name.strip_prefix(b"Desktop Action ")
    }
}

impl EntryFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it is not the desktop entry of an application with a command line.
    pub(super) fn parse(text: Text) -> Result<EntryFile, Reason> {
        if text.contains(&0) || core::str::from_utf8(text).is_err() {
            return Err(Reason::NoText);
        }
        let (mut groups, mut lines) = (Vec::new(), Vec::new());
        let mut rest = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).rev();
        // From the end, so that a group is known with all its lines.
        for line in &mut rest {
            match line.strip_prefix(b"[").and_then(|line| line.strip_suffix(b"]")) {
                Some(name) => {
                    let of_group: Vec<Text> = lines.drain(..).rev().collect();
                    groups.push(Group { name, lines: of_group.leak() });
                }
                None => lines.push(line),
            }
        }
        groups.reverse();
        // Only comments stand in front of the first group.
        if lines.iter().any(|line| !line.is_empty() && !line.starts_with(b"#")) {
            return Err(Reason::NoDesktopEntry);
        }
        let main = groups.first().filter(|group| group.name == MAIN);
        let main = main.ok_or(Reason::NoDesktopEntry)?;
        if main.get(b"Type") != Some(b"Application") || main.get(b"Hidden") == Some(b"true") {
            return Err(Reason::NoApplication);
        }
        main.get(b"Exec").ok_or(Reason::NoExec)?;
        Ok(EntryFile { groups: groups.leak() })
    }

    /// Checks that the bundle has the entry's program.
    pub(super) fn check(&self, program: Program<'_>) -> Result<(), Reason> {
        let exec = self.groups.first().and_then(|main| main.get(b"Exec"));
        exec::replaced(exec.ok_or(Reason::NoExec)?, program).map(drop)
    }

    /// Returns the names of all icons, those of actions and languages, too.
    pub(super) fn icons(&self) -> Vec<Text> {
        let mut icons = Vec::new();
        for &line in self.groups.iter().flat_map(|group| group.lines) {
            if let Some((key, value)) = pair(line)
                && is_icon(key)
            {
                icons.push(exec::unescaped(value));
            }
        }
        icons
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
    ) -> Result<Text, Reason> {
        let mut written: Vec<(Group, Option<Text>)> = Vec::new();
        for &group in self.groups {
            let program = &mut *changes.program;
            let exec = group.get(b"Exec").map(|value| exec::replaced(value, program));
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
        let actions: Vec<Text> = written.iter().filter_map(|(group, _)| group.action()).collect();
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
                    b"Exec" => line(&mut text, &[b"Exec=", exec.unwrap_or(value)]),
                    b"Actions" => {
                        let mut listed: Vec<&[u8]> = Vec::from([&b"Actions="[..]]);
                        for name in value.split(|byte| *byte == b';') {
                            if actions.contains(&name) {
                                listed.extend([name, b";"]);
                            }
                        }
                        if listed.len() > 1 {
                            line(&mut text, &listed);
                        }
                    }
                    // The bundle starts by its path alone, and that is what is looked for. A directory in the store
                    // does not exist here.
                    b"TryExec" | b"DBusActivatable" | b"X-Packed-Bundle" => {}
                    b"Path" if super::closure::below_store(value).is_some() => {}
                    _ if is_icon(key) => {
                        let icon = (changes.icon)(value);
                        line(&mut text, &[key, b"=", icon.unwrap_or(value)]);
                    }
                    _ => line(&mut text, &[packed]),
                }
            }
            if group.name == MAIN {
                let bundle = exec::escaped(changes.bundle);
                // Without the bundle, menus leave the entry out.
                line(&mut text, &[b"TryExec=", bundle]);
                // Desktops know a window by this, or by the file's name, which is another one now.
                if group.get(b"StartupWMClass").is_none() {
                    line(&mut text, &[b"StartupWMClass=", changes.id]);
                }
                line(&mut text, &[b"X-Packed-Bundle=", changes.digest, b" ", bundle]);
            }
        }
        Ok(kept(text))
    }
}

fn is_icon(key: &[u8]) -> bool {
    key == b"Icon" || key.starts_with(b"Icon[")
}

fn line(text: &mut Vec<u8>, parts: &[&[u8]]) {
    text.extend_from_slice(joined(parts));
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString as _};

    use super::*;

    fn write(text: &str) -> Result<(String, String), Reason> {
        let mut left_out = AllLeftOut::new();
        let mut program = |name: &[u8]| (name == b"foo").then_some(&b"/a b/foo"[..]);
        let icon = |name: &[u8]| (name == b"foo").then_some(&b"foo.packed_foo"[..]);
        let mut changes = Changes {
            program: &mut program,
            icon: &icon,
            bundle: b"/a b/foo",
            digest: b"0f",
            id: b"org.Foo",
        };
        let file = EntryFile::parse(joined(&[text.as_bytes()]))?;
        let text = file.write(&mut changes, b"f", &mut left_out)?;
        let said = left_out::Lines(&left_out, "", "\n").to_string();
        Ok((String::from_utf8(text.into()).unwrap(), said))
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
            (&[main, "Type=Application\nExec=bar"].concat(), Reason::NoProgram(b"bar")),
        ] {
            assert_eq!(write(text).err(), Some(reason), "{text}");
        }
        assert_eq!(EntryFile::parse(b"[Desktop Entry]\nName=\xff").err(), Some(Reason::NoText));
    }
}
