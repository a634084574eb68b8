//! Placeholders in arguments, variables and files: `%STATE%`, `%RUN%`, `%CWD%` and the caller's variables by name.

use std::collections::BTreeMap;

/// What stands for each name.
#[derive(Clone, Debug, Default)]
pub struct Placeholders(BTreeMap<String, String>);

impl Placeholders {
    /// Says what stands for a name.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Returns what stands for a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether a character may be in a name.
    #[must_use]
    pub fn may_be_in_name(c: char) -> bool {
        c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
    }

    /// Replaces all `%NAME%` in a text; `%%` is a `%`. What is no name stays: `%d`, `100 %`.
    ///
    /// # Errors
    ///
    /// The name, if it stands for nothing.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            filled.push_str(before);
            let len = after.find(|c| !Placeholders::may_be_in_name(c)).unwrap_or(after.len());
            match after[len..].strip_prefix('%') {
                Some(behind) if len == 0 => {
                    filled.push('%');
                    rest = behind;
                }
                Some(behind) => {
                    let name = &after[..len];
                    filled.push_str(self.get(name).ok_or(name)?);
                    rest = behind;
                }
                None => {
                    filled.push('%');
                    rest = after;
                }
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_nothing_else() {
        let mut placeholders = Placeholders::default();
        placeholders.set("RUN", "/tmp/x");
        placeholders.set("MARKOV_LISTEN_ADDR", "localhost:1");
        for (text, expected) in [
            ("unix:%RUN%/a.sock", "unix:/tmp/x/a.sock"),
            ("%MARKOV_LISTEN_ADDR%%RUN%", "localhost:1/tmp/x"),
            ("100 % of %d, %%RUN%%, 5%", "100 % of %d, %RUN%, 5%"),
            ("", ""),
        ] {
            assert_eq!(placeholders.fill(text).unwrap(), expected);
        }
        assert_eq!(placeholders.fill("%NOTHING%"), Err("NOTHING".into()));
    }
}
