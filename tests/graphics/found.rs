//! The driver of a host is found where its distribution has it, and a bundled program gets it in each mode.

use std::collections::BTreeSet;
use std::fs;

use tests::{Bundle, Closure, Host, Nix, User, UserNamespace, need};

use crate::driver::{INNER, OPENED};
use crate::tree::{DEBIAN, Tree, VERSION};
use crate::{INTERFACES, MODES, ask, said, start};

/// Checks that each interface gets the library of the host that is there, in each mode.
#[track_caller]
fn finds(host: &Host, directory: &str, interfaces: &[&str]) {
    finds_in(&MODES, host, directory, interfaces);
}

#[track_caller]
fn finds_in(modes: &[&str], host: &Host, directory: &str, interfaces: &[&str]) {
    for mode in modes {
        let (text, log) = ask(host, mode, interfaces);
        for interface in interfaces {
            let library = match *interface {
                "cuda" => "libcuda.so",
                "ml" => "libnvidia-ml.so",
                "egl" => "libEGL_nvidia.so",
                "opencl" => "libnvidia-opencl.so",
                // Vulkan's is the same file.
                _ => "libGLX_nvidia.so",
            };
            let named = OPENED.into_iter().find(|(name, _)| *name == library);
            let (_, end) = named.expect("it is opened");
            let loaded = format!("{library}{end} {VERSION} {directory}/{library}.{VERSION}\n");
            assert!(text.contains(&loaded), "{mode}: {loaded}\n{text}\n{log}");
        }
        let answers = [
            ("cuda", "cuda: cuInit is 0\n"),
            ("ml", "ml: nvmlInit is 0\n"),
            ("glx", "glx: libGLX_nvidia.so.0\n"),
            ("vulkan", "vulkan: vkCreateInstance is 0, devices: 1\n"),
            ("opencl", "opencl: libnvidia-opencl.so.1\n"),
        ];
        for (_, answer) in answers.iter().filter(|(name, _)| interfaces.contains(name)) {
            assert!(text.contains(answer), "{mode}: {answer}\n{text}\n{log}");
        }
        assert!(log.contains(VERSION) || log.contains("/run/opengl-driver"), "{mode}: {log}");
    }
}

#[test]
fn of_debian() {
    // In two directories, and with links through /etc/alternatives.
    let tree = Tree::new();
    let current = format!("{DEBIAN}/nvidia/current");
    tree.module(VERSION);
    tree.opened(&current, VERSION);
    tree.inner(DEBIAN, VERSION);
    for (name, end) in OPENED {
        let link = format!("/etc/alternatives/nvidia--{name}{end}-x86_64-linux-gnu");
        tree.link(&format!("{DEBIAN}/{name}{end}"), &link);
        tree.link(&link, format!("{current}/{name}{end}"));
    }
    tree.data();
    tree.cache(&[&current, DEBIAN]);
    finds(&tree.host(), &current, &INTERFACES);
}

#[test]
fn of_ubuntu() {
    finds(&Tree::with_driver(DEBIAN).host(), DEBIAN, &INTERFACES);
}

#[test]
fn of_fedora() {
    finds(&Tree::with_driver("/usr/lib64").host(), "/usr/lib64", &INTERFACES);
}

#[test]
fn of_arch() {
    finds(&Tree::with_driver("/usr/lib").host(), "/usr/lib", &INTERFACES);
}

#[test]
fn where_only_the_loaders_cache_knows() {
    let tree = Tree::with_driver("/usr/lib/some/place");
    tree.cache(&["/usr/lib/some/place"]);
    finds(&tree.host(), "/usr/lib/some/place", &INTERFACES);
}

#[test]
fn of_root() {
    let tree = Tree::with_driver(DEBIAN);
    let host = tree.host_of(User::root(), Nix::OtherPaths);
    finds(&host, DEBIAN, &INTERFACES);
}

/// The closure is in a store of the host's, which has no driver.
#[test]
fn in_the_hosts_store() {
    let tree = Tree::with_driver(DEBIAN);
    let host = tree.host_of(User::ordinary(), Nix::SamePaths);
    finds_in(&["host"], &host, DEBIAN, &INTERFACES);
}

/// The toolkit mounts the libraries, and /proc/driver; there need be no files for loaders.
#[test]
fn of_a_container() {
    let tree = Tree::new();
    tree.libraries(DEBIAN, VERSION);
    tree.file(
        "/proc/driver/nvidia/version",
        &format!(
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {VERSION}  Wed May  8 10:29:37 UTC 2024\n\
             GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
        ),
    );
    finds(&tree.host(), DEBIAN, &["cuda", "ml"]);
}

/// The open modules write another line.
#[test]
fn of_the_open_modules() {
    let tree = Tree::new();
    tree.libraries(DEBIAN, VERSION);
    tree.file(
        "/proc/driver/nvidia/version",
        &format!("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {VERSION}  Release Build  (builder@host)\n"),
    );
    finds(&tree.host(), DEBIAN, &["cuda", "ml"]);
}

/// Google's Kubernetes nodes mount the driver there.
#[test]
fn of_a_cluster() {
    finds(
        &Tree::with_driver("/usr/local/nvidia/lib64").host(),
        "/usr/local/nvidia/lib64",
        &INTERFACES,
    );
}

/// Windows has the driver: no module, and files without a version.
#[test]
fn of_wsl() {
    let tree = Tree::new();
    let place = "/usr/lib/wsl/lib";
    tree.libraries(place, VERSION);
    tree.without_version(place, VERSION);
    for mode in MODES {
        let (text, log) = ask(&tree.host(), mode, &["cuda", "ml"]);
        for name in ["libcuda.so.1", "libnvidia-ml.so.1"] {
            let loaded = format!("{name} {VERSION} {place}/{name}\n");
            assert!(text.contains(&loaded), "{mode}: {loaded}\n{text}\n{log}");
        }
    }
}

/// NVIDIA's small computers have files without a version, too; run by an emulator.
#[test]
fn of_jetson() {
    const OTHER: &str = "aarch64";
    need(&["aarch64-linux-gnu-gcc", "qemu-aarch64-static"]);
    let bundle =
        Bundle::of(&Closure::example_for(OTHER, "graphics.asks")).entry("/bin/asks").pack();
    let emulating = UserNamespace::emulating(OTHER);
    for name in ["tegra", "nvidia"] {
        let place = format!("/usr/lib/aarch64-linux-gnu/{name}");
        let tree = Tree::of(OTHER);
        tree.libraries(&place, VERSION);
        tree.without_version(&place, VERSION);
        let host = tree.host();
        let start = host.start(host.install(&bundle.path)).user_namespace(emulating.file());
        let (text, log) = said(&start.arg("cuda").env("PACKED_LOG", "debug").run());
        let loaded = format!("libcuda.so.1 {VERSION} {place}/libcuda.so.1\n");
        assert!(text.contains(&loaded), "{loaded}\n{text}\n{log}");
    }
}

/// NixOS, or a machine whose administrator has made that directory: it is taken as it is.
#[test]
fn of_nixos() {
    let tree = Tree::new();
    let place = "/usr/lib/elsewhere";
    tree.libraries(place, VERSION);
    tree.link("/run/opengl-driver/lib", place);
    finds(&tree.host(), place, &["cuda", "ml"]);
}

/// Nothing but the driver's own files is ever linked.
#[test]
fn without_anything_else() {
    let tree = Tree::with_driver(DEBIAN);
    // What a machine has beside them, and what would look like a part of the driver if a version were enough.
    for name in ["libc", "libX11", "libwayland-client", "libstdc++"] {
        let library = tree.at(&format!("{DEBIAN}/libcuda.so.{VERSION}"));
        fs::copy(library, tree.at(&format!("{DEBIAN}/{name}.so.{VERSION}"))).unwrap();
    }
    let host = tree.host();
    let _ = ask(&host, "relocate", &INTERFACES);
    let graphics = host.outside(host.cache().join("graphics"));
    let made: Vec<_> =
        fs::read_dir(&graphics).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [made] = &made[..] else { panic!("{made:?}") };
    assert!(made.file_name().unwrap().to_string_lossy().starts_with(VERSION), "{made:?}");
    let names = |directory: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(made.join(directory)).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let mut expected: BTreeSet<_> = INNER.map(|name| format!("{name}.{VERSION}")).into();
    for (name, end) in OPENED {
        expected.extend([format!("{name}.{VERSION}"), format!("{name}{end}")]);
    }
    expected.insert("libcuda.so".into());
    assert_eq!(names("lib"), expected);
    for name in &expected {
        assert!(made.join("lib").join(name).is_symlink(), "{name}");
    }
    assert_eq!(names("share/glvnd/egl_vendor.d"), ["10_nvidia.json".to_owned()].into());
    assert_eq!(names("share/vulkan/icd.d"), ["nvidia_icd.json".to_owned()].into());
    assert_eq!(names("etc/OpenCL/vendors"), ["nvidia.icd".to_owned()].into());
}

/// A variable that is set stays as it is.
#[test]
fn and_the_callers_variables_stay() {
    let tree = Tree::with_driver(DEBIAN);
    let host = tree.host();
    let names = [
        "__EGL_VENDOR_LIBRARY_FILENAMES",
        "VK_DRIVER_FILES",
        "VK_ICD_FILENAMES",
        "OCL_ICD_VENDORS",
        "__GLX_VENDOR_LIBRARY_NAME",
    ];
    for mode in MODES {
        let start = names
            .iter()
            .fold(start(&host, mode, &["/usr/bin/env"]), |start, name| start.env(name, "/mine"));
        let text = start.run().stdout();
        for name in names {
            assert!(
                text.lines().any(|line| line == format!("{name}=/mine")),
                "{mode}: {name}\n{text}"
            );
        }
    }
}
