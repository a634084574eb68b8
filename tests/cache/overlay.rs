//! A cache in the lower layer of an overlay, as in an image of a container: its directories cannot be renamed.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tests::{Change, Forge, Host, Nix, Start, User, tree};

/// A host whose home directory is an overlay, and what is below it.
struct Image {
    container: Host,
    program: PathBuf,
    /// The overlay's upper layer.
    upper: TempDir,
    /// The host whose home directory is the lower layer: a bundle was unpacked there.
    _builder: Host,
}

impl Image {
    /// As an image is made: the bundle runs once, and `PACKED=verify` has all of it written to the disk.
    fn build(user: &User, mode: &str, bundle: &Path) -> Image {
        let builder = Host::new(user.clone(), Nix::Absent);
        let first = builder.install(bundle);
        let start = || builder.start(&first).env("PACKED_MODE", mode).args(["exit", "9"]);
        start().run().expect_code(9);
        start().env("PACKED", "verify").run().expect_code(0);
        // overlayfs(5): both directories on one file system.
        let upper = tempfile::tempdir().expect("make a directory");
        for name in ["files", "work"] {
            fs::create_dir(upper.path().join(name)).expect("make a directory");
        }
        let home = user.home();
        let options = format!(
            "lowerdir={},upperdir={},workdir={},redirect_dir=off",
            builder.outside(home).display(),
            upper.path().join("files").display(),
            upper.path().join("work").display(),
        );
        fs::set_permissions(
            upper.path().join("files"),
            fs::metadata(builder.outside(home)).expect("look at a directory").permissions(),
        )
        .expect("set its mode");
        user.own(&upper.path().join("files")).expect("give it to the user");
        let overlay = Change::Mount { kind: "overlay", at: home.into(), options };
        let container = Host::changed(user.clone(), Nix::Absent, &[overlay]);
        let program = container.install(bundle);
        Image { container, program, upper, _builder: builder }
    }

    fn start(&self, mode: &str) -> Start {
        self.container.start(&self.program).env("PACKED_MODE", mode).args(["exit", "9"])
    }

    /// Runs a command in the home directory.
    fn shell(&self, script: &str) -> String {
        self.container.start("/bin/sh").args(["-c", script]).run().stdout()
    }
}

/// Alterations of the store path at `$p`.
const ALTERATIONS: [(&str, &str); 6] = [
    ("a file", "chmod u+w $p/share/text && echo bad >$p/share/text"),
    ("a file more", "chmod u+w $p/share && echo bad >$p/share/more"),
    (
        "a directory more",
        "chmod u+w $p && mkdir -p $p/more/of/it && echo bad >$p/more/of/it/x && chmod 555 $p/more",
    ),
    ("a file less", "chmod u+w $p/share && rm $p/share/text"),
    (
        "a directory in the place of a file",
        "chmod u+w $p/share && rm $p/share/text && mkdir $p/share/text",
    ),
    ("a link in the place of a directory", "chmod -R u+w $p && rm -r $p/share && ln -s / $p/share"),
];

#[test]
fn a_bundle_of_an_image_is_repaired_and_removed() {
    let directory = tempfile::tempdir().expect("make a directory");
    let bundle = Forge::small().write(&directory.path().join("probe"));
    for user in [User::ordinary(), User::root()] {
        for (mode, paths) in [("relocate", ""), ("namespace", "/stores/0")] {
            let image = Image::build(&user, mode, &bundle.path);
            let cache = image.container.cache();
            let point = format!("{mode} as {user:?}");
            let find = format!("p=$(ls -d {}{paths}/*-odd); ", cache.display());
            let list = format!(
                "{find}cd $p && find . -printf '%p %m %T@ %l\\n' | sort && sha256sum $(find . -type f | sort)"
            );
            image.start(mode).run().expect_code(9);
            let whole = image.shell(&list);
            assert!(whole.contains("./share/text 444"), "{point}: {whole}");
            let rename = image.shell(&format!("{find}python3 -c 'import os, sys; os.rename(sys.argv[1], sys.argv[1] + \".x\")' $p 2>&1; :"));
            assert!(rename.contains("Invalid cross-device link"), "{point}: {rename}");
            for (name, script) in ALTERATIONS {
                image.shell(&format!("{find}{script}"));
                assert_ne!(image.shell(&list), whole, "{name}, {point}");
                let said = image.start(mode).env("PACKED", "verify").run().stdout();
                assert!(
                    said.contains("-odd was altered, and is unpacked again"),
                    "{name}, {point}: {said}"
                );
                assert_eq!(image.shell(&list), whole, "{name}, {point}");
                image.start(mode).run().expect_code(9);
            }
            let said = image.start(mode).env("PACKED", "clear").run().stdout();
            assert_eq!(said, format!("cleared {}\n", cache.display()), "{point}");
            assert_eq!(image.shell(&format!("find {} -name text", cache.display())), "", "{point}");
            image.start(mode).run().expect_code(9);
            let upper = tree::list(image.upper.path()).expect("list a directory");
            assert!(!upper.keys().any(|path| path.contains("/.packed-")), "{point}: {upper:#?}");
        }
    }
}
