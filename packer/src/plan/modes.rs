//! The modes that a bundle may use.

use format::{Findings, Mode, Modes};

use super::verdict::Verdict;
use crate::error::{Error, Result};

/// Reads the list of `--mode`; without one, all modes that are not known to be wrong for the closure.
///
/// # Errors
///
/// If a name is no mode's, or the closure is not fit for the mode.
pub(crate) fn choose(names: &[String], findings: &Findings) -> Result<Modes> {
    let verdict = Verdict::of(findings);
    if names.is_empty() {
        let is_fit = |mode: &Mode| *mode != Mode::Relocate || verdict != Verdict::Refused;
        return Ok(verdict.order(Mode::ALL.into_iter().filter(is_fit).collect()));
    }
    let choose = |name: &String| {
        let mode = name.parse().map_err(|_| Error::UnknownMode { name: name.clone() })?;
        match findings.obstacles.first() {
            Some(obstacle) if mode == Mode::Relocate => {
                Err(Error::NotRelocatable { obstacle: obstacle.clone() })
            }
            _ => Ok(mode),
        }
    };
    Ok(verdict.order(names.iter().map(choose).collect::<Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(names: &[&str], obstacles: &[&str], doubts: &[&str]) -> Result<Vec<Mode>> {
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let findings =
            Findings { obstacles: owned(obstacles), doubts: owned(doubts), ..Findings::default() };
        Ok(super::choose(&owned(names), &findings)?.iter().collect())
    }

    #[test]
    fn list_limits_the_modes() {
        assert_eq!(choose(&[], &[], &[]).unwrap(), Mode::ALL);
        assert_eq!(choose(&[], &["why"], &["why"]).unwrap().len(), 3);
        assert_eq!(choose(&["ram"], &[], &[]).unwrap(), [Mode::Ram]);
        assert!(choose(&["relocate"], &[], &[]).is_ok());
        let not_relocatable = choose(&["relocate"], &["why"], &[]);
        assert!(matches!(not_relocatable, Err(Error::NotRelocatable { .. })));
        assert!(matches!(choose(&["ram", "disk"], &[], &[]), Err(Error::UnknownMode { .. })));
    }

    #[test]
    fn a_namespace_comes_first_where_relocation_is_only_likely() {
        let order = [Mode::Host, Mode::Namespace, Mode::Relocate, Mode::Ram];
        assert_eq!(choose(&[], &[], &["why"]).unwrap(), order);
        let asked = choose(&["relocate", "namespace"], &[], &["why"]).unwrap();
        assert_eq!(asked, [Mode::Namespace, Mode::Relocate]);
    }
}
