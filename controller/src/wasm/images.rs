//! Which programs a container image stands for.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1::ConfigMap;

/// The ConfigMap, in the controller's namespace, that maps images to programs.
pub const CONFIG_MAP: &str = "mote-images";
/// The key of the map in it: names of images cannot be keys themselves.
const KEY: &str = "images";
/// Programs that every node has.
const BUILT_IN: [&str; 1] = ["mote.dev/base"];
/// Said of an image that is a wasm component itself, to be pulled.
const ITSELF: &str = "wasm";

/// The images that are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Images {
    mapped: BTreeMap<String, String>,
}

/// What an image means to a node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Programs {
    /// What the node is asked for.
    pub image: String,
    /// How that is known.
    pub origin: Origin,
}

/// How programs are known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Every node has them.
    BuiltIn,
    /// They stand for an image of pods.
    Mapped,
    /// The operator says that the image is wasm; it is pulled.
    Pulled,
    /// Nobody says what it is; pulling it will tell.
    Unknown,
}

impl Programs {
    /// Whether a node has to pull it.
    pub fn is_pulled(&self) -> bool {
        built_in(&self.image).is_none()
    }

    /// What the program of a pulled image is called in a session.
    pub fn program(&self) -> &str {
        let repository = repository(&self.image);
        let last = repository.rsplit_once('/');
        last.map_or(repository, |(_, last)| last)
    }
}

impl Images {
    /// Those that the operator names.
    ///
    /// # Errors
    /// The map is malformed, as a sentence.
    pub fn read(map: &ConfigMap) -> Result<Self, String> {
        let text = map.data.as_ref().and_then(|data| data.get(KEY));
        let Some(text) = text else {
            return Ok(Self::default());
        };
        let mapped = serde_saphyr::from_str(text).map_err(|error| {
            format!("ConfigMap {CONFIG_MAP}, key {KEY}: write one IMAGE: PROGRAMS a line: {error}")
        })?;
        Ok(Self { mapped })
    }

    /// The programs of an image. One without a slash in the map stands for
    /// every registry's, one without a tag for every tag.
    pub fn find(&self, image: &str) -> Programs {
        let repository = repository(image);
        let last = repository.rsplit('/').next().unwrap_or_default();
        let of = |image: &str, origin| Programs {
            image: image.to_owned(),
            origin,
        };
        let mut names = [image, repository, last].into_iter();
        match names.find_map(|name| self.mapped.get(name)) {
            Some(to) if to == ITSELF => of(image, Origin::Pulled),
            Some(to) => of(built_in(to).unwrap_or(to), Origin::Mapped),
            None => match built_in(image) {
                Some(programs) => of(programs, Origin::BuiltIn),
                None => of(image, Origin::Unknown),
            },
        }
    }
}

/// The built-in programs of this name, whatever the tag: a node has one version.
fn built_in(image: &str) -> Option<&'static str> {
    let name = repository(image);
    BUILT_IN.into_iter().find(|known| *known == name)
}

impl fmt::Display for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "take {}, or say in the ConfigMap {CONFIG_MAP} what it is",
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

    fn map(text: &str) -> Result<Images, String> {
        Images::read(&ConfigMap {
            data: Some([(KEY.to_owned(), text.to_owned())].into()),
            ..ConfigMap::default()
        })
    }

    fn found(images: &Images, image: &str) -> (String, Origin) {
        let Programs { image, origin } = images.find(image);
        (image, origin)
    }

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
    fn as_deployed_an_unmodified_template_finds_its_programs() {
        let deployed = include_str!("../../../deploy/images.yaml");
        let images = Images::read(&serde_saphyr::from_str(deployed).unwrap()).unwrap();
        let base = |origin| ("mote.dev/base".to_owned(), origin);
        assert_eq!(found(&images, "mote.dev/base:0.1.0"), base(Origin::BuiltIn));
        for image in [
            "registry.k8s.io/agent-sandbox/python-runtime-sandbox:v0.1.0",
            "registry.k8s.io/agent-sandbox/sandboxd@sha256:00",
            "mote.dev/python",
        ] {
            assert_eq!(found(&images, image), base(Origin::Mapped), "{image}");
        }
        let unknown = "python:3.12".to_owned();
        assert_eq!(found(&images, &unknown), (unknown.clone(), Origin::Unknown));
    }

    #[test]
    fn nobody_is_mistaken_for_a_built_in_image() {
        let evil = "evil/mote.dev/base";
        assert_eq!(found(&Images::default(), evil).1, Origin::Unknown);
    }

    #[test]
    fn an_operator_says_what_an_image_is() {
        let images = map("r/a: wasm\nr/b:1: r/c:2\n").unwrap();
        assert_eq!(
            found(&images, "r/a:7"),
            ("r/a:7".to_owned(), Origin::Pulled)
        );
        assert_eq!(
            found(&images, "r/b:1"),
            ("r/c:2".to_owned(), Origin::Mapped)
        );
        assert_eq!(found(&images, "r/b:2").1, Origin::Unknown);
        for bad in ["[1]", "a: [b]", "a: b: c"] {
            let error = map(bad).unwrap_err();
            assert!(
                error.starts_with("ConfigMap mote-images, key images: "),
                "{error}"
            );
        }
        assert_eq!(Images::read(&ConfigMap::default()), Ok(Images::default()));
    }
}
