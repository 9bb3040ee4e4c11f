//! A pod's volumes, and where its container sees them.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, DownwardAPIVolumeFile, DownwardAPIVolumeSource,
    EmptyDirVolumeSource, KeyToPath, ProjectedVolumeSource, SecretProjection, SecretVolumeSource,
    Volume as PodVolume, VolumeMount, VolumeProjection,
};
use mote_api::GuestPath;
use mote_rpc::rules::{
    MAX_MOUNTS, MAX_VOLUME_NAME_BYTES, MAX_VOLUMES, can_be_changed, is_path_in_volume,
    is_volume_name,
};
use mote_rpc::v1::Mount;

use super::resources::bytes;
use super::{Reader, quoted, short};
use crate::wasm::env::EnvValue;
use crate::wasm::source::{Source, SourceKind};
use crate::wasm::volume::{Content, Field, Item, Portion, Volume};

/// Permission bits of files that name none.
const FILE_MODE: i32 = 0o644;
/// Folders that a session has anyway, and keeps longer than an emptyDir.
const OWN_FOLDERS: [&str; 2] = ["/workspace", "/tmp"];

impl Reader<'_> {
    /// The volumes that can be made; others are objected to.
    pub(super) fn volumes(&mut self, volumes: &[PodVolume]) -> Vec<Volume> {
        let volumes = self.at_most(MAX_VOLUMES, "volumes", volumes);
        let mut names = BTreeSet::new();
        for PodVolume { name, .. } in volumes {
            let at = format!("volumes[{}]", short(name));
            self.none(
                &at,
                is_volume_name(name),
                &format!(
                    "is no name of a volume, which is 1 to {MAX_VOLUME_NAME_BYTES} of a-z, 0-9 and -"
                ),
            );
            self.none(
                &at,
                names.insert(name),
                "is there twice; rename one of them",
            );
        }
        let made = volumes.iter().filter_map(|volume| self.volume(volume));
        made.collect()
    }

    /// The list, if it is no longer than a session's; an objection to a longer
    /// one says more than those to its parts.
    fn at_most<'a, T>(&mut self, most: usize, field: &str, list: &'a [T]) -> &'a [T] {
        if list.len() <= most {
            return list;
        }
        let why = format!("are {}, and a session has {most} at most", list.len());
        self.object(field, why);
        &[]
    }

    fn volume(&mut self, volume: &PodVolume) -> Option<Volume> {
        let at = format!("volumes[{}]", short(&volume.name));
        let before = self.objections.len();
        let mut others = volume.clone();
        let mut contents = Vec::new();
        contents.extend(others.empty_dir.take().map(|it| self.empty_dir(&at, &it)));
        contents.extend(others.config_map.take().map(|it| self.config_map(&at, &it)));
        contents.extend(others.secret.take().map(|it| self.secret(&at, &it)));
        contents.extend(others.downward_api.take().map(|it| self.fields(&at, &it)));
        contents.extend(others.projected.take().map(|it| self.projected(&at, &it)));
        let plain = PodVolume {
            name: volume.name.clone(),
            ..PodVolume::default()
        };
        // A kind that Kubernetes adds is among the others, and refused.
        self.none(
            &at,
            others == plain && contents.len() == 1,
            "is not one of emptyDir, configMap, secret, downwardAPI and projected, which are what wasm sessions can have",
        );
        let content = contents.pop().filter(|_| self.objections.len() == before)?;
        Some(Volume {
            name: volume.name.clone(),
            content,
        })
    }

    fn empty_dir(&mut self, at: &str, dir: &EmptyDirVolumeSource) -> Content {
        let EmptyDirVolumeSource { medium, size_limit } = dir;
        self.none(
            format!("{at}.emptyDir.medium"),
            medium.as_ref().is_none_or(String::is_empty),
            "asks for memory or huge pages, and sessions keep files on the node's disk",
        );
        // None, and nothing, are no limit, as to a kubelet.
        let max_bytes = size_limit.as_ref().map_or(Some(0), bytes);
        if let (None, Some(limit)) = (max_bytes, size_limit) {
            self.object(
                format!("{at}.emptyDir.sizeLimit"),
                format!("{} is no quantity of bytes", quoted(&limit.0)),
            );
        }
        Content::Empty {
            max_bytes: max_bytes.unwrap_or_default(),
        }
    }

    fn config_map(&mut self, at: &str, map: &ConfigMapVolumeSource) -> Content {
        let ConfigMapVolumeSource {
            default_mode,
            items,
            name,
            optional,
        } = map;
        let portion = self.portion(
            at,
            (SourceKind::ConfigMap, name),
            items.as_deref(),
            *default_mode,
            *optional,
        );
        Content::Files(vec![portion])
    }

    fn secret(&mut self, at: &str, secret: &SecretVolumeSource) -> Content {
        let SecretVolumeSource {
            default_mode,
            items,
            optional,
            secret_name,
        } = secret;
        let name = secret_name.as_deref().unwrap_or_default();
        let portion = self.portion(
            at,
            (SourceKind::Secret, name),
            items.as_deref(),
            *default_mode,
            *optional,
        );
        Content::Files(vec![portion])
    }

    fn fields(&mut self, at: &str, fields: &DownwardAPIVolumeSource) -> Content {
        let DownwardAPIVolumeSource {
            default_mode,
            items,
        } = fields;
        Content::Files(self.field_files(at, items.as_deref().unwrap_or_default(), *default_mode))
    }

    fn projected(&mut self, at: &str, sources: &ProjectedVolumeSource) -> Content {
        let ProjectedVolumeSource {
            default_mode,
            sources,
        } = sources;
        let sources = sources.iter().flatten().enumerate();
        let portions = sources.flat_map(|(index, source)| {
            self.projection(&format!("{at}.projected[{index}]"), source, *default_mode)
        });
        Content::Files(portions.collect())
    }

    fn projection(
        &mut self,
        at: &str,
        source: &VolumeProjection,
        mode: Option<i32>,
    ) -> Vec<Portion> {
        let VolumeProjection {
            cluster_trust_bundle,
            config_map,
            downward_api,
            pod_certificate,
            secret,
            service_account_token,
        } = source;
        self.none(
            at,
            cluster_trust_bundle.is_none()
                && pod_certificate.is_none()
                && service_account_token.is_none(),
            "is a token or certificate, which wasm sessions do not have",
        );
        let mut portions = Vec::new();
        if let Some(ConfigMapProjection {
            items,
            name,
            optional,
        }) = config_map
        {
            let named = (SourceKind::ConfigMap, name.as_str());
            portions.push(self.portion(at, named, items.as_deref(), mode, *optional));
        }
        if let Some(SecretProjection {
            items,
            name,
            optional,
        }) = secret
        {
            let named = (SourceKind::Secret, name.as_str());
            portions.push(self.portion(at, named, items.as_deref(), mode, *optional));
        }
        if let Some(fields) = downward_api {
            let items = fields.items.as_deref().unwrap_or_default();
            portions.extend(self.field_files(at, items, mode));
        }
        portions
    }

    fn portion(
        &mut self,
        at: &str,
        (kind, name): (SourceKind, &str),
        items: Option<&[KeyToPath]>,
        mode: Option<i32>,
        optional: Option<bool>,
    ) -> Portion {
        let items = items.filter(|items| !items.is_empty()).map(|items| {
            let items = items.iter().map(|KeyToPath { key, mode, path }| {
                self.path(at, path);
                Item {
                    key: key.clone(),
                    path: path.clone(),
                    mode: mode.map(|mode| self.mode(at, mode)),
                }
            });
            items.collect()
        });
        Portion::Source {
            source: Source {
                kind,
                name: name.to_owned(),
            },
            items,
            mode: self.mode(at, mode.unwrap_or(FILE_MODE)),
            optional: optional.unwrap_or_default(),
        }
    }

    fn field_files(
        &mut self,
        at: &str,
        files: &[DownwardAPIVolumeFile],
        default_mode: Option<i32>,
    ) -> Vec<Portion> {
        let portions = files.iter().filter_map(|file| {
            let DownwardAPIVolumeFile {
                field_ref,
                mode,
                path,
                resource_field_ref: _, // What names no field is objected to.
            } = file;
            let field = field_ref.as_ref().and_then(|it| field(&it.field_path));
            if field.is_none() {
                self.object(
                    format!("{at}[{}]", short(path)),
                    "is no field that a wasm session has",
                );
            }
            self.path(at, path);
            Some(Portion::Field {
                field: field?,
                path: path.clone(),
                mode: self.mode(at, mode.or(default_mode).unwrap_or(FILE_MODE)),
            })
        });
        portions.collect()
    }

    /// A path in a volume: below it, and no way out.
    fn path(&mut self, at: &str, path: &str) {
        self.none(
            at,
            is_path_in_volume(path),
            &format!(
                "has the path {}, which is not below it, or is longer than one can be",
                quoted(path)
            ),
        );
    }

    fn mode(&mut self, at: &str, mode: i32) -> u32 {
        let bits = u32::try_from(mode).ok().filter(|bits| *bits <= 0o777);
        self.none(
            at,
            bits.is_some(),
            &format!("has the mode {mode}, which is none"),
        );
        bits.unwrap_or_default()
    }

    /// Where the container sees volumes. An emptyDir over a folder that a
    /// session has anyway is that folder; the node is told of it only where
    /// the folder may hold less than the session.
    pub(super) fn mounts(
        &mut self,
        mounts: &[VolumeMount],
        named: &[PodVolume],
        volumes: &[Volume],
    ) -> Vec<Mount> {
        let all = self.at_most(MAX_MOUNTS, "containers[0].volumeMounts", mounts);
        let mut seen = BTreeSet::new();
        let mounts = all.iter().filter_map(|mount| {
            let VolumeMount {
                mount_path,
                mount_propagation,
                name,
                read_only,
                recursive_read_only,
                sub_path,
                sub_path_expr,
            } = mount;
            let at = format!("containers[0].volumeMounts[{}]", short(mount_path));
            self.none(
                format!("{at}.mountPropagation"),
                matches!(mount_propagation.as_deref(), None | Some("" | "None")),
                "is a kernel's, and a wasm session has none",
            );
            self.none(
                format!("{at}.recursiveReadOnly"),
                matches!(recursive_read_only.as_deref(), None | Some("" | "Disabled")),
                "is a kernel's, and a wasm session has none",
            );
            self.none(
                format!("{at}.subPathExpr"),
                sub_path_expr.as_ref().is_none_or(String::is_empty),
                "is not worked out for wasm sessions; use subPath",
            );
            self.none(
                &at,
                named.iter().any(|volume| volume.name == *name),
                &format!("is of {}, and there is no such volume", quoted(name)),
            );
            let path = mount_path.trim_end_matches('/');
            let sub_path = sub_path.clone().unwrap_or_default();
            let volume = volumes.iter().find(|volume| volume.name == *name);
            if !sub_path.is_empty() {
                let field = format!("{at}.subPath");
                self.path(&field, &sub_path);
                self.none(
                    &field,
                    volume.is_none_or(|it| it.content.may_have_folder(&sub_path)),
                    "is no folder of its volume, and only folders are mounted in wasm sessions; mount the whole volume",
                );
            }
            let plain = sub_path.is_empty() && *read_only != Some(true);
            self.none(
                &at,
                seen.insert(path.to_owned()),
                "is there twice; mount one of them elsewhere",
            );
            let content = volume.map(|volume| &volume.content);
            if let (Some(Content::Empty { max_bytes }), true, true) =
                (content, OWN_FOLDERS.contains(&path), plain)
            {
                let alone = all.iter().filter(|it| it.name == *name).count() == 1;
                self.none(&at, alone, "is a folder that every session has, and its volume is mounted elsewhere, too; mount another volume there");
                return own_folder(name, path, *max_bytes);
            }
            let place = guest_path(path);
            self.none(&at, place.is_some(), "is no absolute path of a folder");
            let own = [GuestPath::workspace(), GuestPath::tmp()];
            let own = own.iter().any(|own| place.as_ref().is_some_and(|it| it.meets(own)));
            self.none(
                &at,
                !own,
                "lies over a folder that every session has; mount it elsewhere",
            );
            Some(Mount {
                volume: name.clone(),
                path: path.to_owned(),
                sub_path,
                read_only: read_only.unwrap_or_default(),
            })
        });
        let mounts: Vec<_> = mounts.collect();
        self.pairs(&mounts, volumes);
        mounts
    }

    /// Objects to mounts that cannot be there beside those before them.
    fn pairs(&mut self, mounts: &[Mount], volumes: &[Volume]) {
        let for_reading = |mount: &Mount| {
            // What objects say is for reading alone.
            let volume = volumes.iter().find(|volume| volume.name == mount.volume);
            mount.read_only || volume.is_some_and(Volume::has_files)
        };
        for (index, mount) in mounts.iter().enumerate() {
            let at = format!("containers[0].volumeMounts[{}]", short(&mount.path));
            let place = guest_path(&mount.path);
            for other in mounts.iter().take(index).filter(|it| it.path != mount.path) {
                let there = guest_path(&other.path);
                let meet = place.as_ref().zip(there.as_ref());
                self.none(
                    &at,
                    !meet.is_some_and(|(place, there)| place.meets(there)),
                    &format!(
                        "and {} lie one in the other; mount them beside each other",
                        quoted(&other.path)
                    ),
                );
                let changed = other.volume == mount.volume
                    && can_be_changed(
                        (&mount.sub_path, for_reading(mount)),
                        (&other.sub_path, for_reading(other)),
                    );
                self.none(
                    &at,
                    !changed,
                    &format!(
                        "and {} are one folder, which only one of them may write; mount both alike",
                        quoted(&other.path)
                    ),
                );
            }
        }
    }
}

/// A path as guests see it, which may end with a slash; `None` for what is none,
/// and for the root, which is nobody's.
pub(super) fn guest_path(path: &str) -> Option<GuestPath> {
    path.trim_end_matches('/').parse().ok()
}

/// What a node is told of an emptyDir that is a folder which every session
/// has.
fn own_folder(name: &str, path: &str, max_bytes: u64) -> Option<Mount> {
    (max_bytes > 0).then(|| Mount {
        volume: name.to_owned(),
        path: path.to_owned(),
        ..Mount::default()
    })
}

/// A field of the sandbox as a file; `None` for one that it does not have.
fn field(path: &str) -> Option<Field> {
    match path {
        "metadata.labels" => Some(Field::Labels),
        "metadata.annotations" => Some(Field::Annotations),
        _ => EnvValue::of_field(path).map(Field::Value),
    }
}
