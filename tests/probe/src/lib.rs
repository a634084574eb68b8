//! What the probe saw: written by the program `probe`, read by the harness.

use std::fmt::Write as _;

/// What a program was started with, as named facts in the order in which they were found.
///
/// Values are printed with everything but printable ASCII escaped, so that a report is text, nothing is
/// lost, and a failed test shows what differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    facts: Vec<(String, String)>,
}

impl Report {
    /// Adds a fact.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        self.facts.push((name.to_owned(), value.escape_ascii().to_string()));
    }

    /// Writes one line for each fact.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.facts.iter().fold(String::new(), |mut text, (name, value)| {
            // Writing to a String can't fail.
            let _ = writeln!(text, "{name}: {value}");
            text
        })
    }

    /// Reads what [`Report::to_text`] wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Report> {
        let fact = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_owned(), value.to_owned()))
        };
        let facts = text.lines().map(fact).collect::<Option<Vec<_>>>()?;
        (!facts.is_empty()).then_some(Report { facts })
    }

    /// The escaped value of the only fact of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// The escaped values that the environment gives a variable.
    #[must_use]
    pub fn values_of(&self, variable: &str) -> Vec<&str> {
        let pairs = self.all("variable").filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| *name == variable).map(|(_, value)| value).collect()
    }

    /// The escaped values of all facts of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.facts.iter().filter(move |fact| fact.0 == name).map(|fact| fact.1.as_str())
    }

    /// All facts: names and escaped values.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.facts.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds a fact whose value is escaped already.
    pub fn add_escaped(&mut self, name: &str, value: &str) {
        self.facts.push((name.to_owned(), value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn report_round_trips() {
        let mut report = Report::default();
        report.add("argument", b"");
        report.add("argument", b"two: \xff\n");
        assert_eq!(Report::parse(&report.to_text()), Some(report.clone()));
        assert_eq!(report.all("argument").collect::<Vec<_>>(), ["", "two: \\xff\\n"]);
        assert_eq!(report.get("argument"), None);
    }

    #[test]
    fn other_text_is_no_report() {
        for text in ["", "hello", "a: b\nhello\n"] {
            assert_eq!(Report::parse(text), None, "{text:?}");
        }
    }
}
