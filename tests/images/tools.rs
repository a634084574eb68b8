//! Tools that copy and unpack images: skopeo, umoci, crun, buildah.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests::{Closure, run, tree};

use crate::engine::Engine;
use crate::image::{Image, Packing, assert_has};

#[test]
#[ignore = "skopeo, umoci, crun, buildah"]
fn other_tools_take_them() {
    let closure = Closure::example("hello");
    for engine in Engine::both(&["skopeo", "umoci", "buildah"]) {
        let packing = || Packing::of(&closure).entry("/bin/hello").option("--env", "COLOR=red");
        engine.pack(packing(), "image.tar");
        engine.pack(packing().option("--compression", "zstd"), "zstd.tar");
        // The engines write there.
        let writable = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(engine.at(""), writable).unwrap();
        let _ = engine.run(include_str!("tools.sh"), &[]);

        let image = Image::open(&engine.at("image.tar"));
        let inspected: Value =
            serde_json::from_slice(&fs::read(engine.at("inspect.json")).unwrap()).unwrap();
        assert_eq!(inspected["Layers"], json!(image.digests()));
        assert_eq!(Image::open(&engine.at("layout")).manifest, image.manifest);
        assert_eq!(Image::open(&engine.at("zstd")).config, image.config);
        // Through the form of docker, compressed once more.
        for copy in ["back", "back.tar", "from-docker"] {
            let copy = Image::open(&engine.at(copy));
            assert_eq!(copy.config["rootfs"], image.config["rootfs"]);
            for key in ["Entrypoint", "Env", "User", "WorkingDir", "Labels"] {
                assert_eq!(copy.config["config"][key], image.config["config"][key], "{key}");
            }
        }

        let root = tempfile::tempdir().unwrap();
        let mut tar = Command::new("tar");
        tar.arg("-xpf").arg(engine.at("buildah.tar")).arg("--numeric-owner");
        run(tar.arg("-C").arg(root.path())).expect_code(0);
        assert_has(&root.path().join("nix/store"), &closure);
        let store = engine.at("bundle/rootfs/nix/store");
        if engine.is_root() {
            assert_has(&store, &closure);
        } else {
            // All is one user's.
            for path in closure.requisites() {
                let name = path.trim_start_matches("/nix/store/");
                let found = tree::list(&store.join(name)).unwrap();
                assert_eq!(found, tree::list(Path::new(&path)).unwrap());
            }
        }
    }
}
