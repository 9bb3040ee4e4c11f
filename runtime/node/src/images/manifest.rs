//! What a registry says an image consists of.

use mote_api::{ByteSize, Digest};
use mote_host::MAX_SOURCE_BYTES;
use serde::Deserialize;

/// Largest manifest: what registries have to take, by the specification.
pub(crate) const MAX_MANIFEST_BYTES: usize = 4 << 20;
/// Most layers and platforms of one image. A program is one layer, and
/// container images seldom have a hundred.
const MAX_PARTS: usize = 128;
/// Most media types or platforms that are told of an image that is none.
const MAX_TOLD: usize = 4;
/// Longest of these names that is told.
const MAX_TOLD_BYTES: usize = 80;
/// Media types of a component's layer: that of the specification, and the one
/// before it.
const PROGRAM_TYPES: [&str; 2] = [
    "application/wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
];
/// The processor that the manifest of a program is for.
const ARCHITECTURE: &str = "wasm";
/// What a registry is asked for.
pub(crate) const MANIFEST_TYPES: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// A manifest, as far as it is of use here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// That of an image that holds a program.
    Program(Layer),
    /// One that names another, for programs of WebAssembly.
    Elsewhere(Digest),
}

/// The layer that is a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) digest: Digest,
    pub(crate) bytes: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    architecture: String,
}

/// Reads a manifest of at most [`MAX_MANIFEST_BYTES`].
///
/// # Errors
/// It is none, or that of an image without one program; the text says how.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, String> {
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| {
        format!(
            "its manifest is malformed at line {}, column {}",
            error.line(),
            error.column()
        )
    })?;
    if manifest.schema_version != 2 {
        return Err(format!(
            "its manifest is of version {}, and 2 is known here",
            manifest.schema_version
        ));
    }
    match (manifest.layers, manifest.manifests) {
        (Some(layers), None) => program(&layers).map(Parsed::Program),
        (None, Some(manifests)) => platform(&manifests).map(Parsed::Elsewhere),
        _ => Err("its manifest lists neither layers nor manifests".to_owned()),
    }
}

fn program(layers: &[Descriptor]) -> Result<Layer, String> {
    check_count("layers", layers.len())?;
    let is_program = |layer: &&Descriptor| PROGRAM_TYPES.contains(&layer.media_type.as_str());
    let mut programs = layers.iter().filter(is_program);
    let (first, second) = (programs.next(), programs.next());
    let Some(layer) = first else {
        let types = layers.iter().map(|layer| layer.media_type.as_str());
        return Err(format!(
            "it holds no program of WebAssembly but {}; push one as a layer of {}",
            told(types),
            PROGRAM_TYPES[0]
        ));
    };
    if second.is_some() {
        return Err(
            "it holds several programs, and not one; push each as its own image".to_owned(),
        );
    }
    if layer.size == 0 || layer.size > MAX_SOURCE_BYTES.as_u64() {
        return Err(format!(
            "its program is of {}; the most is {MAX_SOURCE_BYTES}",
            ByteSize::bytes(layer.size)
        ));
    }
    Ok(Layer {
        digest: digest(layer)?,
        bytes: layer.size,
    })
}

fn platform(manifests: &[Descriptor]) -> Result<Digest, String> {
    check_count("platforms", manifests.len())?;
    let architecture = |manifest: &Descriptor| {
        let platform = manifest.platform.as_ref();
        platform.map(|platform| platform.architecture.clone())
    };
    let is_wasm = |manifest: &&Descriptor| architecture(manifest).as_deref() == Some(ARCHITECTURE);
    let mut found = manifests.iter().filter(is_wasm);
    match (found.next(), found.next()) {
        (Some(manifest), None) => digest(manifest),
        (Some(_), Some(_)) => {
            Err("it is there for WebAssembly several times, and not once".to_owned())
        }
        (None, _) => {
            let known: Vec<_> = manifests.iter().filter_map(architecture).collect();
            Err(format!(
                "it is not there for {ARCHITECTURE} but for {}; build it for WebAssembly, or run it as a pod",
                told(known.iter().map(String::as_str))
            ))
        }
    }
}

fn digest(descriptor: &Descriptor) -> Result<Digest, String> {
    let parsed = descriptor.digest.parse();
    parsed.map_err(|_| "its manifest names a digest that is not of SHA-256".to_owned())
}

fn check_count(what: &str, count: usize) -> Result<(), String> {
    if count <= MAX_PARTS {
        return Ok(());
    }
    Err(format!("it has {count} {what}; the most is {MAX_PARTS}"))
}

/// Some names that somebody else chose, as they can be told.
fn told<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        if distinct.len() < MAX_TOLD && !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    let visible = |name: &str| -> String {
        let letters = name.chars().filter(char::is_ascii_graphic);
        letters.take(MAX_TOLD_BYTES).collect()
    };
    match distinct.as_slice() {
        [] => "nothing".to_owned(),
        some => some
            .iter()
            .map(|name| visible(name))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn sha(byte: &str) -> String {
        format!("sha256:{}", byte.repeat(32))
    }

    fn layer(kind: &str, size: u64) -> Value {
        json!({ "mediaType": kind, "digest": sha("ab"), "size": size })
    }

    fn image(layers: &[Value]) -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.wasm.config.v0+json", "digest": sha("00"), "size": 2 },
            "layers": layers,
        })
    }

    fn read(manifest: &Value) -> Result<Parsed, String> {
        parse(manifest.to_string().as_bytes())
    }

    #[test]
    fn the_one_layer_of_webassembly_is_the_program() {
        for kind in PROGRAM_TYPES {
            let other = layer("application/vnd.example.sbom+json", 7);
            let found = read(&image(&[other, layer(kind, 5)])).unwrap();
            let expected = Layer {
                digest: sha("ab").parse().unwrap(),
                bytes: 5,
            };
            assert_eq!(found, Parsed::Program(expected));
        }
    }

    #[test]
    fn an_image_without_one_program_says_what_it_holds() {
        let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
        let error = read(&image(&[layer(gzip, 5), layer(gzip, 6)])).unwrap_err();
        assert!(
            error.contains(gzip) && error.contains("application/wasm"),
            "{error}"
        );
        assert!(read(&image(&[])).unwrap_err().contains("nothing"));
        let two = [layer("application/wasm", 5), layer("application/wasm", 6)];
        assert!(read(&image(&two)).unwrap_err().contains("several"));
        let rude = layer(&"\n\u{1b}x".repeat(500), 5);
        let error = read(&image(&[rude])).unwrap_err();
        assert!(
            !error.contains(['\n', '\u{1b}']) && error.len() < 300,
            "{error}"
        );
    }

    #[test]
    fn a_program_is_as_large_as_it_may_be_and_no_larger() {
        let most = MAX_SOURCE_BYTES.as_u64();
        let sized = |bytes| read(&image(&[layer("application/wasm", bytes)]));
        assert!(sized(most).is_ok());
        assert!(sized(most + 1).unwrap_err().contains("256Mi"));
        assert!(sized(0).is_err());
        let layers = |count: usize| {
            let mut layers = vec![layer("text/plain", 1); count - 1];
            layers.push(layer("application/wasm", 1));
            read(&image(&layers))
        };
        assert!(layers(MAX_PARTS).is_ok() && layers(MAX_PARTS + 1).is_err());
    }

    #[test]
    fn of_many_platforms_that_of_webassembly_is_taken() {
        let entry = |architecture: &str, byte: &str| json!({ "digest": sha(byte), "size": 9, "platform": { "architecture": architecture, "os": "any" } });
        let index = |entries: &[Value]| read(&json!({ "schemaVersion": 2, "manifests": entries }));
        let found = index(&[entry("amd64", "01"), entry("wasm", "02")]).unwrap();
        assert_eq!(found, Parsed::Elsewhere(sha("02").parse().unwrap()));
        let error = index(&[entry("amd64", "01"), entry("arm64", "02")]).unwrap_err();
        assert!(error.contains("amd64, arm64"), "{error}");
        assert!(index(&[entry("wasm", "01"), entry("wasm", "02")]).is_err());
        let nowhere = json!({ "digest": sha("01"), "size": 9 });
        assert!(index(&[nowhere]).is_err());
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        for bad in [
            "",
            "[]",
            "{}",
            "null",
            r#"{"schemaVersion": 1, "fsLayers": []}"#,
            r#"{"schemaVersion": 2}"#,
            r#"{"schemaVersion": 2, "layers": [], "manifests": []}"#,
            r#"{"schemaVersion": 2, "layers": [{"mediaType": "application/wasm", "digest": "x", "size": 5}]}"#,
            r#"{"schemaVersion": 2, "layers": [{"mediaType": "application/wasm", "digest": "x", "size": -5}]}"#,
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
