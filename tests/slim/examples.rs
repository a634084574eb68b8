//! The examples, whole and slim.

use tests::{Bundle, Closure};

use crate::Pair;

#[test]
fn examples_print_the_same() {
    for (attribute, entry, arguments) in [
        ("hello", "/bin/hello", &["a", "b"][..]),
        ("coreutils", "/bin/ls", &["--help"]),
        ("coreutils", "/bin/date", &["-ud", "@0"]),
        ("python-example", "/bin/python-example", &["x"]),
    ] {
        let pair = Pair::of(|| Bundle::of(&Closure::example(attribute)).entry(entry));
        let all = pair.same(|start| start.args(arguments));
        assert!(
            !all.is_empty() && all.iter().all(|text| text.starts_with("exit status: 0")),
            "{all:?}"
        );
    }
}

/// The compositions and their services are started in tests/compositions; these are the variants by hand, whose check
/// needs redis and a free port.
#[test]
fn variants_of_markov_become_no_larger_and_stay_proven() {
    for (attribute, entry) in [("markov-circus", "/bin/markov"), ("markov-slim", "/bin/markov")] {
        let pair = Pair::of(|| Bundle::of(&Closure::example(attribute)).entry(entry));
        let [whole, slim] = pair.bytes();
        assert!(slim <= whole, "{attribute}: {slim} of {whole}");
        assert_eq!(pair.slim.modes(), pair.whole.modes(), "{attribute}");
    }
}
