//! What a container may use.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use mote_api::{ByteSize, Limits};

use super::{Reader, Wanted, empty, quoted, short};
use crate::blueprint::quantity;

/// Amounts by the names of resources, as they stand under a container's limits
/// or requests.
type Amounts = BTreeMap<String, Quantity>;

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
        let limits = (LIMITS, limits.as_ref());
        let requests = (REQUESTS, requests.as_ref());
        for (kind, amounts) in [requests, limits] {
            for (name, amount) in amounts.into_iter().flatten() {
                self.resource(&at(kind, name), name, amount);
            }
        }
        // A limit is what counts; where there is none, what was asked for. Of
        // processors it is the other way: a pod's weight is that of its request.
        let ceilings = [limits, requests];
        let memory = (Limits::MIN_MEMORY, Limits::MAX_MEMORY);
        wanted.memory_bytes = self.ceiling(MEMORY, ceilings, memory);
        wanted.disk_bytes = self.ceiling(DISK, ceilings, (ByteSize::bytes(1), Limits::MOST_DISK));
        let weight = first(CPU, [requests, limits]);
        let millis = weight.and_then(|(_, amount)| whole(amount, NANOS_PER_MILLI));
        wanted.cpu_millis = u32::try_from(millis.unwrap_or_default()).unwrap_or(u32::MAX);
    }

    fn resource(&mut self, field: &str, name: &str, amount: &Quantity) {
        if bytes(amount).is_none() {
            self.object(field, format!("{} is no quantity", quoted(&amount.0)));
        } else if ![MEMORY, CPU, DISK].contains(&name) {
            self.object(field, "is not what a wasm session can have");
        }
    }

    /// The bytes of the first of these; 0, which leaves it to the node, where
    /// there is none. What no node gives is objected to.
    fn ceiling(
        &mut self,
        name: &str,
        amounts: [(&str, Option<&Amounts>); 2],
        (least, most): (ByteSize, ByteSize),
    ) -> u64 {
        let asked = first(name, amounts);
        let Some((kind, bytes)) = asked.and_then(|(kind, it)| Some((kind, bytes(it)?))) else {
            return 0;
        };
        self.none(
            at(kind, name),
            bytes == 0 || (least.as_u64()..=most.as_u64()).contains(&bytes),
            &format!("is {bytes} bytes, and a wasm session has {least} to {most}"),
        );
        bytes
    }
}

const LIMITS: &str = "limits";
const REQUESTS: &str = "requests";
const MEMORY: &str = "memory";
const CPU: &str = "cpu";
const DISK: &str = "ephemeral-storage";

fn at(kind: &str, name: &str) -> String {
    format!("containers[0].resources.{kind}[{}]", short(name))
}

/// The first amount of this name, and where it stands.
fn first<'a>(
    name: &str,
    amounts: [(&'a str, Option<&'a Amounts>); 2],
) -> Option<(&'a str, &'a Quantity)> {
    let mut found = amounts
        .into_iter()
        .filter_map(|(kind, all)| Some((kind, all?.get(name)?)));
    found.next()
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
