//! Whether a node host is of a version that we can speak with.
//!
//! The protocol only grows within a major version: what one side does not know
//! it leaves out, so controller and node hosts may be updated in any order.

/// Our own.
pub(super) const OWN: &str = env!("CARGO_PKG_VERSION");
/// As much of a version as is repeated: who says more says no version.
const MAX_TOLD_CHARS: usize = 64;

/// How a version stands to another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kinship {
    /// They are the same, but for patches.
    Same,
    /// One is newer; they understand each other.
    Other,
}

/// How the version of a node host stands to `own`.
///
/// # Errors
/// They may not understand each other: why, and what to do.
pub(super) fn compare(own: &str, told: &str) -> Result<Kinship, String> {
    let refused = || {
        let told: String = told.chars().take(MAX_TOLD_CHARS).collect();
        format!(
            "its node host is of version {told:?} and this controller of {own}, which do not speak \
             with each other; bring both to the same version"
        )
    };
    let (own, told) = (parse(own), parse(told).ok_or_else(refused)?);
    match own {
        Some(own) if own == told => Ok(Kinship::Same),
        Some((major, _)) if major == told.0 => Ok(Kinship::Other),
        Some(_) | None => Err(refused()),
    }
}

/// Major and minor version of `1.2.3`, `1.2.3-rc.1` or `1.2.3+build`.
fn parse(version: &str) -> Option<(u64, u64)> {
    let plain = version.split(['-', '+']).next()?;
    let mut parts = plain.split('.').map(|part| part.parse::<u64>().ok());
    let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()?);
    (patch.is_some() && parts.next().is_none()).then_some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_version_is_one() {
        assert_eq!(compare(OWN, OWN), Ok(Kinship::Same));
    }

    #[test]
    fn within_a_major_version_any_minor_one_is_spoken_with() {
        for (told, kinship) in [
            ("1.2.0", Kinship::Same),
            ("1.2.9-rc.1", Kinship::Same),
            ("1.2.3+build.7", Kinship::Same),
            ("1.1.0", Kinship::Other),
            ("1.30.0", Kinship::Other),
        ] {
            assert_eq!(compare("1.2.3", told), Ok(kinship), "{told}");
        }
    }

    #[test]
    fn another_major_version_and_what_is_none_are_refused_with_what_to_do() {
        let long = "9".repeat(1_000);
        for told in [
            "2.2.3", "0.2.3", "", "1", "1.2", "1.2.3.4", "v1.2.3", "1.x.3", "1.2.x", "-1.2.3",
            &long,
        ] {
            let why = compare("1.2.3", told).unwrap_err();
            assert!(why.contains("bring both to the same version"), "{told}");
            assert!(why.len() < 300, "{}", why.len());
        }
    }
}
