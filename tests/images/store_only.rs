//! Images of the store alone, mounted into containers of other images, as Kubernetes does with image volumes.

use std::fs;

use tests::Closure;

use crate::engine::Engine;
use crate::image::Packing;
use crate::kubernetes::manifests;

/// The image's name in the manifest on the page.
const NAME: &str = "registry.example.org/markov-store:1.0";

#[test]
#[ignore = "podman"]
fn a_container_of_another_image_runs_the_program() {
    let manifests = manifests();
    for line in [&format!("reference: {NAME}"), "mountPath: /nix/store"] {
        assert!(manifests[1].contains(line), "{line}");
    }
    let closure = Closure::example("markov");
    let program = closure.path.join("bin/markov");
    let shell = Closure::example("programs.busybox").path.join("bin/busybox");
    for engine in Engine::both(&["curl"]) {
        let packing = Packing::of(&closure).flag("--store-only").option("--name", NAME);
        engine.pack(packing, "store.tar");
        fs::copy(&shell, engine.at("sh")).unwrap();
        let writable = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(engine.at(""), writable).unwrap();
        let _ = engine.run(include_str!("store_only.sh"), &[program.to_str().unwrap()]);
        let listed = fs::read_to_string(engine.at("listed")).unwrap();
        let listed: Vec<String> = listed.lines().map(|name| format!("/nix/store/{name}")).collect();
        assert_eq!(listed, closure.requisites().into_iter().collect::<Vec<_>>());
    }
}
