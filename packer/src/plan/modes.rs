//! The modes that a bundle may use.

use format::{Mode, Modes};

use crate::error::{Error, Result};

/// Reads the list of `--mode`; without one, all modes that are known to be right for the closure.
///
/// `obstacle` is the first thing that keeps its references from being rewritten.
///
/// # Errors
///
/// If a name is no mode's, or the closure is not fit for the mode.
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
