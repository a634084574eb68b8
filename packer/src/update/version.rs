//! Which of two versions is newer, by the rule of Nix's `builtins.compareVersions`.
//!
//! The rule is in Nix's manual, at `nix-env --upgrade`. Numbers of any length are compared; Nix takes those of more than
//! 64 bits for text.

use std::cmp::Ordering;

/// Compares two versions; the greater one is newer.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    while !one.is_empty() || !other.is_empty() {
        let (first, second) = (component(&mut one), component(&mut other));
        if is_before(first, second) {
            return Ordering::Less;
        }
        if is_before(second, first) {
            return Ordering::Greater;
        }
    }
    Ordering::Equal
}

/// Takes the next component: digits, or other characters without `.` and `-`, which separate; empty at the end.
fn component<'a>(rest: &mut &'a str) -> &'a str {
    let start = rest.trim_start_matches(['.', '-']);
    let is_number = start.starts_with(|char: char| char.is_ascii_digit());
    let is_outside = |char: char| char.is_ascii_digit() != is_number || matches!(char, '.' | '-');
    let (component, behind) = start.split_at(start.find(is_outside).unwrap_or(start.len()));
    *rest = behind;
    component
}

fn is_before(one: &str, other: &str) -> bool {
    match (number(one), number(other)) {
        (Some(one), Some(other)) => (one.len(), one) < (other.len(), other),
        (_, Some(_)) if one.is_empty() => true,
        _ if one == "pre" => other != "pre",
        _ if other == "pre" => false,
        (None, Some(_)) => true,
        (Some(_), None) => false,
        (None, None) => one < other,
    }
}

/// The digits of a number, without zeros in front.
fn number(component: &str) -> Option<&str> {
    let is_number = component.starts_with(|char: char| char.is_ascii_digit());
    is_number.then(|| component.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_nix_does() {
        use Ordering::{Equal, Greater, Less};
        for (one, other, expected) in [
            // The examples of Nix's manual.
            ("1.0", "2.3", Less),
            ("2.1", "2.3", Less),
            ("2.3", "2.3", Equal),
            ("2.5", "2.3", Greater),
            ("3.1", "2.3", Greater),
            ("2.3.1", "2.3", Greater),
            ("2.3.1", "2.3a", Greater),
            ("2.3pre1", "2.3", Less),
            ("2.3pre3", "2.3pre12", Less),
            ("2.3a", "2.3c", Less),
            ("2.3pre1", "2.3c", Less),
            ("2.3pre1", "2.3q", Less),
            // From Nix's tests/functional/lang/eval-okay-versions.nix.
            ("1.0", "1.0pre1", Greater),
            ("1.0pre1", "1.0pre2", Less),
            ("1.0pre", "1.0pre1", Less),
            ("1.0pre1", "1.0post", Less),
            ("1.0", "", Greater),
            ("", "", Equal),
            ("", "pre1", Greater),
            ("1.2", "1.2.0", Less),
            ("1-2", "1.2", Equal),
            ("1..2", "1.2", Equal),
            ("1.02", "1.2", Equal),
            ("7.0.10", "7.0.9", Greater),
            ("99999999999999999999999", "100000000000000000000000", Less),
            ("1.0-é", "1.0-z", Greater),
        ] {
            assert_eq!(compare(one, other), expected, "{one} {other}");
            assert_eq!(compare(other, one), expected.reverse(), "{other} {one}");
        }
    }
}
