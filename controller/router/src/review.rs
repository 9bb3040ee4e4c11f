//! Who may ask, as Kubernetes has it: the API server says whose a token is, and
//! whether they may reach the sandbox.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};

use crate::crowd::{Crowd, For};
use crate::memo::Memo;
use crate::refusal::Refusal;
use crate::target::Target;
use crate::turns::{Share, Turns, Waiting};

/// How long an answer is good. A token that is taken back, or a right, is good
/// for so long after.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Answers that are kept, to either question, and as many refusals: a few
/// hundred bytes each.
const MAX_ANSWERS: usize = 4_096;
/// How long a question may wait for its turn and the API server take for it:
/// less than callers do, who are told to try again.
pub const ASK_TIME: Duration = Duration::from_secs(3);
/// Questions at once.
const MAX_ASKED: usize = 32;
/// Of them, those from one address about tokens that may be made up. A new caller
/// waits behind eight of each other address: where the API server answers in
/// 10 ms, it takes a thousand addresses to keep them waiting for [`ASK_TIME`]. In
/// a fifth of it all who wait at one address have their answer.
const STRANGERS: Share = Share {
    turns: 8,
    waiting: 512,
};
/// Of them, those of one known caller: one who begins to use a thousand
/// sandboxes at once, at half the pace that there is.
const KNOWN: Share = Share {
    turns: 16,
    waiting: 2_048,
};
/// The right that reaches a sandbox, as with a pod's exec: to `create` the
/// subresource `proxy` of `sandboxes`. No such thing exists but in roles.
const VERB: &str = "create";
const SUBRESOURCE: &str = "proxy";

/// Answers the two questions.
pub trait Authority: Send + Sync + 'static {
    /// Whose token it is; `None` for nobody's.
    fn identify(&self, token: String) -> BoxFuture<'static, anyhow::Result<Option<UserInfo>>>;
    /// Whether this user may reach the sandbox.
    fn permits(
        &self,
        user: Arc<UserInfo>,
        namespace: String,
        name: String,
    ) -> BoxFuture<'static, anyhow::Result<bool>>;
}

/// A token, as what is left of it.
type Digested = [u8; 32];

/// Whose turn a question takes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Asker {
    /// Anybody's at this address.
    Stranger(IpAddr),
    /// Theirs whose token is good, or was so when it was asked about last: they
    /// do not wait among strangers, even of their own address.
    Known(Digested),
}

/// Whether who brings this token may reach what has this namespace and name.
type Right = (Digested, String, String);

/// Someone whom the API server knows.
#[derive(Clone, Debug)]
pub struct Known {
    token: Digested,
    user: Arc<UserInfo>,
}

/// Asks, and remembers for a while.
pub struct Reviews {
    authority: Arc<dyn Authority>,
    ask_time: Duration,
    users: Memo<Digested, Option<Arc<UserInfo>>>,
    rights: Memo<Right, bool>,
    turns: Turns<Asker>,
}

impl fmt::Debug for Reviews {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Reviews")
    }
}

impl Reviews {
    /// Asks this authority, and waits for so long. Nothing is known yet.
    pub fn new(authority: impl Authority, ask_time: Duration) -> Self {
        Self {
            authority: Arc::new(authority),
            ask_time,
            users: Memo::new(ANSWER_TIME, MAX_ANSWERS, Option::is_some),
            rights: Memo::new(ANSWER_TIME, MAX_ANSWERS, |permitted| *permitted),
            turns: Turns::new(MAX_ASKED),
        }
    }

    /// Whose token this is, which came from this address; counted in the crowd
    /// for as long as nobody has said.
    ///
    /// # Errors
    /// Nobody's, or nobody says.
    pub async fn identify(
        &self,
        token: &[u8],
        peer: IpAddr,
        crowd: &Crowd,
    ) -> Result<Known, Refusal> {
        let invalid = Refusal::Unauthenticated("Invalid token.");
        let text = std::str::from_utf8(token).map_err(|_| invalid.clone())?;
        let digest: Digested = Sha256::digest(token).into();
        let user = match self.users.kept(&digest) {
            Some(user) => user,
            None => self.ask_whose(text, digest, peer, crowd).await?,
        };
        Ok(Known {
            token: digest,
            user: user.ok_or(invalid)?,
        })
    }

    async fn ask_whose(
        &self,
        token: &str,
        digest: Digested,
        peer: IpAddr,
        crowd: &Crowd,
    ) -> Result<Option<Arc<UserInfo>>, Refusal> {
        let held = if self.users.was_granted(&digest) {
            let place = crowd.enter(For::Known)?;
            (place, self.turns.join(Asker::Known(digest), KNOWN)?)
        } else {
            let place = crowd.enter(For::Stranger)?;
            (place, self.turns.join(Asker::Stranger(peer), STRANGERS)?)
        };
        let user = self.users.get(&digest, held, |(place, waiting)| {
            let asked = self.authority.identify(token.to_owned());
            self.in_turn(waiting, async move {
                let _place = place;
                Ok(asked.await?.map(Arc::new))
            })
        });
        user.await.ok_or(Refusal::Unchecked)
    }

    /// Whether they may reach the sandbox that the target names.
    ///
    /// # Errors
    /// They may not, or nobody says.
    pub async fn permit(&self, known: &Known, target: &Target) -> Result<(), Refusal> {
        let (namespace, name) = (target.namespace.clone(), target.id.clone());
        let question = (known.token, namespace, name);
        let permitted = match self.rights.kept(&question) {
            Some(permitted) => permitted,
            None => self.ask_right(known, &question).await?,
        };
        if permitted {
            return Ok(());
        }
        let (_, namespace, id) = question;
        Err(Refusal::Forbidden { id, namespace })
    }

    async fn ask_right(&self, known: &Known, question: &Right) -> Result<bool, Refusal> {
        let waiting = self.turns.join(Asker::Known(known.token), KNOWN)?;
        let permitted = self.rights.get(question, waiting, |waiting| {
            let user = Arc::clone(&known.user);
            let (_, namespace, name) = question.clone();
            self.in_turn(waiting, self.authority.permits(user, namespace, name))
        });
        permitted.await.ok_or(Refusal::Unchecked)
    }

    /// Asks when it is its turn; `None` without an answer. Of the API server's
    /// failures the log tells; that many ask is none.
    fn in_turn<T: Send + 'static>(
        &self,
        waiting: Waiting<Asker>,
        asked: impl Future<Output = anyhow::Result<T>> + Send + 'static,
    ) -> BoxFuture<'static, Option<T>> {
        let time = self.ask_time;
        let until = Instant::now() + time;
        async move {
            let Ok(Ok(_turn)) = timeout_at(until, waiting.turn()).await else {
                tracing::debug!(?time, "a caller was not asked about in time");
                return None;
            };
            match timeout_at(until, asked).await {
                Ok(Ok(answer)) => Some(answer),
                Ok(Err(error)) => {
                    tracing::error!("failed to check a caller: {error:#}");
                    None
                }
                Err(_) => {
                    tracing::error!(?time, "the API server did not check a caller in time");
                    None
                }
            }
        }
        .boxed()
    }
}

/// Asks the API server.
pub struct Cluster {
    /// Speaks to it.
    pub client: Client,
    /// For whom tokens must have been made; for the API server itself, if none.
    pub audiences: Vec<String>,
}

impl Authority for Cluster {
    fn identify(&self, token: String) -> BoxFuture<'static, anyhow::Result<Option<UserInfo>>> {
        let spec = TokenReviewSpec {
            audiences: (!self.audiences.is_empty()).then(|| self.audiences.clone()),
            token,
        };
        let review = TokenReview {
            spec,
            ..TokenReview::default()
        };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        async move {
            let reviewed = api.create(&PostParams::default(), &review).await;
            let status = reviewed.context("tokenreviews")?.status.unwrap_or_default();
            let known = status.authenticated == Some(true);
            Ok(status.user.filter(|_| known))
        }
        .boxed()
    }

    fn permits(
        &self,
        user: Arc<UserInfo>,
        namespace: String,
        name: String,
    ) -> BoxFuture<'static, anyhow::Result<bool>> {
        let review = SubjectAccessReview {
            spec: access(&user, namespace, name),
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        async move {
            let reviewed = api.create(&PostParams::default(), &review).await;
            let status = reviewed.context("subjectaccessreviews")?.status;
            Ok(status.is_some_and(|status| status.allowed))
        }
        .boxed()
    }
}

fn access(user: &UserInfo, namespace: String, name: String) -> SubjectAccessReviewSpec {
    SubjectAccessReviewSpec {
        extra: user.extra.clone(),
        groups: user.groups.clone(),
        uid: user.uid.clone(),
        user: user.username.clone(),
        resource_attributes: Some(ResourceAttributes {
            group: Some("agents.x-k8s.io".to_owned()),
            resource: Some("sandboxes".to_owned()),
            subresource: Some(SUBRESOURCE.to_owned()),
            verb: Some(VERB.to_owned()),
            namespace: Some(namespace),
            name: Some(name),
            ..ResourceAttributes::default()
        }),
        ..SubjectAccessReviewSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::crowd::Most;

    /// Knows Ann, who may reach the sandbox `hers`, and is counted on.
    #[derive(Clone, Default)]
    struct Ann {
        asked: Arc<AtomicUsize>,
        away: bool,
    }

    impl Ann {
        fn answer<T: Send + 'static>(&self, answer: T) -> BoxFuture<'static, anyhow::Result<T>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let away = self.away;
            ready(if away {
                Err(anyhow::anyhow!("away"))
            } else {
                Ok(answer)
            })
            .boxed()
        }
    }

    impl Authority for Ann {
        fn identify(&self, token: String) -> BoxFuture<'static, anyhow::Result<Option<UserInfo>>> {
            let user = UserInfo {
                username: Some("ann".to_owned()),
                ..UserInfo::default()
            };
            self.answer((token == "anns-token").then_some(user))
        }

        fn permits(
            &self,
            user: Arc<UserInfo>,
            namespace: String,
            name: String,
        ) -> BoxFuture<'static, anyhow::Result<bool>> {
            assert_eq!(user.username.as_deref(), Some("ann"));
            self.answer(namespace == "n" && name == "hers")
        }
    }

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    async fn identify(reviews: &Reviews, token: &[u8]) -> Result<Known, Refusal> {
        let crowd = Crowd::new(Most { all: 1, one: 1 });
        reviews.identify(token, PEER, &crowd).await
    }

    fn target(id: &str) -> Target {
        Target {
            id: id.to_owned(),
            namespace: "n".to_owned(),
            port: 8888,
            uid: None,
            address: None,
            patience: None,
        }
    }

    #[tokio::test]
    async fn who_is_known_reaches_what_they_may_and_is_asked_about_once() {
        let ann = Ann::default();
        let reviews = Reviews::new(ann.clone(), ASK_TIME);
        for _ in 0..10 {
            let known = identify(&reviews, b"anns-token").await.unwrap();
            reviews.permit(&known, &target("hers")).await.unwrap();
        }
        assert_eq!(ann.asked.load(Ordering::Relaxed), 2);
        let known = identify(&reviews, b"anns-token").await.unwrap();
        let refused = reviews.permit(&known, &target("his")).await.unwrap_err();
        assert_eq!(refused.status(), 403);
    }

    #[tokio::test]
    async fn a_token_of_nobody_is_refused() {
        let reviews = Reviews::new(Ann::default(), ASK_TIME);
        for token in [&b"another"[..], b"\xff\xfe"] {
            let refused = identify(&reviews, token).await.unwrap_err();
            assert_eq!(refused, Refusal::Unauthenticated("Invalid token."));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn made_up_tokens_make_nobody_ask_again_who_is_known() {
        let ann = Ann::default();
        let reviews = Reviews::new(ann.clone(), ASK_TIME);
        identify(&reviews, b"anns-token").await.unwrap();
        for made_up in 0..2 * MAX_ANSWERS {
            let refused = identify(&reviews, made_up.to_string().as_bytes()).await;
            assert_eq!(refused.unwrap_err().status(), 401);
        }
        let asked = ann.asked.load(Ordering::Relaxed);
        identify(&reviews, b"anns-token").await.unwrap();
        assert_eq!(ann.asked.load(Ordering::Relaxed), asked);
        // When her answer is old she is asked about by herself.
        tokio::time::advance(ANSWER_TIME).await;
        let stranger = Asker::Stranger(PEER);
        let crowd: Vec<_> = (0..STRANGERS.waiting)
            .map(|_| reviews.turns.join(stranger.clone(), STRANGERS).unwrap())
            .collect();
        identify(&reviews, b"anns-token").await.unwrap();
        let other = identify(&reviews, b"another").await.unwrap_err();
        assert_eq!(other, Refusal::Queued(crowd.len()));
    }

    #[tokio::test]
    async fn without_an_answer_nobody_passes_and_the_next_asks_again() {
        let ann = Ann {
            away: true,
            ..Ann::default()
        };
        let reviews = Reviews::new(ann.clone(), ASK_TIME);
        for _ in 0..2 {
            let refused = identify(&reviews, b"anns-token").await.unwrap_err();
            assert_eq!(refused, Refusal::Unchecked);
        }
        assert_eq!(ann.asked.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn the_right_is_to_create_the_proxy_of_the_sandbox() {
        let user = UserInfo {
            groups: Some(vec!["g".to_owned()]),
            ..UserInfo::default()
        };
        let access = access(&user, "n".to_owned(), "s".to_owned());
        assert_eq!(access.groups, user.groups);
        let access = access.resource_attributes.unwrap();
        let words = [
            access.verb,
            access.group,
            access.resource,
            access.subresource,
        ];
        let words: Vec<_> = words.into_iter().flatten().collect();
        assert_eq!(words, ["create", "agents.x-k8s.io", "sandboxes", "proxy"]);
    }
}
