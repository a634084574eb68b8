//! Chooses the modes that a bundle may use.

use format::{Mode, Modes};

use crate::error::{Error, Result};

/// Parses the list of `--mode`. Without a list, chooses all modes; `relocate` only if there is no obstacle.
///
/// `obstacle` is the first obstacle of the closure, if there is one.
///
/// # Errors
///
/// If a name is not a mode, or the list has `relocate` and the closure has an obstacle.
pub(crate) fn choose(names: &[String], obstacle: Option<&str>) -> Result<Modes> {
    if names.is_empty() {
        let is_fit = |mode: &Mode| *mode != Mode::Relocate || obstacle.is_none();
        return Ok(Mode::ALL.into_iter().filter(is_fit).collect());
    }
    let choose = |name: &String| {
        let mode = name.parse().map_err(|_| Error::UnknownMode { name: name.clone() })?;
        match obstacle {
            Some(obstacle) if mode == Mode::Relocate => {
                Err(Error::NotRelocatable { obstacle: obstacle.to_owned() })
            }
            _ => Ok(mode),
        }
    };
    names.iter().map(choose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_limits_the_modes() {
        let choose = |names: &[&str], obstacle| {
            choose(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>(), obstacle)
        };
        assert_eq!(choose(&[], None).unwrap().iter().count(), 4);
        assert_eq!(choose(&[], Some("why")).unwrap().iter().count(), 3);
        assert_eq!(choose(&["ram"], None).unwrap().iter().collect::<Vec<_>>(), [Mode::Ram]);
        assert!(choose(&["relocate"], None).is_ok());
        let not_relocatable = choose(&["relocate"], Some("why"));
        assert!(matches!(not_relocatable, Err(Error::NotRelocatable { .. })));
        assert!(matches!(choose(&["ram", "disk"], None), Err(Error::UnknownMode { .. })));
    }
}
