use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Between two ticks.
const SLICE: Duration = Duration::from_millis(10);

/// A host with so many threads.
fn host(threads: usize) -> Arc<Turns> {
    let queue = Queue {
        free: Some(threads),
        ..Queue::default()
    };
    Arc::new(Turns(Mutex::new(queue)))
}

/// A program that runs on and on.
struct Busy {
    stint: Arc<Stint>,
    going: Option<oneshot::Receiver<Turn>>,
    slices: u32,
}

impl Busy {
    fn of(share: &Share, turns: &Arc<Turns>) -> Self {
        Self {
            stint: Stint::new(share.clone(), Arc::clone(turns)),
            going: None,
            slices: 0,
        }
    }

    /// Runs until the next tick, if it may, and lines up again.
    fn tick(&mut self) -> bool {
        if let Some(going) = &mut self.going {
            let Ok(turn) = going.try_recv() else {
                return false;
            };
            self.stint.state().held = Some(turn);
        }
        let (go, going) = oneshot::channel();
        self.stint.state().asks = Some(go);
        self.going = Some(going);
        self.stint.stops(SLICE);
        self.slices += 1;
        true
    }
}

/// Lets them run for so many slices in all; how many each had.
fn slices(busy: &mut [Busy], rounds: u32) -> Vec<u32> {
    let before: Vec<u32> = busy.iter().map(|it| it.slices).collect();
    for _ in 0..rounds {
        let ran = busy.iter_mut().filter_map(|it| it.tick().then_some(()));
        assert!(ran.count() > 0, "somebody always goes on");
    }
    let after = busy.iter().zip(before);
    after.map(|(it, before)| it.slices - before).collect()
}

#[test]
fn programs_that_run_on_have_time_by_the_shares_of_their_sandboxes() {
    let turns = host(1);
    let shares = [100, 300, 600].map(Share::of_millis);
    let mut busy = shares.each_ref().map(|share| Busy::of(share, &turns));
    slices(&mut busy, 10);
    let had = slices(&mut busy, 1_000);
    let all: u32 = had.iter().sum();
    for (had, part) in had.into_iter().zip([10, 30, 60]) {
        let percent = 100 * had / all;
        assert!(percent.abs_diff(part) <= 2, "{percent} and not {part}");
    }
}

#[test]
fn many_programs_of_one_sandbox_have_no_more_together_than_one_of_another() {
    let turns = host(1);
    let (crowd, single) = (Share::of_millis(500), Share::of_millis(500));
    let mut busy: Vec<Busy> = (0..9).map(|_| Busy::of(&crowd, &turns)).collect();
    busy.push(Busy::of(&single, &turns));
    slices(&mut busy, 20);
    let had = slices(&mut busy, 1_000);
    let (single, all) = (had[9], had.iter().sum::<u32>());
    assert!((48..=52).contains(&(100 * single / all)), "{had:?}");
}

#[test]
fn a_thread_that_nobody_else_wants_is_taken_whatever_the_share() {
    let turns = host(2);
    let shares = [Share::of_millis(0), Share::of_millis(64_000)];
    let mut busy = shares.each_ref().map(|share| Busy::of(share, &turns));
    assert_eq!(slices(&mut busy, 100), [100, 100]);
}

#[test]
fn who_was_idle_is_next_and_makes_up_for_no_more_than_a_moment() {
    let turns = host(1);
    let share = || Share::of_millis(1000);
    let mut busy = vec![Busy::of(&share(), &turns)];
    slices(&mut busy, 10_000);
    busy.push(Busy::of(&share(), &turns));
    // Its first moments need no turn.
    slices(&mut busy, 1);
    let had = slices(&mut busy, 100);
    assert!(had[0].abs_diff(had[1]) <= 4, "{had:?}");
}

#[test]
fn who_had_more_than_its_share_is_kept_out_for_a_bounded_time() {
    let turns = host(1);
    let (greedy, other) = (Share::of_millis(500), Share::of_millis(500));
    let mut busy = vec![Busy::of(&other, &turns)];
    slices(&mut busy, 4);
    // Its first moments waited for nobody.
    greedy.charge(Duration::from_secs(3600));
    busy.push(Busy::of(&greedy, &turns));
    let debt = u32::try_from(DEBT.as_millis() / SLICE.as_millis()).unwrap();
    let had = slices(&mut busy, 4 * debt);
    assert!(had[1] > debt, "{had:?}");
}

#[test]
fn a_turn_that_nobody_takes_is_the_next_ones() {
    let turns = host(1);
    let share = Share::default();
    let wait = |held| {
        let (go, going) = oneshot::channel();
        let share = share.clone();
        turns.wait(Waiter { share, go }, held);
        going
    };
    let (mut first, second, mut third) = (wait(None), wait(None), wait(None));
    let turn = first.try_recv().expect("a thread is free");
    // One is ended while it waits, one when it was let go on.
    drop(second);
    drop(turn);
    let fourth = wait(None);
    drop(third.try_recv().expect("it is the next"));
    drop(fourth);
    assert_eq!(turns.queue().free, Some(1));
    assert!(turns.queue().next().is_none());
}

#[test]
fn who_stops_without_asking_for_more_gives_its_turn_back() {
    let turns = host(1);
    let share = Share::default();
    let mut sleeper = Busy::of(&share, &turns);
    assert!(sleeper.tick() && sleeper.tick());
    let turn = sleeper.going.take().unwrap().try_recv().unwrap();
    sleeper.stint.state().held = Some(turn);
    assert_eq!(turns.queue().free, Some(0));
    sleeper.stint.stops(SLICE);
    assert_eq!(turns.queue().free, Some(1));
}

#[test]
fn shares_are_those_of_pods() {
    let weights = [0, 1, 100, 1000, 2500, u32::MAX].map(|it| Share::of_millis(it).0.weight);
    assert_eq!(weights, [2, 2, 102, 1024, 2560, MOST]);
}

proptest! {
    /// Whatever comes, stops and goes: no turn is lost or made, and none is
    /// free while somebody waits.
    #[test]
    fn turns_are_neither_lost_nor_made(
        threads in 1_usize..4,
        acts in prop::collection::vec((0_usize..8, 0_u8..4), 0..200),
    ) {
        let turns = host(threads);
        let mut busy = HashMap::<usize, Busy>::new();
        for (who, act) in acts {
            let share = Share::of_millis(100 * who as u32);
            match act {
                0 => drop(busy.remove(&who)),
                1 => if let Some(it) = busy.get_mut(&who) {
                    // It waits for something else.
                    if let Some(Ok(turn)) = it.going.as_mut().map(oneshot::Receiver::try_recv) {
                        it.stint.state().held = Some(turn);
                        it.going = None;
                        it.stint.stops(SLICE);
                    }
                }
                _ => drop(busy.entry(who).or_insert_with(|| Busy::of(&share, &turns)).tick()),
            }
            let granted = busy.values_mut().filter_map(|it| it.going.as_mut());
            let granted = granted.filter(|going| !going.is_empty()).count();
            let queue = turns.queue();
            let waits = queue.waiting.iter().any(|waiter| !waiter.go.is_closed());
            prop_assert_eq!(queue.free.unwrap() + granted, threads);
            prop_assert!(queue.free == Some(0) || !waits);
        }
    }
}
