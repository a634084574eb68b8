//! Runs a command as on another machine: as an ordinary user, with another /nix or none at all.

// It talks to a person.
#![allow(clippy::print_stderr)]

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use tests::{Nix, Root, User};

const USAGE: &str = "\
usage: on-host [--without-nix | --other-paths] [--user UID] [--home DIR] -- COMMAND ARGUMENTS…
    --without-nix   there is no /nix
    --other-paths   /nix/store has other store paths
    --user UID      as this user; without it, as root
    --home DIR      with this home directory, which is made if it is missing and given to the user
Needs root. Everything else of the machine stays as it is.";

fn main() -> ExitCode {
    let error = match Asked::parse(env::args_os().skip(1)) {
        Some(asked) => asked.run(),
        None => USAGE.into(),
    };
    eprintln!("{error}");
    ExitCode::FAILURE
}

struct Asked {
    nix: Nix,
    user: User,
    home: Option<PathBuf>,
    command: OsString,
    arguments: Vec<OsString>,
}

impl Asked {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<Asked> {
        let (mut nix, mut user, mut home) = (Nix::SamePaths, User::root(), None);
        loop {
            match arguments.next()?.to_str()? {
                "--without-nix" => nix = Nix::Absent,
                "--other-paths" => nix = Nix::OtherPaths,
                "--user" => user = User::numbered(arguments.next()?.to_str()?.parse().ok()?),
                "--home" => home = Some(PathBuf::from(arguments.next()?)),
                "--" => break,
                _ => return None,
            }
        }
        let command = arguments.next()?;
        Some(Asked { nix, user, home, command, arguments: arguments.collect() })
    }

    /// Returns only if it fails.
    fn run(self) -> Box<dyn Error> {
        match self.enter() {
            Ok(()) => {
                let mut command = Command::new(&self.command);
                if let Some(home) = &self.home {
                    command.env("HOME", home);
                }
                // The caller's own cache and runtime directories belong to another user.
                command.env_remove("XDG_CACHE_HOME").env_remove("XDG_RUNTIME_DIR");
                let error = command.args(&self.arguments).exec();
                format!("{}: {error}", self.command.display()).into()
            }
            Err(error) => error,
        }
    }

    fn enter(&self) -> Result<(), Box<dyn Error>> {
        if let Some(home) = &self.home {
            fs::create_dir_all(home)?;
            self.user.own(home)?;
        }
        let directory = env::current_dir()?;
        if self.nix != Nix::SamePaths {
            let workplace = tempfile::tempdir()?;
            Root::new(workplace.path(), self.nix, &[], &[])?
                .enter()
                .map_err(|error| format!("can't hide /nix: {error}; this needs root"))?;
            // Outside it is an ordinary, empty directory again.
            drop(workplace);
        }
        self.user.become_user(&self.user.gids()).map_err(|error| {
            format!("can't become user {}: {error}; this needs root", self.user.uid)
        })?;
        env::set_current_dir(directory)?;
        Ok(())
    }
}
