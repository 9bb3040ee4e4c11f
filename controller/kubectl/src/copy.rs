//! `kubectl mote cp`.

mod container;
mod door;
mod local;
mod place;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::args::CopyArgs;
use crate::cluster::Cluster;
use crate::failure::{Failure, say};
use crate::find::{Name, find};
use crate::way::Way;

use place::{Place, Remote, place};

/// One checked copy.
#[derive(Clone, Debug, PartialEq)]
enum Copy {
    In(Source, Remote),
    Out(Remote, Sink),
}

/// What is copied into a sandbox.
#[derive(Clone, Debug, PartialEq)]
enum Source {
    Path(PathBuf),
    Stdin,
}

/// Where what a sandbox holds is copied to.
#[derive(Clone, Debug, PartialEq)]
enum Sink {
    Path(PathBuf),
    Stdout,
}

/// Copies files into sandboxes, or out of them.
pub(crate) async fn copy(args: &CopyArgs, cluster: &Cluster) -> Result<(), Failure> {
    let copies = checked(args).map_err(Failure::Usage)?;
    let mut ways = HashMap::new();
    for copy in copies {
        let (Copy::In(_, remote) | Copy::Out(remote, _)) = &copy;
        let name = remote.name.clone();
        let way = match ways.entry(name.clone()) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(way(cluster, &name, args.container.as_deref()).await?)
            }
        };
        by(way, copy).await?;
    }
    Ok(())
}

async fn way(cluster: &Cluster, name: &Name, container: Option<&str>) -> Result<Way, Failure> {
    let sandbox = find(cluster, name).await?;
    Way::to(cluster, &sandbox, container).await
}

async fn by(way: &Way, copy: Copy) -> Result<(), Failure> {
    let (door, pod) = match way {
        Way::Door(door) => (Some(door), None),
        Way::Pod(door, pod) => (Some(door), Some(pod)),
        Way::Container(pod) => (None, Some(pod)),
    };
    // A daemon without archives has single files.
    let door = match door {
        Some(door) => door::copy(door, &copy).await?,
        None => door::Done::NoArchives,
    };
    match (door, pod) {
        (door::Done::Yes, _) => Ok(()),
        (door::Done::NoArchives, Some(pod)) => container::copy(pod, way, &copy).await,
        (door::Done::NoArchives, None) => Err(Failure::Refused(
            "the sandbox takes and gives no folders; copy single files".to_owned(),
        )),
    }
}

/// Says what was left out of an archive.
fn tell(left_out: &[PathBuf]) {
    for path in left_out {
        say(&format!(
            "{}: left out, as it is no file, no folder and no link within the folder",
            path.display()
        ));
    }
}

fn checked(args: &CopyArgs) -> Result<Vec<Copy>, Vec<String>> {
    let (places, mistakes): (Vec<_>, Vec<_>) = args
        .sides
        .iter()
        .map(|text| place(text))
        .partition(Result::is_ok);
    let mistakes: Vec<_> = mistakes.into_iter().filter_map(Result::err).collect();
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut places: Vec<_> = places.into_iter().filter_map(Result::ok).collect();
    let Some(to) = places.pop() else {
        return Err(vec!["nothing is to be copied".to_owned()]);
    };
    let many = places.len() > 1;
    let copies = places
        .into_iter()
        .map(|from| between(from, to.clone(), many));
    let (copies, mistakes): (Vec<_>, Vec<_>) = copies.partition(Result::is_ok);
    let mistakes: Vec<_> = mistakes.into_iter().filter_map(Result::err).collect();
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Ok(copies.into_iter().filter_map(Result::ok).collect())
}

/// One copy; of `many`, each keeps its name in the folder `to`.
fn between(from: Place, to: Place, many: bool) -> Result<Copy, String> {
    match (from, to) {
        (Place::Here(from), Place::There(to)) => {
            let to = if many { to.join(last(&from)?)? } else { to };
            Ok(Copy::In(Source::Path(from), to))
        }
        (Place::Stream, Place::There(to)) if to.folder || many => {
            Err(format!("{to}: stdin has no name of its own; name the file"))
        }
        (Place::Stream, Place::There(to)) => Ok(Copy::In(Source::Stdin, to)),
        (Place::There(from), Place::Here(to)) => {
            let to = match from.file_name() {
                Some(name) if many => to.join(name),
                None if many => return Err(format!("{from}: it has no name of its own; name it")),
                _ => to,
            };
            Ok(Copy::Out(from, Sink::Path(to)))
        }
        (Place::There(from), Place::Stream) => Ok(Copy::Out(from, Sink::Stdout)),
        (Place::There(from), Place::There(to)) => Err(format!(
            "{from} and {to} are both in sandboxes; copy to here first, or through `kubectl mote cp {from} -`"
        )),
        (Place::Here(_) | Place::Stream, Place::Here(_) | Place::Stream) => {
            Err("neither side is in a sandbox; write one as NAME:PATH".to_owned())
        }
    }
}

/// The last part of a path of here.
fn last(path: &Path) -> Result<&str, String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.ok_or_else(|| format!("{}: it has no name that is text; name it", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(sides: &[&str]) -> Result<Vec<Copy>, Vec<String>> {
        checked(&CopyArgs {
            sides: sides.iter().map(|side| (*side).into()).collect(),
            container: None,
        })
    }

    #[test]
    fn just_one_side_is_in_a_sandbox() {
        assert!(matches!(
            copied(&["x", "a:b"]).unwrap()[..],
            [Copy::In(Source::Path(_), _)]
        ));
        assert!(matches!(
            copied(&["-", "a:b"]).unwrap()[..],
            [Copy::In(Source::Stdin, _)]
        ));
        assert!(matches!(
            copied(&["a:b", "-"]).unwrap()[..],
            [Copy::Out(_, Sink::Stdout)]
        ));
        for (from, to, why) in [
            ("x", "y", "neither side"),
            ("-", "-", "neither side"),
            ("a:b", "c:d", "both in sandboxes"),
            ("-", "a:", "has no name of its own"),
        ] {
            let mistakes = copied(&[from, to]).unwrap_err();
            assert!(mistakes[0].contains(why), "{mistakes:?}");
        }
    }

    #[test]
    fn of_several_each_keeps_its_name() {
        let copies = copied(&["x/a", "b", "s:in"]).unwrap();
        let to = |copy: &Copy| match copy {
            Copy::In(_, to) => to.to_string(),
            Copy::Out(_, to) => format!("{to:?}"),
        };
        assert_eq!(
            copies.iter().map(to).collect::<Vec<_>>(),
            ["s:in/a", "s:in/b"]
        );
        let copies = copied(&["s:x/a", "t:b", "out"]).unwrap();
        assert_eq!(to(&copies[0]), "Path(\"out/a\")");
        assert_eq!(to(&copies[1]), "Path(\"out/b\")");
        for wrong in [
            &["s:", "t:", "out"][..],
            &["a", "-", "s:x"],
            &["..", "a", "s:x"],
        ] {
            assert!(copied(wrong).is_err(), "{wrong:?}");
        }
    }
}
