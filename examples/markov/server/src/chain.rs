//! The chain itself: prefixes, their keys, and where a text ends.

use std::collections::VecDeque;
use std::num::NonZeroU32;

/// The last words of a text, by which the next one is chosen. At the start they are empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prefix(VecDeque<String>);

impl Prefix {
    /// The prefix in front of the first word.
    pub(crate) fn start(length: usize) -> Self {
        Self(std::iter::repeat_n(String::new(), length).collect())
    }

    /// Drops the oldest word and takes in a new one.
    pub(crate) fn shift(&mut self, word: String) {
        self.0.pop_front();
        self.0.push_back(word);
    }

    /// The sorted set in redis that holds the words seen behind this prefix, with the time of the last sight as score.
    pub(crate) fn key(&self, chain: &str) -> String {
        let words: Vec<&str> = self.0.iter().map(String::as_str).collect();
        format!("markov:{chain}:{}", words.join(" "))
    }
}

/// The pattern that all keys match.
pub(crate) const KEYS: &str = "markov:*";

/// One word and the key of the set it belongs to.
#[derive(Debug, PartialEq)]
pub(crate) struct Link {
    pub(crate) key: String,
    pub(crate) word: String,
}

/// The links of a text; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn links(text: &[u8], chain: &str, prefix_len: usize) -> Vec<Link> {
    let mut prefix = Prefix::start(prefix_len);
    String::from_utf8_lossy(text)
        .split_whitespace()
        .map(|word| {
            let link = Link { key: prefix.key(chain), word: word.to_owned() };
            prefix.shift(word.to_owned());
            link
        })
        .collect()
}

/// Counts the parts of a text while it is made up. A part ends with a punctuation mark.
#[derive(Debug)]
pub(crate) struct Parts {
    left: u32,
}

impl Parts {
    /// As many parts as are asked for.
    pub(crate) fn wanted(count: NonZeroU32) -> Self {
        Self { left: count.get() }
    }

    /// Takes note of the next word; false when that was the last one.
    pub(crate) fn goes_on_after(&mut self, word: &str) -> bool {
        if word.ends_with(['.', '!', '?', ',', ':', ';']) {
            self.left = self.left.saturating_sub(1);
        }
        self.left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_originals() {
        let mut prefix = Prefix::start(2);
        assert_eq!(prefix.key(""), "markov:: ");
        prefix.shift("hello".into());
        assert_eq!(prefix.key("a"), "markov:a: hello");
        prefix.shift("world.".into());
        prefix.shift("foo".into());
        assert_eq!(prefix.key("a"), "markov:a:world. foo");
        assert_eq!(Prefix::start(1).key("a"), "markov:a:");
    }

    #[test]
    fn a_text_becomes_links() {
        let found: Vec<_> = links(b"  hello\tworld.\r\n\xff ", "", 1)
            .into_iter()
            .map(|l| (l.key, l.word))
            .collect();
        let wanted =
            [("markov::", "hello"), ("markov::hello", "world."), ("markov::world.", "\u{fffd}")];
        assert_eq!(found, wanted.map(|(key, word)| (key.to_owned(), word.to_owned())));
        assert_eq!(links(b" \n", "", 2), []);
    }

    #[test]
    fn a_part_ends_with_punctuation() {
        let text = ["a", "b,", "c", "d.", "e"];
        for (count, wanted) in [(1, 1), (2, 3), (3, 5)] {
            let mut parts = Parts::wanted(NonZeroU32::new(count).expect("not zero"));
            let last =
                text.iter().position(|word| !parts.goes_on_after(word)).unwrap_or(text.len());
            assert_eq!(last, wanted, "{count} parts");
        }
    }
}
