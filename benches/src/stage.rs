//! A stage: a host, and a worker on it that measures.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Bundle, Host, Nix, User, packer, run};

use crate::worker::{self, Case, Disk, Plan, Samples};

/// A host with the measured programs and the worker installed.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) host: Host,
    worker: PathBuf,
}

impl Stage {
    /// Makes a host of an ordinary user.
    pub(crate) fn new(nix: Nix) -> Stage {
        Stage::of(User::ordinary(), nix)
    }

    /// Makes a host of this user.
    pub(crate) fn of(user: User, nix: Nix) -> Stage {
        let host = Host::new(user, nix);
        let own = std::env::current_exe().expect("a program has a path");
        let worker = host.install(own);
        Stage { host, worker }
    }

    /// Copies a file to the host, where all users may read and run it.
    pub(crate) fn install(&self, file: &Path, name: &str) -> PathBuf {
        self.host.install_as(file, Path::new("/srv").join(name))
    }

    /// Extracts the closure of a bundle on the host; returns the directory that contains `nix/store`.
    pub(crate) fn install_closure(&self, bundle: &Bundle) -> String {
        let mut command = Command::new(packer());
        let outside = self.host.outside("/srv/closure");
        run(command.arg("extract").arg(&bundle.path).arg("--to").arg(outside)).expect_code(0);
        "/srv/closure".to_owned()
    }

    /// Makes an empty copy of the host's top-level directory with a `/nix/store`, as mount points.
    pub(crate) fn install_skeleton(&self) -> String {
        let top = self.host.outside("/srv/skeleton");
        fs::create_dir_all(top.join("nix/store")).expect("make a directory");
        for entry in fs::read_dir("/").expect("list /") {
            let entry = entry.expect("list /");
            let place = top.join(entry.file_name());
            let kind = entry.file_type().expect("list /");
            if kind.is_symlink() {
                symlink(fs::read_link(entry.path()).expect("read a link"), place).expect("link");
            } else if kind.is_dir() {
                fs::create_dir_all(place).expect("make a directory");
            } else {
                fs::write(place, "").expect("make a file");
            }
        }
        "/srv/skeleton".to_owned()
    }

    /// Starts the bundle of a case for the first time, which unpacks it; checks that it chooses this mode.
    pub(crate) fn prepare(&self, case: &Case, mode: &str) {
        let start = self.host.start(&case.program).env("PACKED_LOG", "debug");
        let start =
            case.environment.iter().fold(start, |start, (name, value)| start.env(name, value));
        let ended = start.run();
        ended.expect_code(0);
        let chosen = format!("mode {mode}");
        let log = ended.stderr();
        assert!(
            log.lines().any(|line| line.ends_with(&chosen) && !line.contains("not mode")),
            "{log}"
        );
    }

    /// Runs long rounds, each in a new worker; the first round is not counted.
    pub(crate) fn measure_rounds(&self, rounds: u64, turns: &[Vec<Case>], disk: Disk) -> Samples {
        let mut samples = Samples::new();
        for seed in 0..=rounds {
            let turns = turns.to_vec();
            let round = self.measure(&Plan { seed, rounds: 1, warm_up: 0, turns, disk });
            if seed > 0 {
                worker::add(&mut samples, round);
            }
        }
        samples
    }

    /// Runs a plan in a worker on the host.
    pub(crate) fn measure(&self, plan: &Plan) -> Samples {
        let plan = serde_json::to_vec(plan).expect("a plan is JSON");
        let ended = self.host.start(&self.worker).arg("worker").stdin(&plan).run();
        ended.expect_code(0);
        serde_json::from_slice(&ended.stdout).expect("samples are JSON")
    }
}
