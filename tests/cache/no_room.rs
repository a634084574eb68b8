//! Where there is too little room, the launcher says how much is needed and where, and leaves nothing half done;
//! once there is room, the next start works. The same for `packer build` and `packer extract`.

use std::process::Command;

use nix::mount::MsFlags;
use tests::{Bundle, Change, Host, Nix, Store, User, packer, run, say};

/// Something there is too little of, in steps from nothing to enough.
struct Shortage {
    name: &'static str,
    /// Mount options of the file system at the home directory.
    options: &'static str,
    /// The steps, as arguments of seq(1).
    steps: &'static str,
    /// Shell commands before the first start, a prefix of it, and commands after it. `$step` is the step.
    before: &'static str,
    prefix: &'static str,
    after: &'static str,
    /// What the launcher's hint and the packer's say.
    hints: [&'static str; 2],
}

const ROOM: [&str; 2] = [" MB and 109 files in /home/alice/", "make room on that disk"];

const SHORTAGES: [Shortage; 4] = [
    Shortage {
        name: "space",
        options: "size=8m",
        steps: "0 128 3200",
        before: "head -c $(((8192 - step) * 1024)) /dev/zero > ~/ballast",
        prefix: "",
        after: "rm ~/ballast",
        hints: ROOM,
    },
    Shortage {
        name: "inodes",
        options: "size=8m,nr_inodes=200",
        steps: "0 8 160",
        // The file system's root is one of them.
        before: "mkdir ~/ballast; (cd ~/ballast; seq $((198 - step)) | xargs touch)",
        prefix: "",
        after: "rm -r ~/ballast",
        hints: ROOM,
    },
    Shortage {
        name: "a quota",
        options: "size=8m",
        steps: "1 6 140",
        before: "",
        // Some kernels are built without quotas.
        prefix: "strace -f -o /dev/null -e inject=pwrite64:error=EDQUOT:when=$step+",
        after: "",
        hints: [
            "; for the cache, set PACKED_CACHE to a directory on this machine's own disk, or PACKED_SHARED",
            ROOM[1],
        ],
    },
    Shortage {
        name: "the size of a file",
        options: "size=8m",
        steps: "0 80 2400",
        before: "",
        prefix: "prlimit --fsize=$((step * 1024))",
        after: "",
        hints: ["ulimit -f", "ulimit -f"],
    },
];

/// Runs a command with too little of something, and again with enough. What CHECK prints after each should not be.
const SCRIPT: &str = r#"
    wipe() { chmod -R u+w ~ && find ~ -mindepth 1 -delete; }
    for step in $(seq STEPS); do
        BEFORE; echo "step $step"; (PREFIX COMMAND) 2>&1; status=$?; echo "status $status"; CHECK; AFTER
        [ $status != 0 ] || wipe
        echo "next"; (COMMAND) 2>&1; echo "status $?"; CHECK; wipe
    done"#;

impl Shortage {
    /// Runs a command again and again, with more each time. `check` prints what a command has left that it
    /// should not, and what it has not that it should.
    ///
    /// `printed` is what it prints if it ends well; `status` that with which it fails; `hint` which of the hints
    /// it gives. Returns how many steps there were.
    fn befall(
        &self,
        host: &Host,
        command: &str,
        check: &str,
        printed: &str,
        (status, hint): (i32, usize),
    ) -> u32 {
        let script = SCRIPT
            .replace("COMMAND", command)
            .replace("PREFIX", self.prefix)
            .replace("BEFORE", if self.before.is_empty() { ":" } else { self.before })
            .replace("AFTER", if self.after.is_empty() { ":" } else { self.after })
            .replace("CHECK", check)
            .replace("STEPS", self.steps);
        let ended = host.start("/bin/sh").args(["-c", &script]).run();
        let text = String::from_utf8_lossy(&ended.stdout).into_owned();
        let [mut refused, mut steps] = [0; 2];
        let well = format!("{printed}status 0\n");
        for part in text.split("step ").skip(1) {
            let at = format!(
                "{command} with too little of {}, step {part}\n{}",
                self.name,
                ended.stderr()
            );
            let (first, next) = part.split_once("next\n").expect("both are started");
            let (_, first) = first.split_once('\n').expect("the step is on a line");
            steps += 1;
            assert_eq!(next, well, "{at}");
            if first != well {
                let lines: Vec<&str> = first.lines().collect();
                let [_, said, end] = lines[..] else { panic!("{at}") };
                assert_eq!(end, format!("status {status}"), "{at}");
                assert!(said.starts_with("hint: ") && said.contains(self.hints[hint]), "{at}");
                refused += 1;
            }
        }
        assert!(0 < refused && refused < steps, "{refused} of {steps}: {text}");
        steps
    }
}

/// A store path of 2 MiB in 100 files.
fn store() -> Store {
    let store = Store::new();
    store.program(format!("{}/bin/probe", Store::PATH), &tests::probe());
    for number in 0..100 {
        let content: String = (0..2000).map(|line| format!("{number} {line}\n")).collect();
        store.file(format!("{}/share/{}/{number}", Store::PATH, number % 5), content.as_bytes());
    }
    store
}

/// A host on which only the home directory can be written to, with a file system of its own there.
fn host(options: &str) -> Host {
    let user = User::ordinary();
    let options = format!("mode=700,uid={},gid={},{options}", user.uid, user.gid);
    let read_only = |at: &str| Change::Flags(at.into(), MsFlags::MS_RDONLY);
    let home = Change::Mount { kind: "tmpfs", at: user.home().into(), options };
    Host::changed(user, Nix::Absent, &[home, read_only("/tmp"), read_only("/var/tmp")])
}

/// What there is too little of, in words.
fn shortages() -> String {
    SHORTAGES.map(|shortage| shortage.name).join(", ")
}

#[test]
fn a_first_start_says_what_it_needs() {
    let store = store();
    let builder = Bundle::of_store(&store, Store::PATH).entry("/bin/probe");
    let bundle = builder.option("--level", "1").pack_into(store.root());
    let ordinary = Host::ordinary();
    let program = ordinary.install(&bundle.path);
    let printed = ordinary.start(&program).args(["files", "0"]).run().stdout();
    let mut steps = 0;
    for mode in ["relocate", "namespace"] {
        for shortage in &SHORTAGES {
            let host = host(shortage.options);
            let program = host.install(&bundle.path);
            let command = format!("env PACKED_MODE={mode} {} files 0", program.display());
            steps += shortage.befall(
                &host,
                &command,
                "find ~/.cache/packed -name '.packed-*'",
                &printed,
                (125, 0),
            );
        }
    }
    say(&format!("{steps} first starts with too little of {}", shortages()));
}

#[test]
fn packer_leaves_nothing_half_done() {
    let store = store();
    let builder = Bundle::of_store(&store, Store::PATH).entry("/bin/probe");
    let bundle = builder.option("--level", "1").pack_into(store.root());
    let mut steps = 0;
    for shortage in &SHORTAGES {
        let host = host(shortage.options);
        let (packer, program) = (host.install(packer()), host.install(&bundle.path));
        let (packer, program) = (packer.display(), program.display());
        let copied =
            run(Command::new("cp").arg("-a").arg(store.root()).arg(host.outside("/srv/store")));
        copied.expect_code(0);
        let path = format!("nix/store/{}", Store::PATH);
        let whole = "{ [ ! -e ~/to/nix/store/* ] || diff -r /srv/store/PATH ~/to/PATH; ls -A ~ | grep -v -e '^to$' -e ballast; ls -A ~/to 2>&- | grep -v nix; }";
        let whole = whole.replace("PATH", &path);
        let extract = format!("{packer} extract {program} --to ~/to");
        steps += shortage.befall(&host, &extract, &whole, "", (1, 0));
        let extract = format!("env PACKED=extract=$HOME/to {program}");
        steps += shortage.befall(&host, &extract, &whole, "", (125, 0));
        let build = format!(
            "{packer} build --level 1 --store-root /srv/store --closure /{path} --entry /bin/probe -o ~/out >/dev/null"
        );
        let whole = "{ [ ! -e ~/out ] || cmp /srv/probe ~/out; ls -A ~ | grep -v -e '^out$' -e ballast -e '^.cache$'; }";
        steps += shortage.befall(&host, &build, whole, "", (1, 1));
        // Images are written with another system call than the one that fails by a quota here.
        let images =
            if shortage.prefix.contains("pwrite64") { &[][..] } else { &["image", "image.tar"] };
        for name in images {
            let image = format!(
                "{packer} image --compression none --store-root /srv/store --closure /{path} --entry /bin/probe -o"
            );
            let whole = "{ [ ! -e ~/NAME ] || diff -r /srv/data/NAME ~/NAME; ls -A ~ | grep -v -e '^NAME$' -e ballast -e '^.cache$'; }";
            let _ = host.directory("/srv/data", 0o755);
            host.start("/bin/sh")
                .args(["-c", &format!("{image} /srv/data/{name}")])
                .run()
                .expect_code(0);
            let image = format!("{image} ~/{name} >/dev/null");
            steps += shortage.befall(&host, &image, &whole.replace("NAME", name), "", (1, 1));
        }
    }
    say(&format!("{steps} runs of packer with too little of {}", shortages()));
}
