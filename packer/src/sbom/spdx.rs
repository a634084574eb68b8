//! SPDX 2.3, JSON: <https://spdx.github.io/spdx-spec/v2.3/>.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use super::bill::Bill;
use super::component::{Component, Fact};
use super::document;
use super::license::License;

/// Where documents are that nobody has published. It is only a name: the specification's example has it.
const NAMESPACE: &str = "https://spdx.org/spdxdocs";

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const BUNDLE: &str = "SPDXRef-bundle";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: Creation,
    packages: Vec<Package>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    has_extracted_licensing_infos: Vec<OwnLicense>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize)]
struct Creation {
    created: String,
    creators: [String; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version_info: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    package_file_name: Option<String>,
    /// The only field that must be there and that nobody knows.
    download_location: &'static str,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    homepage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_declared: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<Reference>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

/// A license that is not in SPDX's list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnLicense {
    license_id: String,
    name: String,
    extracted_text: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

/// Writes the document.
pub(super) fn write(bill: &Bill, date: SystemTime) -> String {
    let (name, version) = bill.tool();
    let mut own = OwnLicenses::default();
    let mut packages = vec![Package {
        id: BUNDLE.to_owned(),
        name: bill.name.clone(),
        version_info: bill.version.clone(),
        ..Package::default()
    }];
    packages.extend(bill.components.iter().map(|component| package(component, &mut own)));
    let mut document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: bill.name.clone(),
        document_namespace: String::new(),
        creation_info: Creation {
            created: humantime::format_rfc3339_seconds(date).to_string(),
            creators: [format!("Tool: {name}-{version}")],
        },
        packages,
        has_extracted_licensing_infos: own.list(),
        relationships: relationships(bill),
    };
    // The name could have characters that no URI has.
    document.document_namespace =
        format!("{NAMESPACE}/packer-{}", document::uuid(&document::json(&document)));
    document::json(&document)
}

fn relationships(bill: &Bill) -> Vec<Relationship> {
    let ids: Vec<String> = bill.components.iter().map(id).collect();
    let relationship = |from: &str, relationship_type, to: &str| Relationship {
        spdx_element_id: from.to_owned(),
        relationship_type,
        related_spdx_element: to.to_owned(),
    };
    let depends = |from: &str, on: &[usize]| -> Vec<Relationship> {
        on.iter().map(|number| relationship(from, "DEPENDS_ON", &ids[*number])).collect()
    };
    let mut all = vec![relationship(DOCUMENT, "DESCRIBES", BUNDLE)];
    all.extend(ids.iter().map(|id| relationship(BUNDLE, "CONTAINS", id)));
    all.extend(depends(BUNDLE, &bill.roots));
    for (component, id) in bill.components.iter().zip(&ids) {
        all.extend(depends(id, &component.references));
    }
    all
}

/// Makes an identifier, which has fewer characters than the name of a store path. The hash makes it the only one.
fn id(component: &Component) -> String {
    format!("SPDXRef-{}", plain(&component.path.to_string()))
}

/// Letters, digits, dots and dashes; a dash in place of each other character.
fn plain(text: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    text.chars().map(|c| if is_plain(&c) { c } else { '-' }).collect()
}

impl Default for Package {
    fn default() -> Package {
        Package {
            id: String::new(),
            name: String::new(),
            version_info: String::new(),
            package_file_name: None,
            download_location: "NOASSERTION",
            files_analyzed: false,
            homepage: None,
            license_declared: None,
            summary: None,
            comment: None,
            external_refs: Vec::new(),
        }
    }
}

fn package(component: &Component, own: &mut OwnLicenses) -> Package {
    let about = &component.about;
    let known = |(reference_category, reference_type), locator: &Option<String>| {
        let reference = |locator: &String| Reference {
            reference_category,
            reference_type,
            reference_locator: locator.clone(),
        };
        locator.as_ref().map(reference)
    };
    let facts = component.facts.iter().filter_map(|(fact, value)| {
        Some(Reference {
            reference_category: "OTHER",
            reference_type: name(*fact)?,
            reference_locator: value.clone(),
        })
    });
    let cpe = known(("SECURITY", "cpe23Type"), &about.cpe);
    let purl = known(("PACKAGE-MANAGER", "purl"), &about.purl);
    Package {
        id: id(component),
        name: component.name.package.clone(),
        version_info: component.name.version.clone(),
        package_file_name: Some(component.full_path()),
        homepage: about.homepage.clone(),
        license_declared: own.expression(&about.licenses),
        summary: about.description.clone(),
        comment: component.is_partial.then_some("Files of this store path were left out."),
        external_refs: cpe.into_iter().chain(purl).chain(facts).collect(),
        ..Package::default()
    }
}

/// The type of a reference; `None` for what stands elsewhere: the purl has the output.
fn name(fact: Fact) -> Option<&'static str> {
    match fact {
        Fact::Output => None,
        Fact::Deriver => Some("nix-deriver"),
        Fact::NarHash => Some("nix-nar-hash"),
        Fact::NarSize => Some("nix-nar-size"),
        Fact::ContentAddress => Some("nix-content-address"),
        Fact::Signature => Some("nix-signature"),
    }
}

/// The licenses of a document that are not in SPDX's list: the name of each, by its identifier.
#[derive(Default)]
struct OwnLicenses(BTreeMap<String, String>);

impl OwnLicenses {
    /// Returns one expression of all licenses; `None` if there are none.
    fn expression(&mut self, licenses: &[License]) -> Option<String> {
        let licenses: Vec<License> = licenses
            .iter()
            .map(|license| match license {
                License::Named(name) => License::Listed(self.add(name)),
                license => license.clone(),
            })
            .collect();
        License::all(&licenses)
    }

    /// Returns the identifier of a name.
    fn add(&mut self, name: &str) -> String {
        let plain = format!("LicenseRef-{}", plain(name));
        let mut id = plain.clone();
        // Two names can have the same identifier.
        let mut number = 2;
        while self.0.get(&id).is_some_and(|other| other != name) {
            id = format!("{plain}-{number}");
            number += 1;
        }
        self.0.insert(id.clone(), name.to_owned());
        id
    }

    fn list(self) -> Vec<OwnLicense> {
        let license = |(license_id, name)| OwnLicense {
            license_id,
            name,
            extracted_text: "The text is not known, only the name.",
        };
        self.0.into_iter().map(license).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::bill::tests::bill;
    use super::super::meta::Meta;
    use super::super::meta::tests::parse;
    use super::*;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV};

    fn document(meta: &Meta) -> Value {
        serde_json::from_str(&write(&bill(meta), SystemTime::UNIX_EPOCH)).unwrap()
    }

    #[test]
    fn packages_have_what_is_known_and_relations() {
        let document = document(&Meta::default());
        assert_eq!(document["creationInfo"]["created"], "1970-01-01T00:00:00Z");
        assert_eq!(document["creationInfo"]["creators"], json!(["Tool: packer-0.1.0"]));
        let glibc = &document["packages"][1];
        assert_eq!(glibc["packageFileName"], format!("/nix/store/{GLIBC}"));
        assert!(glibc.get("licenseDeclared").is_none() && glibc.get("homepage").is_none());
        let types = |number: usize| -> Vec<&str> {
            let references = document["packages"][number]["externalRefs"].as_array().unwrap();
            references.iter().map(|r| r["referenceType"].as_str().unwrap()).collect()
        };
        assert_eq!(types(1), ["purl", "nix-nar-hash", "nix-nar-size"]);
        assert_eq!(
            types(3),
            ["purl", "nix-deriver", "nix-nar-hash", "nix-nar-size", "nix-signature"]
        );
        let relationships: Vec<String> = document["relationships"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| {
                let part = |key: &str| r[key].as_str().unwrap().replace("SPDXRef-", "");
                let [from, to] = ["spdxElementId", "relatedSpdxElement"].map(part);
                format!("{from} {} {to}", part("relationshipType"))
            })
            .collect();
        let expected = [
            "DOCUMENT DESCRIBES bundle".to_owned(),
            format!("bundle CONTAINS {GLIBC}"),
            format!("bundle CONTAINS {BASH}"),
            format!("bundle CONTAINS {MARKOV}"),
            format!("bundle DEPENDS_ON {MARKOV}"),
            format!("{BASH} DEPENDS_ON {GLIBC}"),
            format!("{MARKOV} DEPENDS_ON {BASH}"),
        ];
        assert_eq!(relationships, expected);
    }

    #[test]
    fn licenses_without_a_place_in_the_list_are_explained() {
        let meta = parse(
            r#"{"bash": {"license": ["MIT", {"name": "my own"}]}, "glibc": {"license": {"name": "my+own"}},
                "markov": {"license": "MIT OR ISC"}}"#,
        );
        let document = document(&meta);
        let declared = |number: usize| document["packages"][number]["licenseDeclared"].as_str();
        assert_eq!(declared(1), Some("LicenseRef-my-own"));
        assert_eq!(declared(2), Some("MIT AND LicenseRef-my-own-2"));
        assert_eq!(declared(3), Some("MIT OR ISC"));
        let listed = document["hasExtractedLicensingInfos"].as_array().unwrap();
        let names: Vec<&str> = listed.iter().map(|own| own["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["my+own", "my own"]);
    }

    #[test]
    fn identifiers_are_plain() {
        assert_eq!(plain("gtk+3_x?=1.0-é"), "gtk-3-x--1.0--");
    }
}
