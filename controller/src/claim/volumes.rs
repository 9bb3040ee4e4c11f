//! Volume claim templates that a claim brings.

use std::collections::BTreeSet;

use super::refusal::Refusal;
use crate::crd::{VolumeClaimTemplate, VolumeClaimTemplatesPolicy as Policy};

/// The template's volume claim templates with those of the claim, as far as
/// the policy goes.
///
/// # Errors
/// What the policy does not let through, and names that are empty or stand
/// twice, on either side.
pub(super) fn merge(
    template: &[VolumeClaimTemplate],
    claim: &[VolumeClaimTemplate],
    policy: Policy,
) -> Result<Vec<VolumeClaimTemplate>, Refusal> {
    let known = names("template", template)?;
    let brought = names("claim", claim)?;
    match policy {
        Policy::Disallowed if !claim.is_empty() => {
            return Err(refused("the template's policy is Disallowed"));
        }
        Policy::Allowed => {
            if let Some(name) = known.intersection(&brought).next() {
                return Err(refused(&format!(
                    "the template has {name:?} already, and its policy is Allowed, not Overrides"
                )));
            }
        }
        Policy::Disallowed | Policy::Overrides => {}
    }
    let same = |one: &VolumeClaimTemplate, two: &VolumeClaimTemplate| name(one) == name(two);
    let mut merged: Vec<_> = template
        .iter()
        .map(|old| {
            claim
                .iter()
                .find(|new| same(new, old))
                .unwrap_or(old)
                .clone()
        })
        .collect();
    merged.extend(
        claim
            .iter()
            .filter(|new| !known.contains(name(new)))
            .cloned(),
    );
    Ok(merged)
}

fn names<'a>(whose: &str, all: &'a [VolumeClaimTemplate]) -> Result<BTreeSet<&'a str>, Refusal> {
    let mut names = BTreeSet::new();
    for (place, volume) in all.iter().enumerate() {
        let name = name(volume);
        if name.is_empty() {
            return Err(refused(&format!(
                "number {place} of the {whose} has no name"
            )));
        }
        if !names.insert(name) {
            return Err(refused(&format!("{name:?} of the {whose} stands twice")));
        }
    }
    Ok(names)
}

fn name(volume: &VolumeClaimTemplate) -> &str {
    volume.metadata.name.as_deref().unwrap_or_default()
}

fn refused(why: &str) -> Refusal {
    Refusal::Volumes(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::VolumeClaimMetadata;

    fn volume(name: &str, class: &str) -> VolumeClaimTemplate {
        let mut volume = VolumeClaimTemplate {
            metadata: VolumeClaimMetadata {
                name: Some(name.to_owned()),
                ..VolumeClaimMetadata::default()
            },
            ..VolumeClaimTemplate::default()
        };
        volume.spec.storage_class_name = Some(class.to_owned());
        volume
    }

    fn told(merged: &[VolumeClaimTemplate]) -> Vec<(&str, &str)> {
        let class = |it: &VolumeClaimTemplate| it.spec.storage_class_name.as_ref().map(|_| ());
        assert!(merged.iter().all(|it| class(it).is_some()));
        merged
            .iter()
            .map(|it| {
                (
                    name(it),
                    it.spec.storage_class_name.as_deref().unwrap_or(""),
                )
            })
            .collect()
    }

    #[test]
    fn allowed_appends() {
        let merged = merge(&[volume("a", "t")], &[volume("b", "c")], Policy::Allowed).unwrap();
        assert_eq!(told(&merged), [("a", "t"), ("b", "c")]);
    }

    #[test]
    fn overrides_replaces_in_place_and_appends() {
        let template = [volume("a", "t"), volume("b", "t")];
        let claim = [volume("c", "c"), volume("a", "c")];
        let merged = merge(&template, &claim, Policy::Overrides).unwrap();
        assert_eq!(told(&merged), [("a", "c"), ("b", "t"), ("c", "c")]);
    }

    #[test]
    fn without_volumes_of_the_claim_those_of_the_template_stay() {
        for policy in [Policy::Disallowed, Policy::Allowed, Policy::Overrides] {
            let merged = merge(&[volume("a", "t")], &[], policy).unwrap();
            assert_eq!(told(&merged), [("a", "t")]);
        }
    }

    #[test]
    fn disallowed_refuses_any() {
        let refusal = merge(&[], &[volume("a", "c")], Policy::Disallowed).unwrap_err();
        assert_eq!(refusal.reason(), "VolumeClaimTemplatesError");
    }

    #[test]
    fn allowed_refuses_a_name_of_the_template() {
        assert!(merge(&[volume("a", "t")], &[volume("a", "c")], Policy::Allowed).is_err());
    }

    #[test]
    fn empty_and_double_names_are_refused_on_either_side() {
        let good = [volume("a", "t")];
        for bad in [
            vec![volume("", "x")],
            vec![volume("x", "x"), volume("x", "x")],
        ] {
            assert!(merge(&good, &bad, Policy::Overrides).is_err());
            assert!(merge(&bad, &good, Policy::Overrides).is_err());
            assert!(merge(&bad, &[], Policy::Disallowed).is_err());
        }
        let nameless = VolumeClaimTemplate::default();
        assert!(merge(&[nameless], &[], Policy::Allowed).is_err());
    }
}
