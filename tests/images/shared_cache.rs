//! Images with a bundle and a shared cache in their layers: nothing is unpacked in the container, whoever runs it.

use std::fs;

use tests::{Bundle, Closure, packer, source};

use crate::engine::Engine;

/// The shared cache on the page, and here: a directory of the machine's own.
const PATHS: [&str; 2] = ["/opt/packed", "/srv/packed"];

#[test]
#[ignore = "podman"]
fn a_user_without_a_place_to_write_runs_the_bundle() {
    let page = fs::read_to_string(source().join("docs/cluster.md")).unwrap();
    let lines = page.lines().map(str::trim_start).skip_while(|line| !line.starts_with("FROM "));
    let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 6, "{lines:?}");
    let file = lines.join("\n").replace(PATHS[0], PATHS[1]);
    let engine = Engine::of("root", &["buildah"]);
    let bundle = Bundle::of(&Closure::probe()).entry("/bin/probe").pack();
    fs::copy(&bundle.path, engine.at("markov")).unwrap();
    fs::write(engine.at("Containerfile"), file).unwrap();
    fs::write(engine.at("shared"), PATHS[1]).unwrap();
    let program = engine.outside("/srv").join("markov");
    fs::copy(&bundle.path, program).unwrap();
    engine.as_root(&packer(), &["cache", "add", "/srv/markov", "--to", PATHS[1]]);
    let _ = engine.run(include_str!("shared_cache.sh"), &[PATHS[1]]);
}
