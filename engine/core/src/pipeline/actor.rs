//! The pipeline's actor: one task that alone changes the graph. Commands and bus messages come in, events go out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anabranch_graph::catalog::{Catalog, Role};
use anabranch_graph::plan::Plan;
use anabranch_graph::spec::{GraphSpec, OnError};
use anabranch_graph::{Surgery, surgery};
use tokio::sync::{broadcast, mpsc, watch};

use super::PipelineOptions;
use super::command::{Command, Edit};
use super::planner::Planner;
use super::reason::Reason;
use crate::error::ChangeError;
use crate::event::{Event, EventKind, Failure, Outcome, OutcomeKind, PipelineState};
use crate::runtime::{Note, Runtime, Said, Wants};
use crate::stats::PipelineStats;

/// An element that did not fail for so long begins again with the first pause.
const STEADY: Duration = Duration::from_secs(120);
/// Pauses between restarts of a failing element grow from the first to the last of these.
const BACK_OFF: [Duration; 6] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
];
/// After a failure that ends the pipeline, recordings get this long to be finalised.
const SALVAGE_LIMIT: Duration = Duration::from_secs(10);
/// An error without a cause of its own waits this long for the message that names the cause.
const CAUSE_DELAY: Duration = Duration::from_millis(150);

/// What follows from a failure while everything ends.
const ENDING: &str = "the pipeline is ending";
/// What follows from the failure of a filter that may be dropped.
const PASSED_BY: &str = "the filter is taken out: frames pass as they are, and the rest goes on";

/// What the actor and the handles both see.
pub(crate) struct Shown {
    pub spec: RwLock<Arc<GraphSpec>>,
    pub plan: RwLock<Arc<Plan>>,
    pub state: watch::Sender<PipelineState>,
    pub outcome: watch::Sender<Option<Outcome>>,
    /// The numbers when everything had ended, before it was given back.
    pub last_stats: Mutex<PipelineStats>,
    pub events: broadcast::Sender<Arc<Event>>,
}

/// How often it is looked at what flows.
const FLOW_EVERY: Duration = Duration::from_millis(500);

/// Something to be done later.
enum Later {
    Restart {
        members: Vec<String>,
        attempt: u32,
    },
    /// An error without a cause of its own.
    Blame {
        domain: String,
        owner: Option<String>,
        reason: Reason,
    },
}

pub(crate) struct Actor {
    pub id: u64,
    pub name: String,
    pub catalog: Arc<Catalog>,
    pub planner: Planner,
    pub shown: Arc<Shown>,
    pub commands: mpsc::UnboundedReceiver<Command>,
    notes: mpsc::UnboundedReceiver<Note>,
    runtime: Arc<Mutex<Runtime>>,
    /// Rings when blocking work that was not waited for is done.
    done: Arc<tokio::sync::Notify>,
    plan: Arc<Plan>,
    created: Instant,
    seq: u64,
    state: PipelineState,
    failures: Vec<Failure>,
    later: Vec<(Instant, Later)>,
    /// How often each domain was built anew in a row, and when it failed last.
    restarts: BTreeMap<String, (u32, Instant)>,
    deadline: Option<Instant>,
    /// What the outcome will be once everything has ended.
    verdict: Option<OutcomeKind>,
    /// Whether it lives until it is told to end.
    keep_running: bool,
}

/// How the actor's loop goes on.
enum Next {
    Go,
    End(OutcomeKind),
}

impl Actor {
    pub fn new(
        id: u64,
        name: String,
        catalog: Arc<Catalog>,
        planner: Planner,
        shown: Arc<Shown>,
        commands: mpsc::UnboundedReceiver<Command>,
        options: &PipelineOptions,
    ) -> Self {
        let (sender, notes) = mpsc::unbounded_channel();
        Actor {
            id,
            name,
            planner,
            shown,
            commands,
            notes,
            runtime: Arc::new(Mutex::new(Runtime::new(catalog.clone(), sender))),
            done: Arc::default(),
            catalog,
            plan: Arc::default(),
            created: Instant::now(),
            seq: 0,
            state: PipelineState::Building,
            failures: Vec::new(),
            later: Vec::new(),
            restarts: BTreeMap::new(),
            deadline: None,
            verdict: None,
            keep_running: options.keep_running,
        }
    }

    /// Runs until the pipeline has ended and everything is given back.
    pub async fn run(mut self) {
        let mut flow = tokio::time::interval(FLOW_EVERY);
        flow.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let outcome = loop {
            let running = self.state == PipelineState::Running;
            let wake = self.later.iter().map(|(at, _)| *at).chain(self.deadline).min();
            let next = tokio::select! {
                biased;
                note = self.notes.recv() => match note {
                    Some(note) => self.on_note(note).await,
                    None => Next::Go,
                },
                command = self.commands.recv() => match command {
                    Some(command) => self.on_command(command).await,
                    // All handles are gone: close.
                    None => Next::End(self.verdict.unwrap_or(OutcomeKind::Stopped)),
                },
                () = self.done.notified() => Next::Go,
                () = sleep_until(wake) => self.on_time().await,
                _ = flow.tick(), if running => {
                    self.tell_flow();
                    Next::Go
                }
            };
            match next {
                Next::End(outcome) => break outcome,
                Next::Go if self.is_over().await => {
                    break self.verdict.unwrap_or(OutcomeKind::Done);
                }
                Next::Go => {}
            }
        };
        self.finish(outcome).await;
    }

    /// Says what has begun or ceased to flow.
    fn tell_flow(&mut self) {
        let changes = match self.runtime.try_lock() {
            Ok(mut runtime) => runtime.look_at_flow(),
            // Work is being done on the graph: the next look will do.
            Err(_) => return,
        };
        for ((element, direction, port), flowing) in changes {
            self.emit(Some(element), EventKind::Flow { port, direction, flowing });
        }
    }

    async fn finish(&mut self, mut result: OutcomeKind) {
        // Errors that still waited for a cause are told as they are.
        for (_, later) in std::mem::take(&mut self.later) {
            if let Later::Blame { domain, owner, reason } = later {
                self.fail(domain, owner, reason, None);
            }
        }
        if result == OutcomeKind::Done && self.failures.iter().any(|f| !f.allowed) {
            result = OutcomeKind::Failed;
        }
        self.set_state(PipelineState::Stopping);
        let stats = self.look(Runtime::stats);
        *self.shown.last_stats.lock().unwrap_or_else(PoisonError::into_inner) = stats;
        self.with_runtime(Runtime::stop).await;
        self.tell_left_behind().await;
        // What elements said while they stopped, such as that a transcode ended.
        while let Ok(note) = self.notes.try_recv() {
            // What it would take is no event, and nobody is left who could give it.
            if let Said::Element(name, data) = note.said
                && name != "wants"
            {
                self.emit(note.owner, EventKind::from_message(name, data));
            }
        }
        if self.id > 1 {
            // The process goes on: what this graph's threads left in their own heaps goes back to the system.
            let _ = tokio::task::spawn_blocking(crate::memory::trim).await;
        }
        self.set_state(PipelineState::Stopped);
        let outcome = Outcome { result, failures: std::mem::take(&mut self.failures) };
        self.shown.outcome.send_replace(Some(outcome));
    }

    /// Runs blocking work on the graph.
    async fn with_runtime<R: Default + Send + 'static>(
        &self,
        work: impl FnOnce(&mut Runtime) -> R + Send + 'static,
    ) -> R {
        let runtime = self.runtime.clone();
        tokio::task::spawn_blocking(move || {
            let mut runtime = runtime.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut runtime)
        })
        .await
        .unwrap_or_default()
    }

    fn look<R>(&self, look: impl FnOnce(&Runtime) -> R) -> R {
        look(&self.runtime.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn emit(&mut self, element: Option<String>, kind: EventKind) {
        self.seq += 1;
        let event = Event {
            seq: self.seq,
            time: self.created.elapsed().as_secs_f64(),
            pipeline: self.name.clone(),
            element,
            kind,
        };
        tracing::debug!(target: "pipeline", pipeline = %self.name, element = event.element, kind = ?event.kind);
        // Nobody listens: fine.
        let _ = self.shown.events.send(Arc::new(event));
    }

    fn set_state(&mut self, state: PipelineState) {
        if state > self.state {
            self.state = state;
            self.shown.state.send_replace(state);
            self.emit(None, EventKind::StateChanged { state });
        }
    }

    async fn on_command(&mut self, command: Command) -> Next {
        match command {
            Command::Start(reply) => {
                let result = if self.state == PipelineState::Building {
                    self.set_state(PipelineState::Starting);
                    let plan = self.shown.plan.read().unwrap_or_else(PoisonError::into_inner).clone();
                    self.operate(plan).await.map(|_| ())
                } else {
                    Ok(())
                };
                if let Err(error) = result {
                    tracing::debug!(target: "pipeline", pipeline = %self.name, reason = %error, "start failed");
                    let _ = reply.send(Err(error));
                    return Next::End(OutcomeKind::Failed);
                }
                // First the state, then the answer: who has the answer may look at the state.
                self.set_state(PipelineState::Running);
                let _ = reply.send(Ok(()));
            }
            Command::Change(edit, reply) => {
                let result = self.change(edit).await;
                let _ = reply.send(result);
            }
            Command::Stats(reply) => {
                let stats = self.with_runtime(|r| r.stats()).await;
                let _ = reply.send(stats);
            }
            Command::Element(id, reply) => {
                let _ = reply.send(self.look(|r| r.element(&id)));
            }
            Command::Drain => return self.drain(None).await,
            Command::Stop(limit) => return self.drain(Some(limit)).await,
            Command::Abort => return Next::End(OutcomeKind::Stopped),
        }
        Next::Go
    }

    async fn drain(&mut self, limit: Option<Duration>) -> Next {
        if let Some(limit) = limit {
            let deadline = Instant::now() + limit;
            self.deadline = Some(self.deadline.map_or(deadline, |d| d.min(deadline)));
        }
        if self.state < PipelineState::Running {
            return Next::End(OutcomeKind::Stopped);
        }
        if self.state < PipelineState::Draining {
            self.set_state(PipelineState::Draining);
            self.verdict.get_or_insert(OutcomeKind::Stopped);
            // Not waited for: a source may be blocked by a slow consumer, and the deadline must still be heard.
            let runtime = self.runtime.clone();
            let done = self.done.clone();
            tokio::task::spawn_blocking(move || {
                runtime.lock().unwrap_or_else(PoisonError::into_inner).drain();
                done.notify_one();
            });
        }
        Next::Go
    }

    async fn change(&mut self, edit: Edit) -> Result<(), ChangeError> {
        if self.state >= PipelineState::Draining {
            return Err(ChangeError::Ended);
        }
        let old = self.shown.spec.read().unwrap_or_else(PoisonError::into_inner).clone();
        let spec = edit(&old)?;
        if spec == *old {
            return Ok(());
        }
        let pace = (self.state >= PipelineState::Starting).then(|| self.plan.pace.clone());
        let plan = Arc::new(self.planner.plan(&spec, pace)?);
        let steps = match self.state >= PipelineState::Starting {
            true => Some(self.operate(plan.clone()).await?),
            false => None,
        };
        *self.shown.spec.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(spec);
        *self.shown.plan.write().unwrap_or_else(PoisonError::into_inner) = plan;
        // Who hears of it looks at the graph: it is shown by then.
        if let Some(steps) = steps {
            let steps = steps.iter().map(in_words).collect();
            self.emit(None, EventKind::GraphChanged { steps });
        }
        Ok(())
    }

    /// Leads the running graph to a plan; after an error, back to the plan before.
    async fn operate(&mut self, plan: Arc<Plan>) -> Result<Vec<Surgery>, ChangeError> {
        let steps = surgery(&self.plan, &plan, &self.catalog);
        let back = surgery(&plan, &self.plan, &self.catalog);
        let (old, new, taken) = (self.plan.clone(), plan.clone(), steps.clone());
        let runtime = self.runtime.clone();
        let result = tokio::task::spawn_blocking(move || {
            let mut runtime = runtime.lock().unwrap_or_else(PoisonError::into_inner);
            runtime.operate(new, &taken).inspect_err(|_| {
                let _ = runtime.operate(old, &back);
            })
        })
        .await
        .unwrap_or_else(|error| {
            Err(ChangeError::Build {
                element: "engine".into(),
                reason: format!("a change panicked: {error}"),
            })
        });
        self.tell_left_behind().await;
        result?;
        self.plan = plan;
        Ok(steps)
    }

    async fn tell_left_behind(&mut self) {
        for reason in self.with_runtime(Runtime::take_left_behind).await {
            self.emit(None, EventKind::Warning { reason, detail: String::new() });
        }
    }

    async fn on_note(&mut self, note: Note) -> Next {
        let current = self.look_now(|r| r.is_current(&note)).unwrap_or(true);
        if !current {
            return Next::Go;
        }
        match note.said {
            Said::Eos => {
                for id in self.members(&note.domain) {
                    if self.plan.nodes.get(&id).is_some_and(|n| n.role != Role::Filter) {
                        self.emit(Some(id), EventKind::EndOfStream);
                    }
                }
            }
            Said::Error(reason) if reason.is_follow_up => {
                let at = Instant::now() + CAUSE_DELAY;
                self.later.push((at, Later::Blame { domain: note.domain, owner: note.owner, reason }));
            }
            Said::Error(reason) => {
                if note.own && self.passes_by(note.owner.as_deref()).await {
                    self.fail(note.domain, note.owner, reason, Some(PASSED_BY));
                    return Next::Go;
                }
                return self.on_failure(note.domain, note.owner, reason).await;
            }
            Said::Warning(reason) => {
                self.emit(note.owner, EventKind::Warning { reason: reason.text, detail: reason.detail });
            }
            Said::Element(name, data) if name == "wants" => {
                if let (Some(owner), Some(wants)) = (note.owner, Wants::read(data)) {
                    self.with_runtime(move |r| r.set_wants(&owner, wants)).await;
                }
            }
            Said::Element(name, data) => self.emit(note.owner, EventKind::from_message(name, data)),
        }
        Next::Go
    }

    /// Looks at the graph unless blocking work holds it.
    fn look_now<R>(&self, look: impl FnOnce(&Runtime) -> R) -> Option<R> {
        match self.runtime.try_lock() {
            Ok(runtime) => Some(look(&runtime)),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(look(&poisoned.into_inner())),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }

    fn members(&self, domain: &str) -> Vec<String> {
        self.plan
            .nodes
            .values()
            .filter(|n| n.domain.as_deref() == Some(domain))
            .map(|n| n.id.clone())
            .collect()
    }

    /// Whether an element that failed is a filter that may be dropped alone: frames then pass it as they are.
    async fn passes_by(&self, owner: Option<&str>) -> bool {
        let Some(node) = owner.and_then(|owner| self.plan.nodes.get(owner)) else { return false };
        let id = node.id.clone();
        node.on_error == OnError::DropElement
            && node.role == Role::Filter
            && self.with_runtime(move |r| r.passes_by(&id)).await
    }

    /// Notes a failure and says what follows: what its policy says, or else `instead`. Returns the policy.
    fn fail(
        &mut self,
        domain: String,
        owner: Option<String>,
        reason: Reason,
        instead: Option<&str>,
    ) -> OnError {
        // Errors of parts that belong to nobody are the domain's first element's.
        let element = owner.filter(|o| self.plan.nodes.contains_key(o)).unwrap_or(domain);
        let (policy, given) = self
            .plan
            .nodes
            .get(&element)
            .map_or((OnError::StopPipeline, false), |n| (n.on_error, n.on_error_given));
        let by_policy = match policy {
            OnError::StopPipeline => "the pipeline stops; recordings are finalised",
            OnError::DropElement => "the element is taken out; the rest goes on",
            OnError::Restart => "the element is built anew after a pause",
        };
        // What fails while all ends is not built anew any more.
        if policy != OnError::Restart || self.state >= PipelineState::Draining {
            self.failures.push(Failure {
                element: element.clone(),
                reason: reason.text.clone(),
                detail: reason.detail.clone(),
                allowed: given && policy == OnError::DropElement,
            });
        }
        self.emit(
            Some(element),
            EventKind::ElementFailed {
                reason: reason.text,
                detail: reason.detail,
                policy,
                consequence: instead.unwrap_or(by_policy).into(),
            },
        );
        policy
    }

    async fn on_failure(&mut self, domain: String, owner: Option<String>, reason: Reason) -> Next {
        // The cause is known now: whatever waited to be blamed in this domain was its consequence.
        self.later.retain(|(_, l)| !matches!(l, Later::Blame { domain: d, .. } if *d == domain));
        let ending = self.state >= PipelineState::Draining;
        let policy = self.fail(domain.clone(), owner, reason, ending.then_some(ENDING));
        let feeds_others = self.plan.links.values().any(|link| {
            let domain_of = |node: &str| self.plan.nodes.get(node).and_then(|n| n.domain.as_deref());
            domain_of(&link.from.node) == Some(&domain) && domain_of(&link.to.node) != Some(&domain)
        });
        match policy {
            OnError::Restart if !ending => {
                let id = domain.clone();
                let members = self.with_runtime(move |r| r.drop_domain(&id, false)).await;
                let now = Instant::now();
                let (attempt, failed) = self.restarts.entry(domain).or_insert((0, now));
                // What has run well for long is not held to what it did before.
                let in_a_row = now.duration_since(*failed) < STEADY;
                (*attempt, *failed) = (if in_a_row { *attempt + 1 } else { 1 }, now);
                let attempt = *attempt;
                let pause = BACK_OFF[(attempt as usize - 1).min(BACK_OFF.len() - 1)];
                self.later.push((Instant::now() + pause, Later::Restart { members, attempt }));
            }
            _ => {
                self.with_runtime(move |r| r.drop_domain(&domain, true)).await;
                let nothing_left = !feeds_others && !self.look(|r| r.has_consumers());
                if nothing_left && !self.keep_running {
                    return Next::End(self.verdict_after_failure());
                }
                if policy == OnError::StopPipeline {
                    self.verdict = Some(OutcomeKind::Failed);
                    return self.drain(Some(SALVAGE_LIMIT)).await;
                }
            }
        }
        self.tell_left_behind().await;
        Next::Go
    }

    fn verdict_after_failure(&self) -> OutcomeKind {
        if self.failures.iter().all(|f| f.allowed) { OutcomeKind::Done } else { OutcomeKind::Failed }
    }

    async fn on_time(&mut self) -> Next {
        let now = Instant::now();
        if self.deadline.is_some_and(|d| d <= now) {
            let verdict = match self.verdict {
                Some(OutcomeKind::Failed) => OutcomeKind::Failed,
                _ => OutcomeKind::TimedOut,
            };
            return Next::End(verdict);
        }
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        for (_, what) in due {
            let next = match what {
                Later::Blame { domain, owner, reason } => self.on_failure(domain, owner, reason).await,
                Later::Restart { members, attempt } => self.restart(members, attempt).await,
            };
            if let Next::End(_) = next {
                return next;
            }
        }
        Next::Go
    }

    async fn restart(&mut self, members: Vec<String>, attempt: u32) -> Next {
        if self.state >= PipelineState::Draining {
            return Next::Go;
        }
        let ids = members.clone();
        let runtime = self.runtime.clone();
        let result = tokio::task::spawn_blocking(move || {
            runtime.lock().unwrap_or_else(PoisonError::into_inner).rebuild(&ids)
        })
        .await
        .unwrap_or(Err(ChangeError::Ended));
        let first = members.first().cloned();
        match result {
            Ok(()) => self.emit(first, EventKind::ElementRestarted { attempt }),
            Err(error) => {
                let reason = Reason { text: error.to_string(), detail: String::new(), is_follow_up: false };
                let domain = first.clone().unwrap_or_default();
                return Box::pin(self.on_failure(domain, first, reason)).await;
            }
        }
        Next::Go
    }

    /// Whether everything has ended by itself or by a drain.
    async fn is_over(&mut self) -> bool {
        let restarting = self.later.iter().any(|(_, l)| matches!(l, Later::Restart { .. }));
        let waiting = self.later.iter().any(|(_, l)| matches!(l, Later::Blame { .. }));
        self.state >= if self.keep_running { PipelineState::Draining } else { PipelineState::Running }
            && !waiting
            && (!restarting || self.state >= PipelineState::Draining)
            && self.look_now(Runtime::has_ended).unwrap_or(false)
            // A failure that was not heard yet is no good end. Looked at last: its note is there before it counts as one.
            && self.notes.is_empty()
    }
}

fn in_words(step: &Surgery) -> String {
    match step {
        Surgery::Disconnect(link) => format!("disconnected {link}"),
        Surgery::Remove(node) => format!("removed {node}"),
        Surgery::Add(node) => format!("added {node}"),
        Surgery::SetProperty { node, name, value } => format!("set {node}.{name} to {value}"),
        Surgery::Connect(link) => format!("connected {link}"),
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
