//! Kubernetes' manifests in `docs/kubernetes.md`, run by podman and checked against Kubernetes' schemas.

use std::fs;
use std::process::Command;

use tests::{Closure, once, run, source};

use crate::engine::Engine;
use crate::image::Packing;

/// The manifests on the page, each block by itself.
pub(crate) fn manifests() -> Vec<String> {
    let page = fs::read_to_string(source().join("docs/kubernetes.md")).expect("read the page");
    let mut blocks = vec![String::new()];
    for line in page.lines() {
        match (line.strip_prefix("    "), blocks.last_mut()) {
            (Some(code), Some(block)) => block.extend([code, "\n"]),
            _ => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| block.starts_with("apiVersion: "));
    blocks
}

#[test]
#[ignore = "podman play kube"]
fn podman_runs_the_service_on_the_page() {
    let engine = Engine::of("rootless", &["catatonit", "slirp4netns"]);
    // As the page packs it.
    let packing = Packing::of(&Closure::example("markov"));
    let packing = packing.option("--closure", Closure::example("coreutils").path);
    let packing = packing.entry("/bin/markov").entry("/bin/env");
    engine.pack(packing.option("--name", "registry.example.org/markov:1.0"), "markov.tar");
    fs::write(engine.at("manifests.yaml"), &manifests()[0]).unwrap();
    let _ = engine.run(include_str!("kubernetes.sh"), &[]);
}

#[test]
#[ignore = "Kubernetes' schemas, from PyPI"]
fn kubernetes_knows_every_field_on_the_page() {
    const PACKAGE: &str = "kubernetes-validate==1.37.0";
    let schemas = once("kubernetes-validate", PACKAGE, |output| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--target"]).arg(output);
        run(pip.args(["--no-warn-script-location", PACKAGE])).expect_code(0);
    });
    let directory = tempfile::tempdir().unwrap();
    let mut python = Command::new("python3");
    python.arg("-c").arg(include_str!("manifests.py")).env("PYTHONPATH", schemas);
    for (number, manifest) in manifests().iter().enumerate() {
        let path = directory.path().join(number.to_string());
        fs::write(&path, manifest).unwrap();
        python.arg(path);
    }
    let checked = run(&mut python).stdout();
    let expected =
        "PersistentVolumeClaim markov-data\nDeployment markov\nService markov\nPod markov\n";
    assert_eq!(checked, expected);
}
