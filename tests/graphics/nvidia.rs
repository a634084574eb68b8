//! NVIDIA's own libraries, on a machine without a card: they are loaded, and find no device.

use std::path::PathBuf;
use std::process::Command;

use tests::{once, run, source};

use crate::tree::Tree;
use crate::{MODES, ask};

/// What they are in, on Debian.
const PACKAGES: [&str; 13] = [
    "libcuda1",
    "libegl-nvidia0",
    "libglx-nvidia0",
    "libnvidia-eglcore",
    "libnvidia-glcore",
    "libnvidia-glvkspirv",
    "libnvidia-ml1",
    "libnvidia-ptxjitcompiler1",
    "nvidia-egl-common",
    "nvidia-egl-icd",
    "nvidia-opencl-icd",
    "nvidia-vulkan-common",
    "nvidia-vulkan-icd",
];

fn packages() -> PathBuf {
    let script = source().join("tests/graphics/nvidia.sh");
    let text = std::fs::read(&script).expect("read a script");
    once("nvidia", (text, PACKAGES), |output| {
        run(Command::new(&script).arg(output).args(PACKAGES)).expect_code(0);
    })
}

#[test]
#[ignore = "it downloads NVIDIA's driver; make test-desktop does"]
fn says_that_there_is_no_device() {
    let files = packages();
    let place = "/usr/lib/x86_64-linux-gnu/nvidia/current";
    let tree = Tree::new();
    run(Command::new("cp").args(["-al", "--"]).arg(files.join("usr")).arg(tree.at("/")))
        .expect_code(0);
    let listed = std::fs::read_dir(tree.at(place)).unwrap();
    let version = listed
        .filter_map(|entry| {
            Some(entry.unwrap().file_name().to_str()?.strip_prefix("libcuda.so.")?.to_owned())
        })
        .find(|version| version.len() > 1)
        .expect("a library has the version in its name");
    tree.module(&version);
    for mode in MODES {
        let (text, log) = ask(&tree.host(), mode, &["cuda", "ml", "egl", "opencl"]);
        // cuda.h: CUDA_ERROR_NO_DEVICE.
        let is_told = text.contains("cuda: cuInit is 100\n");
        // nvml.h: NVML_ERROR_DRIVER_NOT_LOADED.
        assert!(is_told && text.contains("ml: nvmlInit is 9\n"), "{mode}: {text}\n{log}");
        assert!(log.contains(&version), "{mode}: {log}");
    }
}
