//! Builds the stubs that packer embeds, one for each processor type, so that a plain `cargo build` is enough.
//!
//! The stub for this machine must be built. Another one is left out, with a warning, if its Rust target or its C
//! compiler is not installed.
//!
//! `PACKER_STUB=FILE` embeds that file instead, or several with `:` between them. Nix uses it, because it builds the
//! stubs separately.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// C compiler flags for zstd. nix/packer.nix reads the same file.
///
/// They keep one decoder of each kind, and the choice of BMI2 at run time. They omit unwind tables, because
/// the stub aborts on panic. This reduces the stub from 411 to 333 KB; the decoding time stays the same. They omit
/// glibc's checks of buffers, since a compiler for glibc may have to do; zstd uses nothing that musl lacks.
const CFLAGS: &str = include_str!("../runtime/cflags");

/// Compiler flags for the stub. Paths are relative to the workspace, where cargo runs the linker.
///
/// The stub is not position independent, so a start processes no ELF relocations. Constants are in the same
/// segment as the code, so a start maps two segments instead of four and has fewer page faults.
const RUSTFLAGS: &str = include_str!("../runtime/rustflags");

/// The processor types that packer has stubs for, with the first word of the Rust target.
const PROCESSORS: [(&str, &str); 3] =
    [("x86_64", "x86_64"), ("aarch64", "aarch64"), ("riscv64", "riscv64gc")];

/// What a stub is built for and with.
struct Toolchain {
    target: String,
    compiler: OsString,
}

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed=PACKER_STUB");
    match stubs().and_then(|stubs| list(&stubs)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            message.lines().for_each(|line| println!("cargo::error={line}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes the list that `output/stub.rs` includes.
fn list(stubs: &[PathBuf]) -> Result<(), String> {
    let file = |stub: &PathBuf| format!("    include_bytes!({stub:?}),\n");
    let list: String = stubs.iter().map(file).collect();
    let path = Path::new(&variable("OUT_DIR")?).join("stubs.rs");
    fs::write(&path, format!("&[\n{list}]\n"))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn stubs() -> Result<Vec<PathBuf>, String> {
    if let Some(files) = env::var_os("PACKER_STUB") {
        return env::split_paths(&files).map(|file| given(&file)).collect();
    }
    let workspace = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("..");
    for source in ["runtime", "format", "Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    let own = variable("CARGO_CFG_TARGET_ARCH")?;
    let mut stubs = Vec::new();
    let mut omitted = Vec::new();
    for (processor, architecture) in PROCESSORS {
        match toolchain(processor, architecture)? {
            Ok(toolchain) => stubs.push(build(&workspace, &toolchain)?),
            Err(missing) if processor == own => return Err(missing.to_string()),
            Err(missing) => omitted.push(format!("{processor} ({})", missing.hint)),
        }
    }
    if !PROCESSORS.iter().any(|(processor, _)| *processor == own) {
        return Err(format!("there is no stub for {own}\nhint: build with PACKER_STUB=FILE"));
    }
    if !omitted.is_empty() {
        println!("cargo::warning=this packer has no stub for {}", omitted.join(", "));
    }
    Ok(stubs)
}

/// Checks a file that `PACKER_STUB` names.
fn given(file: &Path) -> Result<PathBuf, String> {
    let found = std::path::absolute(file)
        .and_then(|file| file.metadata().map(|_| file))
        .map_err(|error| format!("PACKER_STUB={}: {error}", file.display()))?;
    println!("cargo::rerun-if-changed={}", found.display());
    Ok(found)
}

/// What is not installed.
struct Missing {
    what: String,
    hint: String,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Missing { what, hint } = self;
        write!(f, "the stub needs {what}\nhint: {hint}   (or build with PACKER_STUB=FILE)")
    }
}

/// Finds what builds the stub for a processor type.
fn toolchain(processor: &str, architecture: &str) -> Result<Result<Toolchain, Missing>, String> {
    let target = format!("{architecture}-unknown-linux-musl");
    if !has_library(&target)? {
        return Ok(Err(Missing {
            what: format!("the Rust target {target}, which is not installed"),
            hint: format!("rustup target add {target}"),
        }));
    }
    Ok(c_compiler(processor, &target).map(|compiler| Toolchain { target, compiler }))
}

/// Whether the standard library of a Rust target is installed.
fn has_library(target: &str) -> Result<bool, String> {
    let output = Command::new(variable("RUSTC")?)
        .args(["--print", "target-libdir", "--target", target])
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    let directory = String::from_utf8_lossy(&output.stdout);
    let directory = Path::new(directory.trim());
    // It is there after `rustup target remove`, with nothing in it.
    let has_core = || {
        fs::read_dir(directory).is_ok_and(|files| {
            files.flatten().any(|file| file.file_name().as_encoded_bytes().starts_with(b"libcore-"))
        })
    };
    Ok(output.status.success() && has_core())
}

/// Whether the machine that builds has this target's processor type.
fn is_own(target: &str) -> bool {
    let architecture = |target: &str| target.split('-').next().map(str::to_owned);
    env::var("HOST").is_ok_and(|host| architecture(&host) == architecture(target))
}

/// Finds a C compiler for zstd's C code, which also links: one for musl, or for another processor Debian's for glibc.
fn c_compiler(processor: &str, target: &str) -> Result<OsString, Missing> {
    let variable = format!("CC_{}", target.replace('-', "_"));
    println!("cargo::rerun-if-env-changed={variable}");
    if let Some(compiler) = env::var_os(&variable) {
        return Ok(compiler);
    }
    let mut names =
        ["linux-musl", "unknown-linux-musl"].map(|kind| format!("{processor}-{kind}-gcc")).to_vec();
    let package = if is_own(target) {
        names.insert(0, "musl-gcc".to_owned());
        "musl-tools".to_owned()
    } else {
        names.push(format!("{processor}-linux-gnu-gcc"));
        format!("gcc-{}-linux-gnu", processor.replace('_', "-"))
    };
    let works = |name: &&String| {
        let mut version = Command::new(name);
        version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    };
    names.iter().find(works).map(OsString::from).ok_or_else(|| Missing {
        what: format!("a C compiler for musl; none of these is installed: {}", names.join(", ")),
        hint: format!("apt install {package}, or set {variable}"),
    })
}

fn build(workspace: &Path, toolchain: &Toolchain) -> Result<PathBuf, String> {
    let Toolchain { target, compiler } = toolchain;
    let name = target.replace('-', "_");
    let target_dir = PathBuf::from(variable("OUT_DIR")?).join("stub");
    let mut cargo = Command::new(variable("CARGO")?);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_outer_build) {
            cargo.env_remove(name);
        }
    }
    // The machine's own linker is the right one for its own processor type alone.
    let linker = format!("CARGO_TARGET_{}_LINKER", name.to_uppercase());
    println!("cargo::rerun-if-env-changed={linker}");
    if !is_own(target) && env::var_os(&linker).is_none() {
        cargo.env(linker, compiler);
    }
    let status = cargo
        .current_dir(workspace)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(workspace)?)
        .env(format!("CC_{name}"), compiler)
        .env(format!("CFLAGS_{name}"), CFLAGS.trim_end())
        // --locked: the outer build has already updated the lock file.
        .args(["build", "--locked", "--package=runtime", "--bin=runtime", "--features=stub"])
        .args(["--profile=stub", "--target", target, "--target-dir"])
        .arg(&target_dir)
        // The stdout of a build script is for instructions to cargo.
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("cannot run cargo for the stub: {error}"))?;
    if !status.success() {
        return Err(format!("the stub was not built: cargo {status}; see above"));
    }
    Ok(target_dir.join(target).join("stub/runtime"))
}

/// Returns [`RUSTFLAGS`], and flags that remove this machine's paths from panic messages.
fn rustflags(workspace: &Path) -> Result<OsString, String> {
    let workspace = workspace
        .canonicalize()
        .map_err(|error| format!("cannot find {}: {error}", workspace.display()))?;
    let mut flags = OsString::from(RUSTFLAGS.trim_end().replace('\n', "\x1f"));
    let home = || env::home_dir().map(|home| home.join(".cargo").into_os_string());
    let mut remap = |from: &OsStr, to: &str| {
        flags.push("\x1f--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    };
    if let Some(cargo_home) = env::var_os("CARGO_HOME").or_else(home) {
        remap(&cargo_home, "/cargo");
    }
    remap(workspace.as_os_str(), "/packer");
    Ok(flags)
}

/// Whether a variable describes the outer build: its target, profile, flags and wrappers such as clippy's.
///
/// The build of the stub must not inherit these. It inherits the user's settings, such as `CARGO_HOME`.
fn is_outer_build(name: &str) -> bool {
    const NAMES: [&str; 21] = [
        "CARGO",
        "CARGO_BUILD_RUSTC_WRAPPER",
        "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_INCREMENTAL",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_DIR",
        "CLIPPY_ARGS",
        "CLIPPY_CONF_DIR",
        "DEBUG",
        "HOST",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
        "TARGET",
    ];
    const PREFIXES: [&str; 7] = [
        "CARGO_BIN_EXE_",
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_PROFILE_",
        "DEP_",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("cargo did not set {name}"))
}
