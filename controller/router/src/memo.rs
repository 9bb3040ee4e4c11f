//! Answers that are good for a while: each question is asked once at a time,
//! however many want to know.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

type Asked<V> = Shared<BoxFuture<'static, Option<V>>>;

/// Answers by question.
pub struct Memo<K, V> {
    time: Duration,
    most: usize,
    answers: Mutex<HashMap<K, (Instant, Asked<V>)>>,
}

impl<K, V> fmt::Debug for Memo<K, V> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Memo")
    }
}

impl<K, V> Memo<K, V>
where
    K: Clone + Eq + Hash,
    V: Clone + Send + Sync + 'static,
{
    /// Keeps answers for this time, and so many at the most.
    pub fn new(time: Duration, most: usize) -> Self {
        Self {
            time,
            most,
            answers: Mutex::new(HashMap::new()),
        }
    }

    /// The answer: one that is kept, one that somebody waits for already, or
    /// that of `ask`. `None` where there was none, which is not kept.
    pub async fn get(
        &self,
        question: &K,
        ask: impl FnOnce() -> BoxFuture<'static, Option<V>>,
    ) -> Option<V> {
        let asked = self.asked(question, ask);
        let answer = asked.clone().await;
        if answer.is_none() {
            let mut answers = self.answers();
            if answers
                .get(question)
                .is_some_and(|(_, it)| it.ptr_eq(&asked))
            {
                answers.remove(question);
            }
        }
        answer
    }

    fn asked(&self, question: &K, ask: impl FnOnce() -> BoxFuture<'static, Option<V>>) -> Asked<V> {
        let (now, mut answers) = (Instant::now(), self.answers());
        if let Some((until, asked)) = answers.get(question)
            && now < *until
        {
            return asked.clone();
        }
        if answers.len() >= self.most {
            answers.retain(|_, (until, _)| now < *until);
        }
        if answers.len() >= self.most {
            // To forget costs a question each; to keep more would cost memory.
            answers.clear();
        }
        // In a task of its own: the first who asked may leave, and others wait.
        let answer = tokio::spawn(ask()).map(|answer| answer.ok().flatten());
        let asked = answer.boxed().shared();
        answers.insert(question.clone(), (now + self.time, asked.clone()));
        asked
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<K, (Instant, Asked<V>)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;

    use futures_util::future::join_all;

    use super::*;

    const TIME: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_question_is_asked_once_until_its_answer_is_old() {
        let (memo, asked) = (Memo::new(TIME, 8), Cell::new(0));
        let get = || {
            memo.get(&"q", || {
                asked.set(asked.get() + 1);
                tokio::task::yield_now().map(|()| Some(7)).boxed()
            })
        };
        let all = join_all((0..100).map(|_| get())).await;
        assert!(all.iter().all(|it| *it == Some(7)));
        assert_eq!(asked.get(), 1);
        tokio::time::advance(TIME).await;
        get().await;
        assert_eq!(asked.get(), 2);
    }

    #[tokio::test]
    async fn the_first_who_asks_may_leave() {
        let memo = Memo::new(TIME, 8);
        let (tell, told) = tokio::sync::oneshot::channel();
        let first = memo.get(&"q", || told.map(Result::ok).boxed());
        assert!(first.now_or_never().is_none());
        tell.send(7).unwrap();
        let unasked = || unreachable!("it is being asked already");
        assert_eq!(memo.get(&"q", unasked).await, Some(7));
    }

    #[tokio::test]
    async fn no_answer_is_not_kept() {
        let memo = Memo::new(TIME, 8);
        let none = memo.get(&"q", || ready(None).boxed()).await;
        assert_eq!(none, None);
        let some = memo.get(&"q", || ready(Some(7)).boxed()).await;
        assert_eq!(some, Some(7));
    }

    #[tokio::test]
    async fn no_more_answers_are_kept_than_may_be() {
        let memo = Memo::new(TIME, 2);
        for question in 0..10 {
            memo.get(&question, || ready(Some(())).boxed()).await;
            assert!(memo.answers().len() <= 2);
        }
    }
}
