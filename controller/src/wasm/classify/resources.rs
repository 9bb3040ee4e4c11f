//! What a container may use.

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Reader, Wanted, empty, quoted, short};
use crate::blueprint::quantity;

impl Reader<'_> {
    pub(super) fn resources(&mut self, resources: &ResourceRequirements, wanted: &mut Wanted) {
        let ResourceRequirements {
            claims,
            limits,
            requests,
        } = resources;
        self.none(
            "containers[0].resources.claims",
            empty(claims),
            "are devices, which wasm sessions cannot have",
        );
        // A limit is what counts; where there is none, what was asked for.
        for (kind, amounts) in [("requests", requests), ("limits", limits)] {
            for (name, amount) in amounts.iter().flatten() {
                self.resource(
                    &format!("containers[0].resources.{kind}[{}]", short(name)),
                    name,
                    amount,
                    wanted,
                );
            }
        }
    }

    fn resource(&mut self, field: &str, name: &str, amount: &Quantity, wanted: &mut Wanted) {
        let Some(bytes) = bytes(amount) else {
            return self.object(field, format!("{} is no quantity", quoted(&amount.0)));
        };
        match name {
            "memory" => wanted.memory_bytes = bytes,
            "cpu" => {
                let millis = whole(amount, NANOS_PER_MILLI).unwrap_or_default();
                wanted.cpu_millis = u32::try_from(millis).unwrap_or(u32::MAX);
            }
            "ephemeral-storage" => wanted.disk_bytes = bytes,
            _ => self.object(field, "is not what a wasm session can have"),
        }
    }
}

const NANOS: i128 = 1_000_000_000;
const NANOS_PER_MILLI: i128 = 1_000_000;

/// A quantity in whole units; `None` for what is none.
pub(super) fn bytes(amount: &Quantity) -> Option<u64> {
    whole(amount, NANOS)
}

/// A quantity in units of so many billionths; a part of one is a whole one.
fn whole(amount: &Quantity, unit: i128) -> Option<u64> {
    let nanos = quantity::nanos(&amount.0).filter(|nanos| *nanos >= 0)?;
    let count = nanos.div_euclid(unit) + i128::from(nanos.rem_euclid(unit) > 0);
    Some(u64::try_from(count).unwrap_or(u64::MAX))
}

pub(super) fn says_nothing(resources: &ResourceRequirements) -> bool {
    *resources == ResourceRequirements::default()
}
