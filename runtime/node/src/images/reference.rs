//! Names of images: `registry/repository:tag` or `registry/repository@digest`.

use mote_api::Digest;

/// Longest reference: a repository of 255 letters, a tag of 128 and a digest
/// of 71, and what stands between them.
const MAX_REFERENCE_BYTES: usize = 512;
/// The tag that is moved with each release, and meant where none is named.
const MOVING_TAG: &str = "latest";

/// What an image is called, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    text: String,
    parsed: oci_spec::distribution::Reference,
    digest: Option<Digest>,
}

impl Reference {
    /// Reads a reference as it was typed; what it leaves out is as with
    /// Docker: `greet` is `docker.io/library/greet:latest`.
    ///
    /// # Errors
    /// It is none, as a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_REFERENCE_BYTES {
            return Err(format!(
                "an image's reference of {} bytes is longer than any, which is {MAX_REFERENCE_BYTES}",
                text.len()
            ));
        }
        let parsed: oci_spec::distribution::Reference = text.parse().map_err(|error| {
            format!("{text:?} is no reference of an image ({error}); write REGISTRY/REPOSITORY:TAG")
        })?;
        let digest = parsed.digest().map(str::parse).transpose();
        let digest = digest.map_err(|_| {
            format!(
                "{text:?}: only digests of SHA-256 are known here; write @sha256: and 64 digits of 0-9 and a-f"
            )
        })?;
        Ok(Self {
            text: text.to_owned(),
            parsed,
            digest,
        })
    }

    /// As it was typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The registry as users name it.
    pub(crate) fn registry(&self) -> &str {
        self.parsed.registry()
    }

    /// The registry's host, and its port if one is named.
    pub(crate) fn authority(&self) -> &str {
        self.parsed.resolve_registry()
    }

    pub(crate) fn repository(&self) -> &str {
        self.parsed.repository()
    }

    /// What the image has to be, where that is said.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// What the registry is asked for: the digest, or else the tag.
    pub(crate) fn version(&self) -> String {
        match self.digest {
            Some(digest) => digest.to_string(),
            None => self.parsed.tag().unwrap_or(MOVING_TAG).to_owned(),
        }
    }

    /// Whether it may soon mean another image.
    pub(crate) fn is_moving(&self) -> bool {
        self.digest.is_none() && self.version() == MOVING_TAG
    }

    /// What its program is called in a sandbox: the last part of the
    /// repository.
    pub(crate) fn program(&self) -> &str {
        let repository = self.repository();
        repository
            .rsplit_once('/')
            .map_or(repository, |(_, last)| last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Reference {
        Reference::parse(text).unwrap()
    }

    #[test]
    fn what_is_left_out_is_as_with_docker() {
        let short = parse("greet");
        assert_eq!(
            (short.registry(), short.repository()),
            ("docker.io", "library/greet")
        );
        assert!(short.is_moving() && short.version() == "latest");
        assert_eq!(short.authority(), "index.docker.io");
        let full = parse("127.0.0.1:5000/tools/greet:1.2");
        assert_eq!(full.authority(), "127.0.0.1:5000");
        assert_eq!(
            (full.repository(), full.program()),
            ("tools/greet", "greet")
        );
        assert!(!full.is_moving() && full.version() == "1.2");
        assert_eq!(full.text(), "127.0.0.1:5000/tools/greet:1.2");
    }

    #[test]
    fn a_digest_says_more_than_a_tag() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let both = parse(&format!("ghcr.io/a/b:latest@{digest}"));
        assert_eq!(both.digest().unwrap().to_string(), digest);
        assert!(!both.is_moving() && both.version() == digest);
    }

    #[test]
    fn what_is_no_reference_is_refused_by_a_sentence() {
        let longest = format!("a/{}", "x".repeat(MAX_REFERENCE_BYTES));
        let other = format!("a/b@sha512:{}", "ab".repeat(64));
        let wrong = format!("a/b@sha256:{}", "AB".repeat(32));
        for bad in [
            "",
            " ",
            "A/B",
            "a b",
            "a/b:",
            "a/b@",
            "https://a/b",
            "../b",
            "a//b",
            "a/b\n",
            "a/ä",
            "-/a",
            longest.as_str(),
            other.as_str(),
            wrong.as_str(),
        ] {
            let error = Reference::parse(bad).unwrap_err();
            assert!(error.len() < 700 && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_programs_name_is_one_word_and_no_path() {
        for text in ["greet", "a/b/greet", "localhost:5000/greet:x"] {
            assert_eq!(parse(text).program(), "greet");
        }
    }
}
