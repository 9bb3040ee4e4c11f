//! `mote inspect`: what a component can ask for.

use std::fmt::Write;

use anyhow::Context;
use mote_api::{Capability, ComponentKind, Manifest};
use mote_client::text;
use mote_host::Host;
use serde_json::{Value, json};

use crate::args::{InspectArgs, PlacesArgs};
use crate::failure::{self, Failure};
use crate::{log, paths, report, run, stop};

/// Prints the manifest of a file.
pub(crate) fn inspect(args: &InspectArgs, places: &PlacesArgs) -> Result<u8, Failure> {
    paths::check_file(&args.file).map_err(|problem| Failure::Files(vec![problem]))?;
    log::start();
    let manifest = stop::until_signal(async {
        let host = Host::open(run::host_config(places)?)?;
        match host.prepare_file(&args.file).await {
            Ok(component) => Ok(component.manifest().clone()),
            Err(error) => {
                let problem = failure::of_file(&args.file, error)?;
                Err(Failure::Files(vec![problem]))
            }
        }
    })?;
    if args.json {
        report::print_json(&as_json(&manifest)?)?;
    } else {
        report::print(as_text(&args.file.display().to_string(), &manifest).as_bytes())?;
    }
    Ok(0)
}

/// The manifest, with what follows from it.
fn as_json(manifest: &Manifest) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(manifest).context("failed to write JSON")?;
    let capability = |capability: Capability| {
        let (what, grant) = capability.describe();
        json!({
            "capability": capability,
            "what": what,
            "grant": grant,
            "imports": imports(manifest, capability),
        })
    };
    if let Value::Object(object) = &mut value {
        let capabilities = manifest.capabilities().into_iter().map(capability);
        object.insert("capabilities".to_owned(), capabilities.collect());
        object.insert("runnable".to_owned(), obstacle(manifest).is_none().into());
    }
    Ok(value)
}

fn as_text(file: &str, manifest: &Manifest) -> String {
    let kind = match manifest.kind {
        ComponentKind::Component => "WASI 0.2 component",
        ComponentKind::Module => "WASI 0.1 module, run as a component",
    };
    let mut text = format!(
        "{file}: {kind}, {}\n{}\n",
        text::size(manifest.source_bytes),
        manifest.digest
    );
    if let Some(obstacle) = obstacle(manifest) {
        text.push_str(&format!("It cannot be run: {obstacle}.\n"));
    }
    let capabilities = manifest.capabilities();
    if capabilities.is_empty() {
        text.push_str("\nIt imports nothing: it can only compute.\n");
    } else {
        text.push_str("\nIt can ask to:\n");
    }
    for capability in capabilities {
        // Writing to a string cannot fail.
        let _ = put_capability(&mut text, manifest, capability);
    }
    text
}

fn put_capability(
    text: &mut String,
    manifest: &Manifest,
    capability: Capability,
) -> std::fmt::Result {
    let (what, grant) = capability.describe();
    let name = capability.to_string();
    writeln!(text, "  {name:8} {what}")?;
    writeln!(text, "           granted: {grant}")?;
    for import in imports(manifest, capability) {
        writeln!(text, "             {import}")?;
    }
    Ok(())
}

fn imports(manifest: &Manifest, capability: Capability) -> Vec<&str> {
    let imports = manifest.imports.iter().map(String::as_str);
    imports
        .filter(|import| Capability::of_import(import) == capability)
        .collect()
}

/// Why it can be granted all it may hold and still not run.
fn obstacle(manifest: &Manifest) -> Option<String> {
    if !manifest.is_command() {
        return Some("it is no command, as it does not export wasi:cli/run@0.2".to_owned());
    }
    let refused =
        |capability: &Capability| matches!(capability, Capability::Http | Capability::Unknown);
    let found = manifest.capabilities().into_iter().find(refused)?;
    let imports = imports(manifest, found).join(", ");
    Some(format!(
        "it imports {imports}, which {}",
        found.describe().1
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mote_api::Digest;

    fn manifest(imports: &[&str], exports: &[&str]) -> Manifest {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Manifest {
            digest: Digest::from_bytes([0xab; 32]),
            kind: ComponentKind::Component,
            source_bytes: 2_048,
            imports: owned(imports),
            exports: owned(exports),
        }
    }

    const RUN: &str = "wasi:cli/run@0.2.0";

    #[test]
    fn each_capability_is_said_in_words_with_its_grant_and_imports() {
        let text = as_text(
            "tool.wasm",
            &manifest(
                &["wasi:clocks/wall-clock@0.2.0", "wasi:io/streams@0.2.0"],
                &[RUN],
            ),
        );
        assert!(
            text.starts_with("tool.wasm: WASI 0.2 component, 2.00 KiB\nsha256:abab"),
            "{text}"
        );
        for part in [
            "clock",
            "read the time",
            "--clock real",
            "wasi:clocks/wall-clock@0.2.0",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("cannot be run"), "{text}");
    }

    #[test]
    fn a_component_that_cannot_run_says_why() {
        let why = |imports: &[&str], exports: &[&str]| obstacle(&manifest(imports, exports));
        assert_eq!(why(&[], &[RUN]), None);
        assert!(why(&[], &["add"]).unwrap().contains("wasi:cli/run"));
        let http = why(&["wasi:http/outgoing-handler@0.2.0"], &[RUN]).unwrap();
        assert!(
            http.contains("wasi:http/outgoing-handler@0.2.0, which cannot be granted"),
            "{http}"
        );
    }

    #[test]
    fn json_holds_what_the_text_says() {
        let value = as_json(&manifest(&["wasi:random/random@0.2.0"], &[RUN])).unwrap();
        assert_eq!(value["runnable"], true);
        assert_eq!(value["capabilities"][0]["capability"], "random");
        assert_eq!(
            value["capabilities"][0]["imports"][0],
            "wasi:random/random@0.2.0"
        );
    }
}
