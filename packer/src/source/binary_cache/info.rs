//! What a binary cache says of itself: the file `nix-cache-info`.

use format::STORE_DIR;

use super::narinfo::Reason;

/// Checks a cache's description: it has to be a cache for `/nix/store`.
///
/// `Priority` and `WantMassQuery` are for a client that finds out on its own which of many caches to ask, and how often. Here,
/// the order of `--from` says it; they are only checked.
///
/// # Errors
///
/// The reason why it cannot be used.
pub(crate) fn check(text: &[u8]) -> Result<(), Reason> {
    let text = str::from_utf8(text).map_err(|_| "its nix-cache-info is not text")?;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let field = line.split_once(':').ok_or("its nix-cache-info has a line without a colon")?;
        match (field.0, field.1.trim()) {
            ("StoreDir", dir) if dir.trim_end_matches('/') == STORE_DIR => {}
            ("StoreDir", dir) => {
                return Err(format!("it is for {}, not {STORE_DIR}", crate::show::text(dir)));
            }
            ("Priority", number) if number.parse::<u32>().is_err() => {
                return Err("its Priority is not a number".to_owned());
            }
            ("WantMassQuery", flag) if !matches!(flag, "0" | "1") => {
                return Err("its WantMassQuery is neither 0 nor 1".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_is_for_the_store() {
        for good in [
            "StoreDir: /nix/store\n",
            "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n",
            "Later: x\nStoreDir: /nix/store/\n",
            "WantMassQuery: 0\n",
            "",
        ] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
        }
        for (bad, expected) in [
            ("StoreDir: /gnu/store", "it is for /gnu/store, not /nix/store"),
            ("<html>", "its nix-cache-info has a line without a colon"),
            ("Priority: high", "its Priority is not a number"),
            ("WantMassQuery: maybe", "its WantMassQuery is neither 0 nor 1"),
        ] {
            assert_eq!(check(bad.as_bytes()).unwrap_err(), expected);
        }
    }
}
