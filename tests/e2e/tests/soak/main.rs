//! Random events for a while, in rounds; after each round everything must be as
//! the objects say. `MOTE_SOAK_SECONDS` says for how long, `MOTE_SOAK_SEED`
//! repeats the same events.
//!
//! ```text
//! round: acts, one after the other ──► what was changed is changed back ──► settles ──► checked, twice
//!          └─ meanwhile, again and again: no address twice, nothing alive twice
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

mod act;
mod check;
mod history;
mod model;
mod watch;

use std::time::Duration;

use mote_e2e::{Hosts, Story, Undo, open_template, pool, session};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, interval, timeout};

use history::History;
use model::Model;

/// How long it lasts if nobody says otherwise.
const LASTS: Duration = Duration::from_secs(180);
/// Acts in a round.
const ACTS: usize = 14;
/// Acts more in a round in which a node is cut off: long enough for what has no
/// files to go elsewhere.
const ACTS_MORE: usize = 50;
/// Between acts.
const PACE: Duration = Duration::from_millis(700);
/// How long everything may take to be as it should: a controller that died
/// holds its lease for 15 s, and pods of a cluster whose API server was away
/// are started late.
const SETTLES: Duration = Duration::from_secs(120);
/// How often it is looked whether it is.
const LOOK: Duration = Duration::from_millis(500);
/// The template and the pool of claims.
const POOL: &str = "pool";

/// One run.
struct Soak {
    story: Story,
    hosts: Hosts,
    random: StdRng,
    model: Model,
    history: History,
    /// What is to be changed back at the end of the round.
    undo: Vec<Undo>,
    /// Whether a node was cut off in this round.
    cut: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_sandboxes_are_what_their_objects_say() {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        let number = text.parse::<u64>();
        Some(number.unwrap_or_else(|_| panic!("{name} is a number, and not {text:?}")))
    };
    let lasts = number("MOTE_SOAK_SECONDS").map_or(LASTS, Duration::from_secs);
    let seed = number("MOTE_SOAK_SEED").unwrap_or_else(|| rand::rng().random());
    eprintln!("soak: {lasts:?} with MOTE_SOAK_SEED={seed}");
    let mut soak = Soak::begin(seed).await;
    let ends = Instant::now() + lasts;
    let mut rounds = 0;
    while Instant::now() < ends {
        rounds += 1;
        soak.history.note(format!("round {rounds}"));
        soak.round().await;
        eprintln!("soak: round {rounds} holds; {}", soak.model);
    }
    soak.story.end().await;
}

impl Soak {
    async fn begin(seed: u64) -> Self {
        let story = Story::begin("soak").await;
        story
            .create::<mote_controller::crd::SandboxTemplate>(open_template(POOL, session("wasm")))
            .await;
        story
            .create::<mote_controller::crd::SandboxWarmPool>(pool(POOL, POOL, 1))
            .await;
        Self {
            hosts: Hosts::open(&story.client).await,
            history: History::of(seed),
            random: StdRng::seed_from_u64(seed),
            model: Model::default(),
            undo: Vec::new(),
            cut: false,
            story,
        }
    }

    async fn round(&mut self) {
        let watch = watch::begin(&self.story, &self.history).await;
        let mut pace = interval(PACE);
        let mut left = ACTS;
        while left > 0 {
            pace.tick().await;
            left -= 1;
            let cut = self.cut;
            self.act().await;
            if self.cut && !cut {
                watch.nodes_may_differ();
                left += ACTS_MORE;
            }
        }
        watch.end().await;
        self.heal().await;
        self.settle().await;
    }

    /// Changes back what was changed.
    async fn heal(&mut self) {
        self.until_api_answers().await;
        self.history.note("everything is changed back");
        self.undo.clear();
        self.cut = false;
    }

    /// Waits until everything is as it should be, and finds it so again: what
    /// is only so in passing does not count.
    async fn settle(&mut self) {
        let mut last = String::new();
        let mut looks = interval(LOOK);
        let settled = async {
            let mut in_a_row = 0;
            while in_a_row < 2 {
                looks.tick().await;
                match self.check().await {
                    Ok(()) => in_a_row += 1,
                    Err(why) => (in_a_row, last) = (0, why),
                }
            }
        };
        if timeout(SETTLES, settled).await.is_err() {
            self.history
                .fail(&format!("not settled after {SETTLES:?}: {last}"));
        }
        self.history.note("settled");
    }
}
