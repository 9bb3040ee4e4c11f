//! What a sandbox does by itself: begun, noted, and brought to its end.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use super::{Life, Sandbox};
use crate::duty::log::{Log, Reader};
use crate::duty::{Course, Ended, run};
use crate::feed::Change;
use crate::life::{Phase, Request};
use crate::record::Record;

/// How far its command has come since it was last begun.
#[derive(Default)]
pub(super) struct Standing {
    /// Whether somebody sees to it.
    begun: bool,
    /// The status of the last run, and what to say of it.
    last: Option<(Option<u8>, String)>,
}

impl Life {
    fn course(&self) -> Option<&Course> {
        self.record.course.as_deref()
    }

    /// How it has come to its end just now, if its time is over.
    pub(super) fn overdue(&self, now: Timestamp) -> Option<Ended> {
        let lives = matches!(self.phase, Phase::Ready | Phase::Idle);
        self.course().filter(|_| lives)?.overdue(now)
    }
}

impl Sandbox {
    /// Sees to it that its command runs, if it has one and nobody does yet.
    pub(crate) fn begin(self: &Arc<Self>) {
        let mut life = self.life();
        let lives = matches!(life.phase, Phase::Ready | Phase::Idle) && self.barred.is_none();
        let due = lives && !life.standing.begun && life.overdue(Timestamp::now()).is_none();
        let command = life.course().and_then(|it| it.duty.command.clone());
        let Some(command) = command.filter(|_| due) else {
            return;
        };
        life.standing.begun = true;
        let (log, ending) = (self.log(), life.ending.clone());
        // Under the lock: whoever ends it says that it does not grow, and last.
        log.grows(true);
        drop(life);
        tokio::spawn(run::run(Arc::clone(self), command, log, ending));
    }

    /// Whoever holds this is the only one who runs its command.
    pub(crate) async fn alone(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.command_turn).lock_owned().await
    }

    /// Notes that its command runs, where it was told that it could not.
    pub(crate) fn note_start(&self, ending: &CancellationToken) {
        let mut life = self.life();
        let failed = matches!(life.standing.last, Some((None, _)));
        if !failed || ending.is_cancelled() {
            return;
        }
        life.standing.last = None;
        drop(life);
        self.changed();
    }

    /// Notes how a run ended that is followed by another, unless `ending` says
    /// that it is none of its life any more.
    pub(crate) fn note_run(&self, code: Option<u8>, told: String, ending: &CancellationToken) {
        let mut life = self.life();
        if ending.is_cancelled() {
            return;
        }
        tracing::info!(sandbox = %self.id, told, "a command ended");
        life.standing.last = Some((code, told));
        drop(life);
        self.changed();
    }

    /// Takes no calls any more, for this is how it has ended; `of` says whether
    /// that is still so.
    pub(crate) async fn come_to_end(self: &Arc<Self>, ended: Ended, of: &CancellationToken) {
        let (this, of) = (Arc::clone(self), of.clone());
        // It waits for the disk.
        let turned = tokio::task::spawn_blocking(move || this.turn_to_end(ended, &of)).await;
        if turned.unwrap_or(false) {
            self.end().await;
            self.changed();
        }
    }

    fn turn_to_end(&self, ended: Ended, of: &CancellationToken) -> bool {
        let _keeping = self.keeping();
        let (phase, mut record) = {
            let life = self.life();
            (life.phase.after(Request::End), life.record.clone())
        };
        if of.is_cancelled() || phase != Ok(Phase::Ended) {
            return false;
        }
        tracing::info!(sandbox = %self.id, told = %ended, "a session is at its end");
        if let Some(course) = &mut record.course {
            course.ended = Some(ended);
        }
        if let Err(error) = self.home.keep(&record) {
            // It is at its end all the same, and begins anew with the host.
            tracing::error!(sandbox = %self.id, %error, "failed to keep how a session ended");
        }
        let mut life = self.life();
        (life.record, life.phase) = (record, Phase::Ended);
        self.let_go(&mut life);
        true
    }

    /// Ends what runs in it, whose last word this is.
    pub(super) fn let_go(&self, life: &mut Life) {
        std::mem::take(&mut life.ending).cancel();
        life.standing = Standing::default();
        if let Some(log) = self.log.get() {
            log.grows(false);
        }
    }

    /// If its time is over, brings it to its end.
    pub(crate) async fn end_if_overdue(self: &Arc<Self>, now: Timestamp) {
        let (overdue, ending) = {
            let life = self.life();
            (life.overdue(now), life.ending.clone())
        };
        if let Some(ended) = overdue {
            self.come_to_end(ended, &ending).await;
        }
    }

    /// The last status of its command, and what there is to say of it.
    pub(crate) fn command_told(&self) -> (Option<u8>, String) {
        let life = self.life();
        match life.course().and_then(|it| it.ended.as_ref()) {
            Some(ended) if life.phase == Phase::Ended => (ended.code(), ended.to_string()),
            _ => life.standing.last.clone().unwrap_or_default(),
        }
    }

    /// Where what its command writes is kept.
    fn log(&self) -> Arc<Log> {
        let made = || Arc::new(Log::new(self.home.command_log()));
        Arc::clone(self.log.get_or_init(made))
    }

    /// What its command wrote, if it has one.
    pub(crate) fn command_log(&self) -> Option<Reader> {
        let has_command = |record: &Record| {
            let course = record.course.as_ref();
            course.is_some_and(|course| course.duty.command.is_some())
        };
        let stopping = || self.shared.stopping.clone();
        let reader = || Reader::new(self.log(), stopping());
        self.look(has_command)?.then(reader)
    }

    fn changed(&self) {
        self.shared.feed.changed(Change::Session(self.id.clone()));
    }
}
