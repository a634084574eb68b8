//! The modes that a bundle may use.

use format::{Mode, Modes};

use crate::error::{Error, Result};

/// Reads the list of `--mode`; without one, all modes that are known to be right for the closure.
///
/// # Errors
///
/// If a name is no mode's, or the closure is not fit for the mode.
pub(crate) fn choose(names: &[String]) -> Result<Modes> {
    let fit = [Mode::Host, Mode::Namespace, Mode::Ram];
    if names.is_empty() {
        return Ok(fit.into_iter().collect());
    }
    let choose = |name: &String| {
        let mode = name.parse().map_err(|_| Error::UnknownMode { name: name.clone() })?;
        // Nothing has proven yet that the references of this closure can be rewritten.
        if fit.contains(&mode) { Ok(mode) } else { Err(Error::NotRelocatable) }
    };
    names.iter().map(choose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_limits_the_modes() {
        let choose =
            |names: &[&str]| choose(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(choose(&[]).unwrap().iter().count(), 3);
        assert_eq!(choose(&["ram"]).unwrap().iter().collect::<Vec<_>>(), [Mode::Ram]);
        assert!(matches!(choose(&["relocate"]), Err(Error::NotRelocatable)));
        assert!(matches!(choose(&["ram", "disk"]), Err(Error::UnknownMode { .. })));
    }
}
