//! What the documentation promises: its commands, its examples and its specification of the format.

/// Each command in `docs/from-….md`.
mod coming_from;
/// `examples/hello`, `examples/coreutils` and `examples/python`.
mod examples;
/// Bundles of each released version of the format.
mod golden;
/// `examples/markov`, over HTTP.
mod markov;
/// `reader.py`, which was written from `docs/format.md` alone.
mod reader;
