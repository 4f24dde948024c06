//! Follows one rollout to its end, or until somebody or something says stop.
//!
//! Stopping here never stops the work: Ctrl-C, `--timeout` and a server that stays silent all end the watching with words
//! on how to take it up again (R14, R15).

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::api::upshift::Desired;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::base::scope::Scope;
use crate::base::text;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::progress::application;
use crate::cli::progress::application::Watched;
use crate::cli::progress::estimate;
use crate::cli::progress::event::Event;
use crate::cli::progress::event::Moment;
use crate::cli::progress::flags::Chosen;
use crate::cli::progress::fold::Change;
use crate::cli::progress::interrupt::Interrupts;
use crate::cli::progress::interrupt::Signal;
use crate::cli::progress::json;
use crate::cli::progress::look::Look;
use crate::cli::progress::mode::Mode;
use crate::cli::progress::outcome;
use crate::cli::progress::outcome::Outcome;
use crate::cli::progress::screen::Screen;
use crate::cli::progress::state::Logs;
use crate::cli::progress::state::State;
use crate::cli::progress::state::Story;
use crate::cli::progress::summary;
use crate::cli::progress::watching::Heard;
use crate::cli::progress::watching::Line;
use crate::cli::progress::watching::Listener;
use crate::cli::progress::watching::Shown;
use crate::cli::progress::watching::Subject;
use crate::client::Client;

/// How often time itself is news.
const TICK: Duration = Duration::from_millis(100);
/// A server that is silent this long is given up, unless `--timeout` says otherwise.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the question may take what a rollout waits for.
const LAST_QUESTION: Duration = Duration::from_secs(5);
/// How often the last list of operations is tried before the summary does without.
const LAST_TRIES: u32 = 20;

/// How the following ended.
pub struct Ended {
    pub exit: Exit,
    /// As it was last seen.
    pub rollout: Rollout,
}

/// Follows `rollout` to its end and says everything there is to say about it.
pub async fn follow(
    context: &Context,
    client: Client,
    rollout: Rollout,
    earlier: &[Rollout],
    chosen: Chosen,
) -> Result<Ended, Failure> {
    let subject = Subject::Rollout(rollout.metadata.name.clone());
    let usual = estimate::per_gear(earlier, &rollout);
    run(context, client, (rollout, subject), usual, chosen).await
}

/// Follows an application of pods until its route answers.
pub async fn follow_application(
    context: &Context,
    client: Client,
    watched: Watched,
    chosen: Chosen,
) -> Result<Ended, Failure> {
    let told = (watched.rollout(), Subject::Application(watched));
    run(context, client, told, None, chosen).await
}

async fn run(
    context: &Context,
    client: Client,
    told: (Rollout, Subject),
    usual: Option<Duration>,
    chosen: Chosen,
) -> Result<Ended, Failure> {
    let scope = Scope::new();
    let result = Following::new(context, client, told, usual, chosen, &scope)?
        .run()
        .await;
    scope.cancel();
    result
}

struct Following<'a> {
    context: &'a Context,
    chosen: Chosen,
    scope: &'a Scope,
    state: State,
    screen: Screen,
    listener: Listener,
    heard: mpsc::Receiver<Heard>,
    interrupts: Interrupts,
    began: Instant,
    /// It was over before the watching began: only its end is told.
    is_history: bool,
    last_tries: u32,
}

/// Why the watching ended.
enum Stop {
    Over,
    Interrupted(Exit),
    TimedOut,
    Silent,
}

impl<'a> Following<'a> {
    fn new(
        context: &'a Context,
        client: Client,
        (rollout, subject): (Rollout, Subject),
        usual: Option<Duration>,
        chosen: Chosen,
        scope: &'a Scope,
    ) -> Result<Following<'a>, Failure> {
        let interrupts = Interrupts::listen()?;
        let synchronized = Look::synchronizes(&context.environment);
        let streams = context.streams.clone();
        let screen = Screen::open(chosen.mode, chosen.look, streams, synchronized);
        let (sender, heard) = mpsc::channel(1024);
        let line = Line::new(client, context);
        let story = match subject {
            Subject::Rollout(_) => Story::Rollout,
            Subject::Application(_) => Story::Application,
        };
        let listener = Listener::new(line, &rollout.metadata.namespace, subject, sender);
        let shown = match chosen.mode {
            Mode::Quiet => Shown::Outcome,
            _ => Shown::Course,
        };
        listener.start(shown, scope);
        let is_history = outcome::is_over(&rollout);
        let logs = match chosen.mode {
            _ if is_history => Logs::OfFailures,
            Mode::Quiet => Logs::OfFailures,
            Mode::Plain => Logs::All,
            Mode::Tty => Logs::LastLines,
            Mode::Json => Logs::Everything,
        };
        let mut state = State::new(rollout, logs);
        state.usual = usual;
        state.story = story;
        Ok(Following {
            context,
            chosen,
            scope,
            state,
            screen,
            listener,
            heard,
            interrupts,
            began: Instant::now(),
            is_history,
            last_tries: 0,
        })
    }

    async fn run(mut self) -> Result<Ended, Failure> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let first = self.apply(Change::Tick);
        self.show(&first)?;
        let mut last = Instant::now();
        loop {
            let mut events = Vec::new();
            let mut signal = None;
            tokio::select! {
                heard = self.heard.recv() => {
                    self.take(heard, &mut events)?;
                    // What is there already is shown in one go.
                    while let Ok(more) = self.heard.try_recv() {
                        self.take(Some(more), &mut events)?;
                        if events.len() > 256 {
                            break;
                        }
                    }
                }
                _ = tick.tick() => events.extend(self.apply(Change::Tick)),
                heard = self.interrupts.heard() => signal = Some(heard),
            }
            let late = self.interrupts.late(&mut last).await;
            match signal.or(late) {
                Some(Signal::Resumed) => self.screen.forget(),
                Some(Signal::End(exit)) => {
                    self.show(&events)?;
                    return self.end(&Stop::Interrupted(exit));
                }
                None => {}
            }
            self.complete(&mut events).await;
            self.show(&events)?;
            // Who asked for the attempt is told; who comes later sees what was reached before.
            let refused = outcome::refused(&self.state.rollout);
            if let Some(refused) = refused.filter(|_| !self.is_history) {
                self.screen.close(&[]);
                return Err(refused);
            }
            if let Some(stop) = self.stop() {
                if matches!(stop, Stop::TimedOut) && self.chosen.mode == Mode::Quiet {
                    // What it waits for was not watched.
                    let hearing = self.hear_operations(&mut events);
                    let _ = tokio::time::timeout(LAST_QUESTION, hearing).await;
                }
                return self.end(&stop);
            }
        }
    }

    fn take(&mut self, heard: Option<Heard>, events: &mut Vec<Event>) -> Result<(), Failure> {
        match heard {
            Some(Heard::Change(change)) => events.extend(self.apply(change)),
            Some(Heard::Refused(error)) => return Err(error.into()),
            None => {}
        }
        Ok(())
    }

    fn apply(&mut self, change: Change) -> Vec<Event> {
        let moment = Moment {
            at: self.began.elapsed(),
            time: self.context.clock.now(),
        };
        let events = self.state.apply(change, moment);
        for wanted in self.state.take_wanted() {
            self.listener.read_output(self.scope, wanted);
        }
        events
    }

    /// The rollout is over, but its operations are watched apart from it: asks for them once more.
    async fn complete(&mut self, events: &mut Vec<Event>) {
        if !self.state.is_over() || self.state.is_complete() {
            return;
        }
        if self.chosen.mode == Mode::Quiet && self.outcome(&Stop::Over).exit == Exit::Done {
            // Nothing will be said of them.
            events.extend(self.apply(Change::Complete));
            return;
        }
        self.last_tries += 1;
        let is_heard = self.hear_operations(events).await;
        if !is_heard && self.last_tries < LAST_TRIES {
            return;
        }
        // Without their names they are still counted.
        if let Ok(places) = self.listener.passed_over(&self.state).await
            && !places.is_empty()
        {
            events.extend(self.apply(Change::PassedOver(places)));
        }
        events.extend(self.apply(Change::Complete));
    }

    /// Asks for every operation as it is now; whether there was an answer.
    async fn hear_operations(&mut self, events: &mut Vec<Event>) -> bool {
        let answer = self.listener.all_operations().await;
        let is_heard = answer.is_ok();
        for operation in answer.into_iter().flatten() {
            events.extend(self.apply(Change::Operation(Box::new(operation))));
        }
        is_heard
    }

    fn show(&mut self, events: &[Event]) -> Result<(), Failure> {
        if self.is_history && self.chosen.mode != Mode::Json {
            return Ok(());
        }
        Ok(self
            .screen
            .show(events, &self.state, self.began.elapsed())?)
    }

    fn stop(&self) -> Option<Stop> {
        let at = self.began.elapsed();
        if self.state.is_finished() {
            return Some(Stop::Over);
        }
        let silent = self
            .state
            .lost
            .as_ref()
            .map(|(since, _)| at.saturating_sub(*since));
        match self.chosen.timeout {
            Some(timeout) if at >= timeout && silent.is_some() => Some(Stop::Silent),
            Some(timeout) if at >= timeout => Some(Stop::TimedOut),
            None if silent.is_some_and(|silent| silent >= PATIENCE) => Some(Stop::Silent),
            _ => None,
        }
    }

    fn end(self, stop: &Stop) -> Result<Ended, Failure> {
        let at = self.took();
        let outcome = self.outcome(stop);
        let lines = self.last_words(stop, &outcome, at);
        let exit = outcome.exit;
        if self.chosen.mode == Mode::Json {
            let result = json::result(&self.state, &outcome, at);
            self.context.out(format_args!("{result}\n"))?;
        }
        self.screen.close(&lines);
        Ok(Ended {
            exit,
            rollout: self.state.rollout,
        })
    }

    /// The time since the watching began, or of what is past.
    fn took(&self) -> Duration {
        let status = &self.state.rollout.status;
        match (status.started_at, status.finished_at) {
            (Some(began), Some(ended)) if self.is_history => ended.since(began),
            _ => self.began.elapsed(),
        }
    }

    fn outcome(&self, stop: &Stop) -> Outcome {
        match stop {
            Stop::Over => Outcome::of(&self.state.rollout)
                .filter(|_| !self.state.is_gone())
                .unwrap_or_else(|| Outcome::new(Exit::Failed, "Deleted")),
            Stop::Interrupted(exit) => Outcome::new(*exit, "Interrupted"),
            Stop::TimedOut => Outcome::new(Exit::TimedOut, "TimedOut"),
            Stop::Silent => Outcome::new(Exit::Unreachable, "Unreachable"),
        }
    }

    fn last_words(&self, stop: &Stop, outcome: &Outcome, at: Duration) -> Vec<String> {
        match (stop, self.chosen.mode) {
            (_, Mode::Json) => Vec::new(),
            (Stop::Over, Mode::Quiet) if outcome.exit == Exit::Done => Vec::new(),
            (Stop::Over, mode) => {
                let wanted = summary::Wanted::of(self.context, self.chosen.look, mode);
                summary::lines(&self.state, outcome, at, wanted)
            }
            (Stop::Interrupted(_), _) => self.continues("stopped watching"),
            (Stop::TimedOut, _) => {
                let causes = self.state.causes(at).join("; ");
                let mut lines = vec![format!(
                    "error: timed out after {}: {}/{} done; {causes}",
                    text::elapsed(at),
                    self.state.all_ended(),
                    self.state.total()
                )];
                lines.extend(self.continues("stopped watching"));
                lines
            }
            (Stop::Silent, _) => {
                let why = self.state.lost.as_ref().map_or("", |(_, why)| why.as_str());
                let server = self.listener.line.client().server().to_owned();
                let mut lines = vec![format!("error: no answer from {server} ({why})")];
                lines.extend(self.continues("gave up watching"));
                lines
            }
        }
    }

    /// How to take it up again.
    fn continues(&self, what: &str) -> Vec<String> {
        if self.state.story == Story::Application {
            return application::continues(&self.state, what, self.context.name()).to_vec();
        }
        let program = self.context.name();
        let rollout = &self.state.rollout;
        let application = &rollout.spec.application;
        let namespace = summary::in_namespace(&self.state);
        let cancel = ("cancel it:", "rollout cancel");
        let (goes, commands) = match (rollout.status.phase, rollout.spec.desired) {
            (RolloutPhase::Paused, Desired::Pause) => {
                ("is paused", vec![("resume it:", "rollout resume"), cancel])
            }
            (RolloutPhase::Paused, _) => (
                "waits after its canary",
                vec![("go on:", "promote"), cancel],
            ),
            _ => ("continues", vec![cancel]),
        };
        let target = format!("app/{application}{namespace}");
        let mut lines = vec![
            format!("{what}; {} {goes}", self.state.name()),
            format!("  watch again: {program} rollout status -w {target}"),
        ];
        let more = commands.into_iter();
        lines.extend(more.map(|(why, command)| format!("  {why:12} {program} {command} {target}")));
        lines
    }
}
