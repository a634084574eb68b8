//! Images that other tools made, and what they find in the registry.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tests::{Store, probe, run};

use crate::calls::Home;
use crate::debian::Registry;

/// Makes a layout with umoci: two layers.
fn layout(home: &Home) {
    home.file("one", "the first layer");
    home.file("two", "the second layer");
    let umoci =
        |arguments: &[&str]| run(home.command("umoci").args(arguments)).expect_code(0).status;
    umoci(&["init", "--layout", "layout"]);
    umoci(&["new", "--image", "layout:1.0"]);
    umoci(&["insert", "--image", "layout:1.0", "one", "/one"]);
    umoci(&["insert", "--image", "layout:1.0", "two", "/two"]);
    // The manifests before the last are left over.
    umoci(&["gc", "--layout", "layout"]);
}

fn blobs(layout: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(layout.join("blobs/sha256")).expect("list blobs");
    entries.map(|entry| entry.expect("list").file_name().into_string().expect("digits")).collect()
}

fn skopeo(home: &Home, arguments: &[&str]) -> String {
    run(home.command("skopeo").args(arguments)).text()
}

#[test]
fn an_image_is_the_same_for_other_tools() {
    let (registry, home) = (Registry::plain(), Home::new());
    layout(&home);
    let name = registry.name("umoci/image:1.0");
    let pushed = home.packer(&["push", "layout", &name]).stdout();
    assert!(pushed.contains(": 3 of 3 blobs sent, "), "{pushed}");
    let remote = format!("docker://{name}");
    let info = skopeo(&home, &["inspect", "--tls-verify=false", &remote]);
    let info: Value = serde_json::from_str(&info).expect("skopeo prints JSON");
    assert_eq!(info["Layers"].as_array().map(Vec::len), Some(2));
    assert!(pushed.contains(info["Digest"].as_str().expect("a digest")), "{pushed}");
    skopeo(&home, &["copy", "--src-tls-verify=false", &remote, "oci:back:1.0"]);
    assert_eq!(blobs(&home.path().join("back")), blobs(&home.path().join("layout")));
}

/// The forms that skopeo, podman and buildah write: a tar archive, and its members' names begin with `./` or not.
#[test]
fn an_archive_is_as_good_as_a_directory() {
    let (registry, home) = (Registry::plain(), Home::new());
    layout(&home);
    skopeo(&home, &["copy", "oci:layout:1.0", "oci-archive:skopeo.tar:1.0"]);
    run(home.command("tar").args(["-C", "layout", "-cf", "tar.tar", "."])).expect_code(0);
    let digest = |source: &str| {
        let name = registry.name("image:1.0");
        let text = home.packer(&["push", source, &name]).stdout();
        text.split(' ').nth(2).expect("a digest").trim_end_matches(':').to_owned()
    };
    let expected = digest("layout");
    assert_eq!([digest("skopeo.tar"), digest("tar.tar")], [expected.clone(), expected]);
}

/// An index with an image for each of two processors.
#[test]
fn an_index_takes_its_images_along() {
    let (registry, home) = (Registry::plain(), Home::new());
    layout(&home);
    let path = home.path().join("layout/index.json");
    let index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut image = index["manifests"][0].clone();
    image["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [image] });
    let text = index.to_string();
    home.file("index", &text);
    let sum = run(home.command("sha256sum").arg("index")).text();
    let digits = sum.split(' ').next().unwrap();
    home.file(&format!("layout/blobs/sha256/{digits}"), &text);
    let descriptor = json!({ "mediaType": media_type, "digest": format!("sha256:{digits}"), "size": text.len() });
    home.file(
        "layout/index.json",
        json!({ "schemaVersion": 2, "manifests": [descriptor] }).to_string(),
    );

    let name = registry.name("both:1.0");
    home.packer(&["push", "layout", &name]).expect_code(0);
    skopeo(
        &home,
        &["copy", "--all", "--src-tls-verify=false", &format!("docker://{name}"), "oci:back:1.0"],
    );
    assert_eq!(blobs(&home.path().join("back")), blobs(&home.path().join("layout")));
}

#[test]
fn layers_are_taken_from_another_repository() {
    let (registry, home) = (Registry::plain(), Home::new());
    layout(&home);
    home.packer(&["push", "layout", &registry.name("base:1.0")]).expect_code(0);
    registry.requests();
    let other = registry.name("other:1.0");
    let text = home.packer(&["push", "layout", &other, "--mount-from", "base"]).stdout();
    assert!(text.contains(": 0 of 3 blobs sent, 0 B"), "{text}");
    let requests = registry.requests();
    let uploads = |word: &str| {
        requests.iter().filter(|line| line.starts_with("P") && line.contains(word)).count()
    };
    assert_eq!(
        (uploads("?mount="), uploads("blobs"), uploads("manifests")),
        (3, 3, 1),
        "{requests:?}"
    );

    // One that does not have them is no obstacle.
    let third = registry.name("third:1.0");
    let text = home.packer(&["push", "layout", &third, "--mount-from", "none"]).stdout();
    assert!(text.contains(": 3 of 3 blobs sent"), "{text}");
}

#[test]
fn a_damaged_layout_is_not_sent() {
    let (registry, home) = (Registry::plain(), Home::new());
    layout(&home);
    let name = registry.name("image:1.0");
    let index: Value = serde_json::from_slice(&home.read("layout/index.json")).unwrap();
    let path = |digest: &Value| {
        format!("layout/blobs/sha256/{}", &digest.as_str().expect("a digest")["sha256:".len()..])
    };
    let image = path(&index["manifests"][0]["digest"]);
    let manifest: Value = serde_json::from_slice(&home.read(&image)).unwrap();
    let layer = path(&manifest["layers"][1]["digest"]);
    let good = home.read(&layer);
    let other = vec![b'x'; good.len()];
    let cases: [(&str, &[u8], &str); 4] = [
        (&layer, &other, "layout is damaged: a blob is not sha256:"),
        (&layer, b"short", "layout is damaged: a blob is not sha256:"),
        (&image, b"{}", "layout is damaged: a blob is not sha256:"),
        ("layout/oci-layout", b"{}", "layout is not an OCI image layout: "),
    ];
    for (file, content, expected) in cases {
        let good = home.read(file);
        home.file(file, content);
        let (what, _) = home.packer(&["push", "layout", &name]).expect_refusal(1);
        assert!(what.contains(expected), "{what}");
        home.file(file, good);
    }
    fs::remove_file(home.path().join(&layer)).unwrap();
    let (what, _) = home.packer(&["push", "layout", &name]).expect_refusal(1);
    assert!(what.contains("it has no file blobs/sha256/"), "{what}");
    home.file(&layer, good);
    let (what, _) = home.packer(&["pull", &format!("oci://{name}")]).expect_refusal(1);
    assert!(what.contains("is not in the registry"), "nothing has the tag: {what}");

    // With everything in place it goes, but it is no bundle.
    home.packer(&["push", "layout", &name]).expect_code(0);
    let (what, hint) = home.packer(&["pull", &format!("oci://{name}")]).expect_refusal(1);
    assert!(
        what.contains("is not a bundle, but has the type application/vnd.oci.image.config.v1+json"),
        "{what}"
    );
    assert!(hint.contains("podman pull"), "{hint}");
}

/// `packer image --push`: two images of programs that share their libraries send these once.
#[test]
fn an_image_of_ours_is_pushed_as_it_is_made() {
    let (registry, home) = (Registry::plain(), Home::new());
    let store = Store::new();
    let (shared, own) = (Store::OTHER, Store::PATH);
    store.file(format!("{shared}/lib/data"), &vec![7; 2 << 20]);
    let program = |text: &str| {
        store.program(format!("{own}/bin/probe"), &probe());
        store.file(format!("{own}/share/text"), format!("/nix/store/{shared}\n{text}").as_bytes());
    };
    let root = store.root().to_str().expect("text").to_owned();
    let closure = format!("/nix/store/{own}");
    let image = |name: &str, more: &[&str]| {
        let options = ["image", "--store-root", &root, "--closure", &closure, "--push", name];
        let printed = home.packer(&[&options[..], more].concat()).stdout();
        printed.lines().last().expect("it says what is sent").to_owned()
    };
    program("one");
    let name = registry.name("shared/image:1");
    let first = image(&name, &[]);
    assert!(first.starts_with(&format!("{name} is sha256:")), "{first}");
    assert!(first.contains(": 4 of 4 blobs sent, "), "{first}");
    // Nothing is left of the layout.
    assert!(
        fs::read_dir(home.path())
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().contains("image") })
    );
    program("two");
    let second = image(&registry.name("shared/image:2"), &["-o", "kept.tar"]);
    assert!(second.contains(": 2 of 4 blobs sent, "), "{second}");
    assert!(home.path().join("kept.tar").is_file());
    let remote = format!("docker://{name}");
    let info = skopeo(&home, &["inspect", "--tls-verify=false", &remote]);
    let info: Value = serde_json::from_str(&info).expect("skopeo prints JSON");
    assert_eq!(info["Layers"].as_array().map(Vec::len), Some(3));
    assert_eq!(info["Labels"]["packer.entries"], "probe");
}
