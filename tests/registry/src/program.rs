//! Programs that are pushed to see them declined.

use wasm_encoder::{
    Component, ComponentImportSection, ComponentTypeRef, ComponentTypeSection, PrimitiveValType,
};

/// A component that imports what no session has: `do-harm`.
pub fn asks_for_more() -> Vec<u8> {
    let mut types = ComponentTypeSection::new();
    let nothing: [(&str, PrimitiveValType); 0] = [];
    types.function().params(nothing).result(None);
    let mut imports = ComponentImportSection::new();
    imports.import("do-harm", ComponentTypeRef::Func(0));
    let mut component = Component::new();
    component.section(&types).section(&imports);
    component.finish()
}
