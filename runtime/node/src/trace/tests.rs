use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;

type Fields = BTreeMap<&'static str, String>;

/// Keeps the fields of the one span that a test makes.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Fields>>);

struct Keeper<'a>(&'a mut Fields);

impl Visit for Keeper<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Kept {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Keeper(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Keeper(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// What a call of `caller` that ended has left in its span.
fn told(caller: &Caller, program: &str) -> (CallTrace, Fields) {
    let kept = Kept::default();
    let call = tracing::subscriber::with_default(kept.clone(), || {
        let call = CallTrace::begin(caller, "build-7", Surface::Grpc, program);
        call.end("exited", Duration::from_micros(42));
        call
    });
    let fields = kept.0.lock().unwrap().clone();
    (call, fields)
}

#[test]
fn a_span_is_below_its_callers() {
    let parent = TraceParent {
        trace: 0xabc,
        span: 0xdef,
        sampled: true,
    };
    let caller = Caller {
        trace: Some(parent),
        ..Caller::default()
    };
    let (call, fields) = told(&caller, "sh");
    let here = call.here();
    assert_eq!((here.trace, here.sampled), (0xabc, true));
    assert_ne!(here.span, parent.span);
    let expected = [
        ("trace_id", format!("{:032x}", 0xabc)),
        ("span_id", format!("{:016x}", here.span)),
        ("parent_id", "0000000000000def".to_owned()),
        ("sandbox", "build-7".to_owned()),
        ("surface", "grpc".to_owned()),
        ("program", "sh".to_owned()),
        ("outcome", "exited".to_owned()),
        ("wall_us", "42".to_owned()),
    ];
    assert_eq!(fields, Fields::from(expected));
}

#[test]
fn a_call_without_a_trace_begins_one() {
    let (call, fields) = told(&Caller::default(), &"x".repeat(10_000));
    assert_ne!(call.here().trace, 0);
    assert_ne!(call.here().span, 0);
    assert!(!call.here().sampled);
    assert_eq!(fields.get("parent_id"), None);
    assert!(fields["program"].len() < 300);
}

#[test]
fn ids_are_new_each_time() {
    let all: BTreeSet<u64> = (0..10_000).map(|_| id()).collect();
    assert_eq!(all.len(), 10_000);
    assert!(!all.contains(&0));
}
