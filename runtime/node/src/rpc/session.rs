//! A sandbox as controllers are told of it.

use mote_rpc::v1;

use crate::record::Record;
use crate::sandbox::Sandbox;

/// The session that it is; `None` for what is none, or is gone.
pub(super) fn told(sandbox: &Sandbox) -> Option<v1::Session> {
    let barred = sandbox.barred();
    let has_files = sandbox.has_files();
    sandbox.look(|record| {
        let object = record.object.as_ref()?;
        let phase = match (&barred, record.suspended) {
            (Some(_), _) => v1::Phase::Barred,
            (None, true) => v1::Phase::Suspended,
            (None, false) => v1::Phase::Running,
        };
        Some(v1::Session {
            uid: record.id.to_string(),
            generation: object.generation,
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            phase: phase.into(),
            exit_code: None,
            policy: object.policy.clone(),
            addresses: record.addresses.iter().map(|it| it.to_string()).collect(),
            has_files,
            resources: Some(v1::Resources {
                memory_bytes: record.limits.memory.as_u64(),
                cpu_millis: object.asked.cpu_millis,
                disk_bytes: record.limits.disk.as_u64(),
            }),
            message: barred.unwrap_or_default(),
        })
    })?
}

/// Whose session it is, if it is one.
pub(super) fn tenant(sandbox: &Sandbox) -> Option<String> {
    let of = |record: &Record| Some(record.object.as_ref()?.namespace.clone());
    sandbox.look(of)?
}

/// Memory that is kept for it, in bytes.
pub(super) fn reserved(sandbox: &Sandbox) -> u64 {
    sandbox.look(reserved_of).unwrap_or(0)
}

fn reserved_of(record: &Record) -> u64 {
    if record.suspended {
        0
    } else {
        record.limits.memory.as_u64()
    }
}
