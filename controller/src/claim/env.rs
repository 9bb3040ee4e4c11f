//! Environment variables that a claim brings.

use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec};

use super::refusal::Refusal;
use crate::crd::{ClaimEnvVar, EnvVarsInjectionPolicy};

/// Gives a pod the variables, as far as the template's policy goes. A variable
/// that names no container is for the first.
///
/// # Errors
/// The first variable that the policy does not let through.
pub(super) fn inject(
    pod: &mut PodSpec,
    variables: &[ClaimEnvVar],
    policy: EnvVarsInjectionPolicy,
) -> Result<(), Refusal> {
    if !variables.is_empty() && policy == EnvVarsInjectionPolicy::Disallowed {
        return Err(refused("the template's policy is Disallowed"));
    }
    for variable in variables {
        let container = target(pod, variable)?;
        let from_elsewhere = container
            .env_from
            .as_ref()
            .is_some_and(|from| !from.is_empty());
        if policy == EnvVarsInjectionPolicy::Allowed && from_elsewhere {
            // What such a source holds is known when the container starts.
            return Err(refused(&format!(
                "container {:?} has envFrom, whose variables the policy Allowed would not protect",
                container.name
            )));
        }
        set(container, variable, policy)?;
    }
    Ok(())
}

fn target<'a>(pod: &'a mut PodSpec, variable: &ClaimEnvVar) -> Result<&'a mut Container, Refusal> {
    let name = variable.container_name.as_deref().unwrap_or_default();
    if name.is_empty() {
        let first = pod.containers.first_mut();
        return first.ok_or_else(|| refused("the template has no container"));
    }
    pod.init_containers
        .iter_mut()
        .flatten()
        .chain(&mut pod.containers)
        .find(|container| container.name == name)
        .ok_or_else(|| {
            refused(&format!(
                "variable {:?} is for container {name:?}, which the template does not have",
                variable.name
            ))
        })
}

fn set(
    container: &mut Container,
    variable: &ClaimEnvVar,
    policy: EnvVarsInjectionPolicy,
) -> Result<(), Refusal> {
    let new = EnvVar {
        name: variable.name.clone(),
        value: Some(variable.value.clone()),
        value_from: None,
    };
    let here = container.env.get_or_insert_default();
    match here.iter_mut().find(|old| old.name == new.name) {
        Some(old) if policy == EnvVarsInjectionPolicy::Overrides => *old = new,
        Some(_) => {
            return Err(refused(&format!(
                "variable {:?} is set already, and the template's policy is Allowed, not Overrides",
                variable.name
            )));
        }
        None => here.push(new),
    }
    Ok(())
}

fn refused(why: &str) -> Refusal {
    Refusal::Environment(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use EnvVarsInjectionPolicy::{Allowed, Disallowed, Overrides};
    use k8s_openapi::api::core::v1::EnvFromSource;

    fn pod() -> PodSpec {
        let container = |name: &str| Container {
            name: name.to_owned(),
            env: Some(vec![EnvVar {
                name: "HOME".to_owned(),
                value: Some("/root".to_owned()),
                ..EnvVar::default()
            }]),
            ..Container::default()
        };
        PodSpec {
            init_containers: Some(vec![container("setup")]),
            containers: vec![container("main"), container("sidecar")],
            ..PodSpec::default()
        }
    }

    fn variable(name: &str, container: Option<&str>) -> ClaimEnvVar {
        ClaimEnvVar {
            name: name.to_owned(),
            value: "v".to_owned(),
            container_name: container.map(str::to_owned),
        }
    }

    fn names(container: &Container) -> Vec<(&str, Option<&str>)> {
        let env = container.env.as_deref().unwrap_or_default();
        env.iter()
            .map(|it| (it.name.as_str(), it.value.as_deref()))
            .collect()
    }

    #[test]
    fn disallowed_refuses_any_variable_and_minds_none() {
        let refusal = inject(&mut pod(), &[variable("A", None)], Disallowed).unwrap_err();
        assert_eq!(refusal.reason(), "EnvVarsInjectionRejected");
        assert_eq!(inject(&mut pod(), &[], Disallowed), Ok(()));
    }

    #[test]
    fn allowed_adds_and_does_not_change() {
        let mut changed = pod();
        inject(&mut changed, &[variable("A", None)], Allowed).unwrap();
        assert_eq!(
            names(&changed.containers[0]),
            [("HOME", Some("/root")), ("A", Some("v"))]
        );
        assert!(inject(&mut pod(), &[variable("HOME", None)], Allowed).is_err());
        let twice = [variable("A", None), variable("A", None)];
        assert!(inject(&mut pod(), &twice, Allowed).is_err());
    }

    #[test]
    fn overrides_changes_too() {
        let mut changed = pod();
        inject(&mut changed, &[variable("HOME", None)], Overrides).unwrap();
        assert_eq!(names(&changed.containers[0]), [("HOME", Some("v"))]);
        assert_eq!(names(&changed.containers[1]), [("HOME", Some("/root"))]);
    }

    #[test]
    fn allowed_refuses_containers_with_variables_from_elsewhere() {
        let mut foreign = pod();
        foreign.containers[0].env_from = Some(vec![EnvFromSource::default()]);
        assert!(inject(&mut foreign.clone(), &[variable("A", None)], Allowed).is_err());
        assert_eq!(
            inject(
                &mut foreign.clone(),
                &[variable("A", Some("sidecar"))],
                Allowed
            ),
            Ok(())
        );
        assert_eq!(
            inject(&mut foreign, &[variable("A", None)], Overrides),
            Ok(())
        );
    }

    #[test]
    fn a_variable_goes_to_the_container_it_names() {
        let mut changed = pod();
        let both = [variable("A", Some("sidecar")), variable("B", Some("setup"))];
        inject(&mut changed, &both, Allowed).unwrap();
        assert_eq!(names(&changed.containers[0]).len(), 1);
        assert_eq!(names(&changed.containers[1])[1].0, "A");
        assert_eq!(names(&changed.init_containers.unwrap()[0])[1].0, "B");
    }

    #[test]
    fn an_unknown_container_is_refused() {
        let refusal = inject(&mut pod(), &[variable("A", Some("none"))], Overrides).unwrap_err();
        assert_eq!(refusal.reason(), "EnvVarsInjectionRejected");
        let mut empty = PodSpec::default();
        assert!(inject(&mut empty, &[variable("A", None)], Overrides).is_err());
    }
}
