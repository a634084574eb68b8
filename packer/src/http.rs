//! Requests over HTTP: what registries and binary caches have in common.

pub(crate) mod agent;
pub(crate) mod netrc;
pub(crate) mod patience;
