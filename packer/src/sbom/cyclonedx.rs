//! CycloneDX 1.6, JSON: <https://cyclonedx.org/docs/1.6/json/>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bill::Bill;
use super::component::{Component as Listed, Fact};
use super::document;
use super::license::License;
use super::meta::{About, Meta};

const SCHEMA: &str = "http://cyclonedx.org/schema/bom-1.6.schema.json";

/// The name of the whole in the list of dependencies. Store paths have their own.
const BUNDLE: &str = "bundle";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(rename = "$schema")]
    schema: &'a str,
    bom_format: &'a str,
    spec_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    version: u32,
    metadata: Metadata<'a>,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    tools: Tools<'a>,
    component: Component,
}

#[derive(Serialize)]
struct Tools<'a> {
    components: [Tool<'a>; 1],
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'a str,
    name: &'a str,
    version: &'a str,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Component {
    r#type: String,
    #[serde(rename = "bom-ref")]
    reference: String,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Choice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<Link>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
}

/// A list has licenses only, or one expression alone.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Choice {
    License(Term),
    Expression(String),
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Term {
    Id(String),
    Name(String),
}

#[derive(Deserialize, Serialize)]
struct Link {
    r#type: String,
    url: String,
}

#[derive(Deserialize, Serialize)]
struct Property {
    name: String,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    r#ref: String,
    depends_on: Vec<String>,
}

/// Writes the document. It has no time: it would be another one each time.
pub(super) fn write(bill: &Bill) -> String {
    let (name, version) = bill.tool();
    let references = |numbers: &[usize]| -> Vec<String> {
        numbers.iter().map(|number| bill.components[*number].full_path()).collect()
    };
    let all = Dependency { r#ref: BUNDLE.to_owned(), depends_on: references(&bill.roots) };
    let each = bill.components.iter().map(|component| Dependency {
        r#ref: component.full_path(),
        depends_on: references(&component.references),
    });
    let mut document = Document {
        schema: SCHEMA,
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: None,
        version: 1,
        metadata: Metadata {
            tools: Tools { components: [Tool { r#type: APPLICATION, name, version }] },
            component: Component {
                r#type: APPLICATION.to_owned(),
                reference: BUNDLE.to_owned(),
                name: bill.name.clone(),
                version: bill.version.clone(),
                ..Component::default()
            },
        },
        components: bill.components.iter().map(component).collect(),
        dependencies: [all].into_iter().chain(each).collect(),
    };
    document.serial_number =
        Some(format!("urn:uuid:{}", document::uuid(&document::json(&document))));
    document::json(&document)
}

/// The type of a component: the specification says this one for those whose type is not known.
const APPLICATION: &str = "application";

fn component(listed: &Listed) -> Component {
    let About { licenses, homepage, description, cpe, purl } = &listed.about;
    let link = |url: &String| Link { r#type: "website".to_owned(), url: url.clone() };
    let property =
        |name: &str, value: &str| Property { name: name.to_owned(), value: value.to_owned() };
    let path = property("nix:output_path", &listed.full_path());
    let facts = listed.facts.iter().map(|(fact, value)| property(name(*fact), value));
    let partial = listed.is_partial.then(|| property("packer:partial", "true"));
    Component {
        r#type: APPLICATION.to_owned(),
        reference: listed.full_path(),
        name: listed.name.package.clone(),
        version: listed.name.version.clone(),
        description: description.clone(),
        licenses: choices(licenses),
        cpe: cpe.clone(),
        purl: purl.clone(),
        external_references: homepage.iter().map(link).collect(),
        properties: [path].into_iter().chain(facts).chain(partial).collect(),
    }
}

/// Names of properties; `output_path` and `drv_path` are those of sbomnix.
fn name(fact: Fact) -> &'static str {
    match fact {
        Fact::Output => "nix:output",
        Fact::Deriver => "nix:drv_path",
        Fact::NarHash => "nix:nar_hash",
        Fact::NarSize => "nix:nar_size",
        Fact::ContentAddress => "nix:content_address",
        Fact::Signature => "nix:signature",
    }
}

fn choices(licenses: &[License]) -> Vec<Choice> {
    if let (true, Some(expression)) =
        (licenses.iter().any(|l| matches!(l, License::Expression(_))), License::all(licenses))
    {
        return vec![Choice::Expression(expression)];
    }
    let choice = |license: &License| {
        Choice::License(match license {
            License::Listed(id) => Term::Id(id.clone()),
            // Beside a name, no expression is allowed.
            License::Named(_) | License::Expression(_) => Term::Name(license.text().to_owned()),
        })
    };
    licenses.iter().map(choice).collect()
}

/// Takes what an embedded document says of licenses, homepages, descriptions, CPEs and purls: it was made of a file of
/// `--meta`, and a document of another form needs it, too.
///
/// # Errors
///
/// If it is not a document that this packer, or an older one, writes.
pub(crate) fn meta(document: &str) -> std::result::Result<Meta, serde_json::Error> {
    #[derive(Deserialize)]
    struct Components {
        components: Vec<Component>,
    }
    let Components { components } = serde_json::from_str(document)?;
    let about = |component: Component| {
        let license = |choice| match choice {
            Choice::Expression(text) => License::Expression(text),
            Choice::License(Term::Id(id)) => License::Listed(id),
            Choice::License(Term::Name(name)) => License::Named(name),
        };
        let mut links = component.external_references.into_iter();
        let about = About {
            licenses: component.licenses.into_iter().map(license).collect(),
            homepage: links.find(|link| link.r#type == "website").map(|link| link.url),
            description: component.description,
            cpe: component.cpe,
            purl: component.purl,
        };
        (component.reference, about)
    };
    Ok(Meta::new(components.into_iter().map(about).collect::<BTreeMap<_, _>>()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::bill::tests::bill;
    use super::super::meta::tests::parse;
    use super::*;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV};

    #[test]
    fn a_component_has_what_is_known_and_nothing_else() {
        let document: Value = serde_json::from_str(&write(&bill(&Meta::default()))).unwrap();
        let full = |base_name| format!("/nix/store/{base_name}");
        let glibc = &document["components"][0];
        let keys: Vec<&String> = glibc.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["bom-ref", "name", "properties", "purl", "type"]);
        assert_eq!(glibc["bom-ref"], full(GLIBC));
        assert_eq!(
            glibc["properties"][0],
            json!({"name": "nix:output_path", "value": full(GLIBC)})
        );
        let names = |number: usize| -> Vec<String> {
            let properties = document["components"][number]["properties"].as_array().unwrap();
            properties.iter().map(|p| p["name"].as_str().unwrap().replace("nix:", "")).collect()
        };
        assert_eq!(names(0), ["output_path", "nar_hash", "nar_size"]);
        assert_eq!(names(1), ["output_path", "nar_hash", "nar_size", "packer:partial"]);
        assert_eq!(names(2), ["output_path", "drv_path", "nar_hash", "nar_size", "signature"]);
        assert_eq!(
            document["dependencies"],
            json!([
                {"ref": "bundle", "dependsOn": [full(MARKOV)]},
                {"ref": full(GLIBC), "dependsOn": []},
                {"ref": full(BASH), "dependsOn": [full(GLIBC)]},
                {"ref": full(MARKOV), "dependsOn": [full(BASH)]},
            ])
        );
    }

    #[test]
    fn licenses_have_the_form_that_the_schema_allows() {
        let parse = |text| License::parse(text).unwrap();
        let own = || License::Named("own".into());
        for (licenses, expected) in [
            (vec![parse("MIT")], json!([{"license": {"id": "MIT"}}])),
            (
                vec![parse("MIT"), own()],
                json!([{"license": {"id": "MIT"}}, {"license": {"name": "own"}}]),
            ),
            (vec![parse("MIT OR ISC")], json!([{"expression": "MIT OR ISC"}])),
            (
                vec![parse("MIT OR ISC"), parse("Zlib")],
                json!([{"expression": "(MIT OR ISC) AND Zlib"}]),
            ),
            (
                vec![parse("MIT OR ISC"), own()],
                json!([{"license": {"name": "MIT OR ISC"}}, {"license": {"name": "own"}}]),
            ),
        ] {
            assert_eq!(serde_json::to_value(choices(&licenses)).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_embedded_is_read_back() {
        let meta_file = parse(
            r#"{"bash": {"license": "MIT OR ISC", "homepage": "https://bash.org", "description": "a shell",
                "cpe": "cpe:2.3:a:gnu:bash:5.2:*:*:*:*:*:*:*", "purl": "pkg:generic/bash@5.2"},
                "glibc": {"license": ["LGPL-2.1-or-later", {"name": "own"}]}}"#,
        );
        let document = write(&bill(&meta_file));
        assert_ne!(document, write(&bill(&Meta::default())));
        assert_eq!(write(&bill(&meta(&document).unwrap())), document);
        for other in ["", "{}", "[]", r#"{"components": [{"licenses": [{"odd": 1}]}]}"#] {
            assert!(meta(other).is_err(), "{other}");
        }
    }
}
