//! Answers that are good for a while: each question is asked once at a time,
//! however many want to know. What was of use longest ago makes room for others.
//! Refusals have room of their own: whoever makes up what is refused makes
//! nobody ask again who is not.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use lru::LruCache;
use tokio::time::Instant;

type Asked<V> = Shared<BoxFuture<'static, Option<V>>>;
/// Answers, and until when they are good. Old ones stay while there is room.
type Kept<K, V> = LruCache<K, (Instant, V)>;

/// Answers by question.
pub struct Memo<K, V> {
    time: Duration,
    grants: fn(&V) -> bool,
    answers: Arc<Mutex<Answers<K, V>>>,
}

struct Answers<K, V> {
    asked: HashMap<K, Asked<V>>,
    granted: Kept<K, V>,
    refused: Kept<K, V>,
}

impl<K, V> fmt::Debug for Memo<K, V> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Memo")
    }
}

impl<K, V> Memo<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Keeps answers for this time, and so many at the most of those that grant
    /// something, and as many of the others.
    pub fn new(time: Duration, most: usize, grants: fn(&V) -> bool) -> Self {
        let most = NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN);
        Self {
            time,
            grants,
            answers: Arc::new(Mutex::new(Answers {
                asked: HashMap::new(),
                granted: LruCache::new(most),
                refused: LruCache::new(most),
            })),
        }
    }

    /// The answer that is kept, if it is still good.
    pub fn kept(&self, question: &K) -> Option<V> {
        lock(&self.answers).kept(question)
    }

    /// Whether the last answer granted something, however long ago.
    pub fn was_granted(&self, question: &K) -> bool {
        lock(&self.answers).granted.contains(question)
    }

    /// The answer: one that is kept, one that somebody waits for already, or
    /// that of `ask`. `None` where there was none, which is not kept. What is
    /// `held` for who waits is so until there is an answer: by who asks even if
    /// they leave, for their question goes on.
    pub async fn get<H>(
        &self,
        question: &K,
        held: H,
        ask: impl FnOnce(H) -> BoxFuture<'static, Option<V>>,
    ) -> Option<V> {
        let (asked, _held) = {
            let mut answers = lock(&self.answers);
            if let Some(answer) = answers.kept(question) {
                return Some(answer);
            }
            match answers.asked.get(question) {
                Some(asked) => (asked.clone(), Some(held)),
                None => {
                    let asked = self.begin(question.clone(), ask(held));
                    answers.asked.insert(question.clone(), asked.clone());
                    (asked, None)
                }
            }
        };
        asked.await
    }

    /// Asks in a task of its own: the first who asked may leave, and others wait.
    fn begin(&self, question: K, ask: BoxFuture<'static, Option<V>>) -> Asked<V> {
        let (answers, grants) = (Arc::clone(&self.answers), self.grants);
        let until = Instant::now() + self.time;
        let work = async move {
            // Even what panics is asked no longer.
            let answer = AssertUnwindSafe(ask).catch_unwind().await.ok().flatten();
            let mut answers = lock(&answers);
            answers.asked.remove(&question);
            if let Some(answer) = answer.clone() {
                let grants = grants(&answer);
                answers.keep(question, (until, answer), grants);
            }
            answer
        };
        let answer = tokio::spawn(work).map(|answer| answer.ok().flatten());
        answer.boxed().shared()
    }
}

impl<K: Eq + Hash, V: Clone> Answers<K, V> {
    fn kept(&mut self, question: &K) -> Option<V> {
        let now = Instant::now();
        let kept = [&mut self.granted, &mut self.refused];
        kept.into_iter().find_map(|kept| match kept.get(question) {
            Some((until, answer)) if now < *until => Some(answer.clone()),
            Some(_) | None => None,
        })
    }

    fn keep(&mut self, question: K, answer: (Instant, V), grants: bool) {
        let Self {
            granted, refused, ..
        } = self;
        let (its, other) = if grants {
            (granted, refused)
        } else {
            (refused, granted)
        };
        other.pop(&question);
        its.put(question, answer);
    }
}

fn lock<T>(answers: &Mutex<T>) -> MutexGuard<'_, T> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};

    use futures_util::future::join_all;

    use super::*;

    const TIME: Duration = Duration::from_secs(30);

    /// Keeps two numbers of either kind; those from 0 on grant something.
    fn memo<K: Clone + Eq + Hash + Send + 'static>() -> Memo<K, i32> {
        Memo::new(TIME, 2, |answer| *answer >= 0)
    }

    /// Asks what the answer tells.
    async fn tell(memo: &Memo<i32, i32>, answer: i32) {
        memo.get(&answer, (), |()| ready(Some(answer)).boxed())
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_is_asked_once_until_its_answer_is_old() {
        let (memo, asked) = (memo(), Cell::new(0));
        let get = || {
            memo.get(&"q", (), |()| {
                asked.set(asked.get() + 1);
                tokio::task::yield_now().map(|()| Some(7)).boxed()
            })
        };
        let all = join_all((0..100).map(|_| get())).await;
        assert!(all.iter().all(|it| *it == Some(7)));
        assert_eq!(asked.get(), 1);
        tokio::time::advance(TIME).await;
        assert_eq!(memo.kept(&"q"), None);
        get().await;
        assert_eq!(asked.get(), 2);
    }

    #[tokio::test]
    async fn the_first_who_asks_may_leave_and_what_is_held_for_them_stays_until_the_answer() {
        let (memo, held) = (memo(), Arc::new(()));
        let (tell, told) = tokio::sync::oneshot::channel();
        let first = memo.get(&"q", Arc::clone(&held), |held| {
            told.map(move |answer| answer.ok().filter(|_| Arc::strong_count(&held) > 0))
                .boxed()
        });
        assert!(first.now_or_never().is_none());
        assert_eq!(Arc::strong_count(&held), 2);
        tell.send(7).unwrap();
        let unasked = |_| unreachable!("it is being asked already");
        assert_eq!(memo.get(&"q", (), unasked).await, Some(7));
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test]
    async fn who_joins_and_leaves_holds_nothing() {
        let (memo, held) = (memo(), Arc::new(()));
        let get = |held| memo.get(&"q", held, |_| pending().boxed()).now_or_never();
        assert_eq!(get(Arc::new(())), None);
        assert_eq!(get(Arc::clone(&held)), None);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test]
    async fn no_answer_is_not_kept_nor_what_panics() {
        let memo = memo();
        let none = memo.get(&"q", (), |()| ready(None).boxed()).await;
        assert_eq!(none, None);
        let panics = |()| async { panic!("the test wants it") }.boxed();
        assert_eq!(memo.get(&"q", (), panics).await, None);
        let some = memo.get(&"q", (), |()| ready(Some(7)).boxed()).await;
        assert_eq!(some, Some(7));
    }

    #[tokio::test]
    async fn refusals_make_room_for_each_other_and_not_for_what_is_granted() {
        let memo = memo();
        tell(&memo, 1).await;
        for refused in 1..=100 {
            tell(&memo, -refused).await;
        }
        assert_eq!(memo.kept(&1), Some(1));
        assert_eq!(memo.kept(&-98), None);
        assert_eq!((memo.kept(&-99), memo.kept(&-100)), (Some(-99), Some(-100)));
    }

    #[tokio::test]
    async fn what_was_of_use_longest_ago_makes_room_alone() {
        let memo = memo();
        tell(&memo, 1).await;
        tell(&memo, 2).await;
        assert_eq!(memo.kept(&1), Some(1));
        tell(&memo, 3).await;
        let kept = [1, 2, 3].map(|question| memo.kept(&question));
        assert_eq!(kept, [Some(1), None, Some(3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_granted_is_known_until_it_is_refused() {
        let memo = memo();
        let get = |answer| memo.get(&"q", (), move |()| ready(Some(answer)).boxed());
        get(7).await;
        tokio::time::advance(TIME).await;
        assert!(memo.kept(&"q").is_none() && memo.was_granted(&"q"));
        get(-1).await;
        assert!(memo.kept(&"q") == Some(-1) && !memo.was_granted(&"q"));
    }
}
