//! Bundles, caches and stores that somebody has altered or made to deceive: none is trusted.

/// Random alterations of each region of a bundle.
mod altered_bundle;
/// Bundles that are wrong in every way that somebody thought of, each with a name.
mod damaged;
/// Caches and links that another user has put where a bundle looks for its own.
mod planted_cache;
/// Store paths that somebody has put into the host's store.
mod planted_store;
/// Set-user-id bundles and those with capabilities.
mod raised_rights;
