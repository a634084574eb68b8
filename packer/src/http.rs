//! Requests over HTTP: what registries, binary caches and updates have in common.

pub(crate) mod address;
pub(crate) mod agent;
pub(crate) mod content_range;
pub(crate) mod netrc;
pub(crate) mod pace;
pub(crate) mod patience;
