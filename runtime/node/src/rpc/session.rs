//! A sandbox as controllers are told of it.

use mote_rpc::v1;

use crate::record::Record;
use crate::sandbox::Sandbox;

/// The session that it is; `None` for what is none, or is gone.
pub(super) fn told(sandbox: &Sandbox) -> Option<v1::Session> {
    let barred = sandbox.barred();
    let has_files = sandbox.has_files();
    let (exit_code, told) = sandbox.command_told();
    sandbox.look(|record| {
        let object = record.object.as_ref()?;
        let phase = match (&barred, record.ended()) {
            _ if record.suspended && barred.is_none() => v1::Phase::Suspended,
            (_, Some(ended)) if ended.is_well() => v1::Phase::Succeeded,
            (_, Some(_)) => v1::Phase::Failed,
            (Some(_), None) => v1::Phase::Barred,
            (None, None) => v1::Phase::Running,
        };
        Some(v1::Session {
            uid: record.id.to_string(),
            generation: object.generation,
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            phase: phase.into(),
            exit_code: exit_code.map(i32::from),
            policy: object.policy.clone(),
            addresses: record.addresses.iter().map(|it| it.to_string()).collect(),
            has_files,
            resources: Some(v1::Resources {
                memory_bytes: record.limits.memory.as_u64(),
                cpu_millis: object.asked.cpu_millis,
                disk_bytes: record.limits.disk.as_u64(),
            }),
            message: barred.unwrap_or(told),
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
    if record.suspended || record.ended().is_some() {
        0
    } else {
        record.limits.memory.as_u64()
    }
}
