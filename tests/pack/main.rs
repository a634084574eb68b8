//! `packer build`, and what reads its bundles: `packer inspect`, `packer verify`, `packer extract` and stock tools.

/// What the user's cache has changes nothing but the time.
mod again;
/// What `packer build` refuses, and in which words.
mod build_errors;
/// What each option of `packer build` does.
mod build_options;
/// Odd names, long paths, sparse files: all come back as they were.
mod odd_trees;
/// Stock tar and zstd read the payload.
mod payload;
/// Random trees come back as they were, however they are packed.
mod random_trees;
/// Which references can be rewritten, and that they are rewritten right.
mod relocation;
/// The same input gives the same bytes.
mod reproducible;
/// The verdict on relocation for each kind of file, and for paths that a compiler cuts.
mod verdicts;
