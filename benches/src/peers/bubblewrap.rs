//! bubblewrap: shows a directory at `/nix/store`, in namespaces.

use std::fs;

use crate::worker::Case;

/// Makes a case for a host with a `/nix/store`: one bind mount over it.
pub(crate) fn over_store(name: &str, store: &str, program: &str) -> Case {
    let case = Case::new(name, "/usr/bin/bwrap").args(["--dev-bind", "/", "/"]);
    case.args(["--ro-bind", store, "/nix/store", "--", program])
}

/// Makes a case for a host without `/nix`: a new root with all top-level directories of the host.
pub(crate) fn new_root(name: &str, store: &str, program: &str) -> Case {
    let mut case = Case::new(name, "/usr/bin/bwrap");
    for entry in fs::read_dir("/").expect("list /") {
        let entry = entry.expect("list /");
        let path = entry.path().display().to_string();
        case = match fs::read_link(entry.path()) {
            Ok(target) => case.args(["--symlink".to_owned(), target.display().to_string(), path]),
            Err(_) if path == "/nix" => case,
            Err(_) => case.args(["--dev-bind".to_owned(), path.clone(), path]),
        };
    }
    case.args(["--ro-bind", store, "/nix/store", "--", program])
}
