//! Which programs a container image stands for.

use std::collections::BTreeMap;
use std::fmt;

/// Programs that every node has.
const BUILT_IN: [&str; 1] = ["mote.dev/base"];
/// Images of pods that speak the same protocols as a session does, by their
/// repository, whatever the registry and the tag: an unmodified template works.
const WELL_KNOWN: [(&str, &str); 3] = [
    ("python-runtime-sandbox", "mote.dev/base"),
    ("sandboxd", "mote.dev/base"),
    ("mote.dev/sandboxd", "mote.dev/base"),
];

/// The names of images that are known.
#[derive(Clone, Debug, Default)]
pub struct Images {
    /// What the operator adds, by the image as it stands in a container.
    mapped: BTreeMap<String, String>,
}

impl Images {
    /// Those of a config map's data, beside the well-known ones.
    pub fn of(mapped: BTreeMap<String, String>) -> Self {
        Self { mapped }
    }

    /// The programs that an image stands for.
    pub fn find(&self, image: &str) -> Option<&str> {
        let repository = repository(image);
        let built_in = |name: &str| BUILT_IN.iter().copied().find(|known| *known == name);
        let mapped = self
            .mapped
            .get(image)
            .or_else(|| self.mapped.get(repository));
        mapped
            .and_then(|to| built_in(to))
            .or_else(|| built_in(repository))
            .or_else(|| {
                let last = repository.rsplit('/').next().unwrap_or_default();
                let known = WELL_KNOWN.iter();
                let mut known = known.filter(|(name, _)| *name == repository || *name == last);
                known.next().map(|(_, programs)| *programs)
            })
    }
}

impl fmt::Display for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "take {} or map it in the ConfigMap mote-images",
            BUILT_IN.join(", ")
        )
    }
}

/// An image without its tag and digest.
fn repository(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    match name.rsplit_once(':') {
        // A colon before a slash is a registry's port.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_digests_do_not_name_programs() {
        for (image, name) in [
            ("mote.dev/base", "mote.dev/base"),
            ("mote.dev/base:1", "mote.dev/base"),
            ("r:5000/a/b@sha256:00", "r:5000/a/b"),
            ("r:5000/a/b", "r:5000/a/b"),
        ] {
            assert_eq!(repository(image), name, "{image}");
        }
    }

    #[test]
    fn an_unmodified_template_finds_its_programs() {
        let images = Images::default();
        for image in [
            "mote.dev/base:0.1.0",
            "registry.k8s.io/agent-sandbox/python-runtime-sandbox:v0.1.0",
        ] {
            assert_eq!(images.find(image), Some("mote.dev/base"), "{image}");
        }
        assert_eq!(images.find("python:3.12"), None);
        assert_eq!(images.find("evil/mote.dev/base"), None);
    }

    #[test]
    fn an_operator_maps_an_image_to_programs_that_are_there() {
        let map = |to: &str| Images::of([("python".to_owned(), to.to_owned())].into());
        assert_eq!(
            map("mote.dev/base").find("python:3.12"),
            Some("mote.dev/base")
        );
        assert_eq!(map("mote.dev/none").find("python:3.12"), None);
    }
}
