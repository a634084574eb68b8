//! `bundle { meta = …; }`: what derivations say of themselves is in the bundle, and Nix counts no reference.

use std::fs;

use serde_json::{Value, json};
use tests::{Bundle, bundle, example, nix_build, references};

use crate::print;

#[test]
fn what_derivations_say_is_in_the_bundle() {
    let (hello, closure) = example("hello");
    let (greeting, _) = example("pkgs.bash");
    let expression = format!(
        r#"{} {{
            drv = {hello} // {{ meta = {{
                description = "A greeting"; homepage = [ "https://example.org/hello" "https://other.example" ];
                license = [ {{ spdxId = "GPL-3.0-or-later"; }} {{ fullName = "A license"; }} "MIT" ];
                identifiers = {{ cpe = "cpe:2.3:a:gnu:hello:1.0:*:*:*:*:*:*:*"; purl = null; }};
            }}; }};
            meta = [ ({greeting} // {{ meta.license.spdxId = "MIT"; }}) ];
            entry = "/bin/hello";
        }}"#,
        bundle(),
    );
    let (built, _) = nix_build(&expression, &[]);
    assert_eq!(references(&built), "");
    // Once more, and compared.
    assert_eq!(nix_build(&expression, &["--check"]).0, built);
    let document: Value =
        serde_json::from_str(&print(["sbom".as_ref(), built.as_os_str()])).unwrap();
    let path = closure.path.display().to_string();
    let components = document["components"].as_array().unwrap();
    let listed = components.iter().find(|component| component["bom-ref"] == path).unwrap();
    assert_eq!(listed["description"], "A greeting");
    assert_eq!(listed["externalReferences"][0]["url"], "https://example.org/hello");
    assert_eq!(listed["cpe"], "cpe:2.3:a:gnu:hello:1.0:*:*:*:*:*:*:*");
    let licenses = json!([
        { "license": { "id": "GPL-3.0-or-later" } },
        { "license": { "name": "A license" } },
        { "license": { "id": "MIT" } },
    ]);
    assert_eq!(listed["licenses"], licenses);
    assert_eq!(components.len(), closure.requisites().len());
}

#[test]
fn a_bundle_has_one_on_request_only() {
    let (hello, closure) = example("hello");
    let build = |attributes: &str| {
        nix_build(&format!("{} {{ drv = {hello}; {attributes} }}", bundle()), &[]).0
    };
    // As on the command line, without Nix's database.
    let by_hand = || Bundle::of(&closure).entry("/bin/hello").without_path_info();
    let (plain, with) = (by_hand().pack(), by_hand().flag("--sbom").pack());
    assert!(fs::read(build("")).unwrap() == fs::read(plain.path).unwrap());
    assert!(fs::read(build("sbom = true;")).unwrap() == fs::read(with.path).unwrap());
}
