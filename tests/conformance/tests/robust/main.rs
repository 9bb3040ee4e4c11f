//! What hostile, hasty and unlucky clients do, on loopback alone and bounded
//! in number and time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

mod connections;
mod crash;
mod load;

use mote_conformance::{Sandboxd, node};

macro_rules! tests {
    ($($module:ident: { $($case:ident,)* })*) => {
        mod process {
            $( mod $module { $( #[test] fn $case() {
                mote_conformance::run(async {
                    let target = crate::Sandboxd::start().await.target();
                    crate::$module::$case(&target).await;
                });
            } )* } )*
        }
        mod wasm {
            $( mod $module { $( #[test] fn $case() {
                mote_conformance::run(async {
                    crate::$module::$case(&crate::node().sandbox().await).await;
                });
            } )* } )*
        }
    };
}

tests! {
    connections: {
        slow_headers_are_cut,
        a_connection_that_says_nothing_is_cut,
        huge_headers_are_refused,
        too_many_headers_are_refused,
        an_endless_line_is_refused,
        a_body_that_stops_half_way_leaves_nothing,
        a_form_that_stops_half_way_leaves_nothing,
        a_download_nobody_reads_holds_nobody_up,
        answers_nobody_reads_are_given_up,
        connections_that_come_and_go_harm_nobody,
    }
    load: {
        of_200_connections_and_10_000_calls_none_is_lost,
    }
}
