//! Builds the stub that packer embeds, so that a plain `cargo build` is enough.
//!
//! `PACKER_STUB=FILE` embeds that file instead. Nix uses it, because it builds the stub separately. It also
//! serves builds for another processor type.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// C compiler flags for zstd. nix/packer.nix reads the same file.
///
/// They keep one decoder of each kind, and the choice of BMI2 at run time. They omit unwind tables, because
/// the stub aborts on panic. This reduces the stub from 411 to 333 KB; the decoding time stays the same.
const CFLAGS: &str = include_str!("../runtime/cflags");

/// Compiler flags for the stub. Paths are relative to the workspace, where cargo runs the linker.
///
/// The stub is not position independent, so a start processes no ELF relocations. Constants are in the same
/// segment as the code, so a start maps two segments instead of four and has fewer page faults.
const RUSTFLAGS: &str = include_str!("../runtime/rustflags");

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed=PACKER_STUB");
    match stub() {
        Ok(stub) => {
            println!("cargo::rustc-env=PACKER_STUB_FILE={}", stub.display());
            ExitCode::SUCCESS
        }
        Err(message) => {
            message.lines().for_each(|line| println!("cargo::error={line}"));
            ExitCode::FAILURE
        }
    }
}

fn stub() -> Result<PathBuf, String> {
    if let Some(file) = env::var_os("PACKER_STUB") {
        let shown = Path::new(&file).display().to_string();
        let file = std::path::absolute(&file)
            .and_then(|file| file.metadata().map(|_| file))
            .map_err(|error| format!("PACKER_STUB={shown}: {error}"))?;
        println!("cargo::rerun-if-changed={}", file.display());
        return Ok(file);
    }
    let workspace = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("..");
    for source in ["runtime", "format", "Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    let arch = variable("CARGO_CFG_TARGET_ARCH")?;
    let target = format!("{arch}-unknown-linux-musl");
    check_target(&target)?;
    let compiler = c_compiler(&arch, &target)?;
    build(&workspace, &target, &compiler)
}

/// Checks that the standard library of the musl target is installed.
fn check_target(target: &str) -> Result<(), String> {
    let output = Command::new(variable("RUSTC")?)
        .args(["--print", "target-libdir", "--target", target])
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    let dir = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && Path::new(dir.trim()).is_dir() {
        return Ok(());
    }
    Err(format!(
        "the stub needs the Rust target {target}, which is not installed\n\
         hint: rustup target add {target}   (or build with PACKER_STUB=FILE)"
    ))
}

/// Finds a C compiler with musl's headers, for zstd's C code.
fn c_compiler(arch: &str, target: &str) -> Result<OsString, String> {
    let variable = format!("CC_{}", target.replace('-', "_"));
    println!("cargo::rerun-if-env-changed={variable}");
    if let Some(compiler) = env::var_os(&variable) {
        return Ok(compiler);
    }
    let mut names =
        vec![format!("{arch}-linux-musl-gcc"), format!("{arch}-unknown-linux-musl-gcc")];
    if env::var("HOST").is_ok_and(|host| host.starts_with(arch)) {
        names.insert(0, "musl-gcc".to_owned());
    }
    let works = |name: &&String| {
        let mut version = Command::new(name);
        version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    };
    names.iter().find(works).map(OsString::from).ok_or_else(|| {
        format!(
            "the stub needs a C compiler for musl; none of these is installed: {}\n\
             hint: apt install musl-tools   (or set {variable}, or build with PACKER_STUB=FILE)",
            names.join(", ")
        )
    })
}

fn build(workspace: &Path, target: &str, compiler: &OsStr) -> Result<PathBuf, String> {
    let target_dir = PathBuf::from(variable("OUT_DIR")?).join("stub");
    let mut cargo = Command::new(variable("CARGO")?);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_outer_build) {
            cargo.env_remove(name);
        }
    }
    let status = cargo
        .current_dir(workspace)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(workspace)?)
        .env(format!("CC_{}", target.replace('-', "_")), compiler)
        .env(format!("CFLAGS_{}", target.replace('-', "_")), CFLAGS.trim_end())
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
