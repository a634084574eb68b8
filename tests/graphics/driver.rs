//! Small libraries that have the names, SONAMEs and versions of NVIDIA's, and say that they were loaded.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{once, run, source};

/// The libraries that others open, with the ends of their SONAMEs.
pub(crate) const OPENED: [(&str, &str); 6] = [
    ("libcuda.so", ".1"),
    ("libnvidia-ml.so", ".1"),
    ("libEGL_nvidia.so", ".0"),
    ("libGLX_nvidia.so", ".0"),
    ("libnvidia-opencl.so", ".1"),
    ("libnvidia-ptxjitcompiler.so", ".1"),
];

/// Those that only these need, by names with the version in them.
pub(crate) const INNER: [&str; 2] = ["libnvidia-glsi.so", "libnvidia-glcore.so"];

/// A directory with the libraries of a version for a processor type, each as `NAME.VERSION`.
pub(crate) fn driver(processor: &str, version: &str) -> PathBuf {
    let text = fs::read(source().join("tests/graphics/driver.c")).expect("read a source");
    once(&format!("driver-{processor}-{version}"), text, |output| {
        fs::create_dir_all(output).expect("make a directory");
        let inner = INNER.map(|name| (name, format!(".{version}"), &[][..]));
        let opened = OPENED.map(|(name, end)| {
            // As NVIDIA's: these two need the others, and say nothing of where they are.
            let needed = if name.contains("GL") { &INNER[..] } else { &[] };
            (name, end.to_owned(), needed)
        });
        for (name, end, needed) in inner.into_iter().chain(opened) {
            let soname = format!("{name}{end}");
            let mut gcc = Command::new(compiler(processor));
            gcc.args(["-shared", "-fPIC", "-O1", "-s", "-w", "-D_GNU_SOURCE"])
                .arg(format!("-DNAME=\"{soname}\""))
                .arg(format!("-DVERSION=\"{version}\""))
                .arg(format!("-Wl,--no-as-needed,-soname,{soname}"))
                .arg("-o")
                .arg(output.join(format!("{name}.{version}")))
                .arg(source().join("tests/graphics/driver.c"))
                .args(needed.iter().map(|name| output.join(format!("{name}.{version}"))));
            run(&mut gcc).expect_code(0);
        }
    })
}

/// The C compiler for a processor type.
fn compiler(processor: &str) -> String {
    if processor == ARCH { "gcc".into() } else { format!("{processor}-linux-gnu-gcc") }
}

/// A library that needs a version of glibc that nobody has.
pub(crate) fn too_new(soname: &str) -> PathBuf {
    once(&format!("too-new-{soname}"), (), |output| {
        let work = tempfile::tempdir().expect("make a directory");
        let stub = work.path().join("libc.so.6");
        fs::write(work.path().join("map"), "GLIBC_2.99 { global: newer; };").expect("write a map");
        fs::write(work.path().join("newer.c"), "int newer(void) { return 0; }").expect("write C");
        fs::write(
            work.path().join("driver.c"),
            "int newer(void); int cuInit(int flags) { return newer(); }",
        )
        .expect("write C");
        let compile = |file: &str, output: &Path, options: &[&str]| {
            let mut gcc = Command::new("gcc");
            gcc.current_dir(work.path()).args(["-shared", "-fPIC", "-nostdlib", "-w", "-o"]);
            run(gcc.arg(output).arg(file).args(options)).expect_code(0);
        };
        compile("newer.c", &stub, &["-Wl,-soname,libc.so.6", "-Wl,--version-script=map"]);
        compile("driver.c", output, &[&format!("-Wl,-soname,{soname}"), "./libc.so.6"]);
    })
}
