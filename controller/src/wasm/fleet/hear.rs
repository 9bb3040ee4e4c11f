//! What node hosts tell of themselves and of their sessions.

use std::sync::Arc;

use mote_rpc::v1::{NodeInfo, Phase, Session};

use super::{Fleet, Key, Member, apart, bounds, key_of};
use crate::wasm::link::Link;
use crate::wasm::version::Kinship;

impl Fleet {
    /// A node host has begun to tell.
    pub(in crate::wasm) fn begin(&self, name: &str, info: NodeInfo, kinship: Kinship) -> Vec<Key> {
        let mut state = self.state();
        let member = state.members.entry(name.to_owned()).or_default();
        let mut keys = member.inform(info, kinship);
        keys.extend(state.waiting.iter().cloned());
        keys
    }

    /// We do not listen to a node host, which is of this version as far as we
    /// know: why. Its sandboxes, and those that wait for a node, if that is new.
    pub(in crate::wasm) fn refuse(
        &self,
        name: &str,
        why: &str,
        kinship: Option<Kinship>,
    ) -> Vec<Key> {
        let keys = self.state().refuse(name, why, kinship);
        keys.unwrap_or_default()
    }

    /// We do not listen to a node host any more, which told more than is kept:
    /// why. It is so until it has told of every session.
    pub(in crate::wasm) fn overrun(&self, name: &str, why: &str) -> Vec<Key> {
        let mut state = self.state();
        let kinship = state.members.get(name).and_then(Member::kinship);
        let keys = state.refuse(name, why, kinship);
        if let Some(member) = state.members.get_mut(name) {
            member.overruns();
        }
        keys.unwrap_or_default()
    }

    /// It has told of every session: what it did not tell of is gone.
    pub(in crate::wasm) fn listed(&self, name: &str, link: Link) -> Vec<Key> {
        let mut state = self.state();
        let Some(member) = state.members.get_mut(name) else {
            return Vec::new();
        };
        let gone = member.hear(link);
        let mut keys = member.keys();
        for uid in gone {
            keys.extend(state.remove(name, &uid));
        }
        keys.extend(state.waiting.iter().cloned());
        self.listings.notify_waiters();
        keys
    }

    /// A session is as it is now; its sandbox, if that is new.
    ///
    /// # Errors
    /// More is told than is kept, as a sentence: the node host is not to be
    /// listened to.
    pub(in crate::wasm) fn told(
        &self,
        name: &str,
        session: Session,
    ) -> Result<Option<Key>, String> {
        let (session, changed) = self.hear_of(name, session)?;
        Ok(changed.then(|| key_of(&session)))
    }

    /// A session is as it was asked to be: as it is now, as far as its node
    /// host is to be believed. The answer to a request may come after what was
    /// told of the session meanwhile.
    ///
    /// # Errors
    /// More is told than is kept, as a sentence.
    pub(in crate::wasm) fn made(
        &self,
        name: &str,
        mut session: Session,
    ) -> Result<Session, String> {
        if let Some(member) = self.state().members.get(name)
            && let Some(told) = member.session(&session.uid)
        {
            catch_up(&mut session, told);
        }
        let (session, _) = self.hear_of(name, session)?;
        Ok(Arc::unwrap_or_clone(session))
    }

    /// Takes over what a node host says of a session, but for addresses that
    /// are not the node's to give; whether that is new.
    fn hear_of(&self, name: &str, mut session: Session) -> Result<(Arc<Session>, bool), String> {
        bounds::fit(&mut session)?;
        let mut state = self.state();
        let Some(member) = state.members.get_mut(name) else {
            session.addresses.clear();
            return Ok((session.into(), false));
        };
        if let Some(address) = member.vet(&mut session) {
            apart::warn(name, &session.uid, &address);
        }
        if !member.has_room(&session.uid) {
            return Err(bounds::too_many());
        }
        let session = Arc::new(session);
        let sent = member.expects(&session.uid);
        let changed = member.put(session.clone());
        if !state.settle(name, session.uid.clone(), sent) {
            self.strays.notify_one();
        }
        Ok((session, changed))
    }

    /// A session is no more.
    pub(in crate::wasm) fn gone(&self, name: &str, uid: &str) -> Option<Key> {
        self.state().remove(name, uid)
    }

    /// A node host is not heard any more; its sandboxes.
    pub(in crate::wasm) fn lost(&self, name: &str) -> Vec<Key> {
        let mut state = self.state();
        let Some(member) = state.members.get_mut(name) else {
            return Vec::new();
        };
        let surplus = member.surplus();
        let keys = if member.lose() {
            member.keys()
        } else {
            Vec::new()
        };
        let there = member.is_there();
        for uid in surplus {
            state.remove(name, &uid);
        }
        if !there {
            state.forget(name);
        }
        keys
    }
}

/// Whether what a session runs has come to its end.
pub fn has_ended(session: &Session) -> bool {
    matches!(session.phase(), Phase::Succeeded | Phase::Failed)
}

/// Makes an answer no older than what was told of the same generation: its
/// command does not run again once it has ended, and files are there until it
/// is told that they are gone.
fn catch_up(answer: &mut Session, told: &Session) {
    if answer.generation != told.generation {
        return;
    }
    if has_ended(told) && !has_ended(answer) {
        answer.phase = told.phase;
        answer.exit_code = told.exit_code;
        answer.message.clone_from(&told.message);
    }
    answer.has_files |= told.has_files;
}
