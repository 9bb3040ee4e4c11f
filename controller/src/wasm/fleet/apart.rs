//! No two nodes give the same addresses: where their prefixes overlap, the node
//! that has been there for longer keeps them, and the host of the other one is
//! not listened to. What Kubernetes says of nodes counts for more than what
//! their hosts say: who takes one node over takes no other's addresses. Nor has
//! a session any that its node does not give.

use std::cmp::Reverse;

use ipnet::IpNet;
use k8s_openapi::jiff::Timestamp;
use mote_rpc::v1::NodeInfo;

use super::{Fleet, Member, State};
use crate::wasm::address::{self, ADDRESSES, Site, overlap};

/// Most characters of a word from a node host in the log: more than any address
/// or UID has.
const MAX_WORD: usize = 64;

/// By whom prefixes are kept: the greatest, which has been there for longest.
/// A node that Kubernetes does not know is the least.
type Right<'a> = (bool, Reverse<Option<Timestamp>>, Reverse<&'a str>);

impl Fleet {
    /// Sees to it that a node host which tells this of itself has addresses of
    /// its own. A younger node that has some of them is followed anew, and is
    /// refused then.
    ///
    /// # Errors
    /// An older node has some of them, or they cannot be its own; as a sentence.
    pub(in crate::wasm) fn keep_apart(&self, name: &str, info: &NodeInfo) -> Result<(), String> {
        let mut state = self.state();
        let member = state.members.get(name);
        let shares = |it: &Member| {
            let told = it.gives();
            told.is_some_and(|told| told.shared_addresses == info.shared_addresses)
        };
        if member.is_some_and(|it| it.has(info) && shares(it)) {
            return Ok(());
        }
        state.check(name, info)?;
        let rivals = state.rivals(name, info);
        let own = right(name, state.members.get(name));
        for (rival, why) in &rivals {
            if right(rival, state.members.get(rival)) > own {
                return Err(why.clone());
            }
        }
        for (rival, _) in rivals {
            let member = state.members.get_mut(&rival);
            if let Some(stop) = member.and_then(|member| member.stop.take()) {
                stop.cancel();
                self.hosts.notify_one();
            }
        }
        Ok(())
    }
}

/// Tells people that a node host says a session has an address that it cannot
/// have there.
pub(super) fn warn(node: &str, uid: &str, address: &str) {
    let short = |word: &str| word.chars().take(MAX_WORD).collect::<String>();
    let (session, address) = (short(uid), short(address));
    tracing::warn!(
        node,
        session,
        address,
        "a node host says that a session has an address which the node does not give, or which \
         no session can have; the session is without it, and so are others of which it says such \
         until it is called again; look whether somebody has taken the node over"
    );
}

impl State {
    /// Whether these can be the addresses of this node, as Kubernetes sees it.
    fn check(&self, name: &str, info: &NodeInfo) -> Result<(), String> {
        let nobody = Site::default();
        let own = self.members.get(name).map_or(&nobody, Member::site);
        let others = self.members.iter().filter(|(other, _)| *other != name);
        let others = others.map(|(_, member)| member.site());
        address::check(info, own, others).map_err(|error| error.to_string())
    }

    /// Nodes whose hosts have addresses that this one says it has, each with a
    /// sentence.
    fn rivals(&self, name: &str, info: &NodeInfo) -> Vec<(String, String)> {
        let own = parsed(info);
        let others = self.members.iter().filter(|(other, _)| *other != name);
        let rivals = others.filter_map(|(other, member)| {
            let info = member.gives()?;
            let mut pairs = own
                .iter()
                .flat_map(|own| parsed(info).into_iter().map(move |taken| (own, taken)));
            let (own, taken) = pairs.find(|(own, taken)| overlap(own, taken))?;
            Some((other.clone(), sentence(own, &taken, other)))
        });
        rivals.collect()
    }
}

fn right<'a>(name: &'a str, member: Option<&Member>) -> Right<'a> {
    let born = member.and_then(Member::born);
    (born.is_some(), Reverse(born), Reverse(name))
}

/// The prefixes that a node host says it has. What is none overlaps nothing.
fn parsed(info: &NodeInfo) -> Vec<IpNet> {
    let prefixes = info.prefixes.iter();
    prefixes.filter_map(|text| text.parse().ok()).collect()
}

fn sentence(own: &IpNet, taken: &IpNet, other: &str) -> String {
    format!(
        "the addresses {own} of its sandboxes overlap {taken}, which node {other} has; give one of \
         the two nodes others, by the annotation {ADDRESSES}, and restart its node host"
    )
}
