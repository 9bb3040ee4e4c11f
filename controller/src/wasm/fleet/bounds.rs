//! How much of what a node host tells is kept. One that was taken over may tell
//! whatever it likes: it must not fill the memory of the controller, which is
//! that of all other nodes too.

use mote_rpc::v1::{Refusal, Session};

/// Most sessions of one node: more than half as many again as a node host takes
/// unless flags say otherwise. A node is given no more; of each, 2 KiB are kept
/// at most.
pub(super) const MAX_SESSIONS: usize = 32_768;
/// Most names of images of one node: it has 1,024 for those that it pulls, and
/// a few that are built in. Of what is beyond, a session is pulled anew.
pub(super) const MAX_IMAGES: usize = 2_048;
/// Longest name of an image: a registry, a repository and a digest.
const MAX_IMAGE_BYTES: usize = 1_024;
/// Longest UID. Those of Kubernetes have 36 bytes.
const MAX_UID_BYTES: usize = 128;
/// Longest name of a namespace and of an object, as Kubernetes has them.
const MAX_NAMESPACE_BYTES: usize = 63;
const MAX_NAME_BYTES: usize = 253;
/// Longest name of a policy: a namespace's and a template's, and what is
/// between.
const MAX_POLICY_BYTES: usize = MAX_NAMESPACE_BYTES + 1 + MAX_NAME_BYTES;
/// Longest sentence: as long as the note of an event may be. The rest is cut off.
const MAX_SENTENCE_BYTES: usize = 1_024;

/// Sees to it that a session takes no more than it needs: without the space
/// that was made for what was read over, and with a sentence of a fair length.
/// Its addresses are looked at apart.
///
/// # Errors
/// Nothing is called so: why, as a sentence.
pub(super) fn fit(session: &mut Session) -> Result<(), String> {
    let Session {
        uid,
        generation: _,
        namespace,
        name,
        phase: _,
        addresses: _,
        has_files: _,
        resources: _,
        message,
        exit_code: _,
        policy,
    } = session;
    for (what, text, most) in [
        ("UID", uid, MAX_UID_BYTES),
        ("namespace", namespace, MAX_NAMESPACE_BYTES),
        ("name", name, MAX_NAME_BYTES),
        ("policy", policy, MAX_POLICY_BYTES),
    ] {
        let bytes = text.len();
        if bytes > most {
            return Err(format!(
                "its node host tells of a session with a {what} of {bytes} bytes, and {most} are the \
                 most; {LOOK}"
            ));
        }
        text.shrink_to_fit();
    }
    cut(message);
    Ok(())
}

/// Why a node host is not listened to that tells of more.
pub(super) fn too_many() -> String {
    format!(
        "its node host tells of more than {MAX_SESSIONS} sessions, and a node is given no more; {LOOK}"
    )
}

/// What people are to do about it.
const LOOK: &str = "look whether somebody has taken the node over, and restart its node host";

/// What is kept of the names of images.
pub(super) fn images(told: Vec<String>) -> impl Iterator<Item = String> {
    let fair = |name: &String| name.len() <= MAX_IMAGE_BYTES;
    told.into_iter().filter(fair).take(MAX_IMAGES)
}

/// A refusal with a sentence of a fair length.
pub(in crate::wasm) fn short(mut refusal: Refusal) -> Refusal {
    cut(&mut refusal.message);
    refusal
}

/// Leaves of a sentence what is kept.
pub(in crate::wasm) fn cut(sentence: &mut String) {
    sentence.truncate(sentence.floor_char_boundary(MAX_SENTENCE_BYTES));
    sentence.shrink_to_fit();
}
