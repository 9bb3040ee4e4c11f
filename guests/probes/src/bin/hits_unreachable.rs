//! Executes `unreachable`.

fn main() {
    std::arch::wasm32::unreachable();
}
