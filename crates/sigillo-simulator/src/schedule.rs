//! Every schedule of some actors, one after the other: a depth-first search over whose turn it is.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{Gate, parking::Parking};

/// No schedule has more steps: actors that need as many do not come to an end.
const STEPS_MAX: usize = 10_000;

/// How far the search goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// How often an actor that could go on has to wait for another one.
    pub preemptions: usize,
    /// How many actors die, each before any one of its calls.
    pub crashes: usize,
    /// The last of several preemptions comes at every so-many-th step only, which ones depends on the
    /// preemptions before: 1 is everywhere.
    pub last_every: usize,
}

impl Bounds {
    /// Searches everything within these bounds.
    pub const fn all(preemptions: usize, crashes: usize) -> Self {
        Self { preemptions, crashes, last_every: 1 }
    }

    /// Searches a sample of the last preemptions.
    #[must_use]
    pub const fn last_every(self, last_every: usize) -> Self {
        Self { last_every, ..self }
    }
}

/// What an actor does, up to its end.
pub type ActorFuture<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Somebody whose calls are interleaved with those of others.
pub struct Actor<'a> {
    name: &'static str,
    gate: Gate,
    /// Nothing once it has come to its end, or died.
    future: Option<ActorFuture<'a>>,
}

impl<'a> Actor<'a> {
    /// Makes an actor of a future whose calls go through `gate`, which is closed.
    pub fn new(name: &'static str, gate: Gate, future: ActorFuture<'a>) -> Self {
        gate.close();
        Self { name, gate, future: Some(future) }
    }

    /// Lets the call through that it waits at, and runs it up to the next one; tells whether it came
    /// to its end.
    pub fn step(&mut self) -> bool {
        let Some(future) = &mut self.future else { return true };
        self.gate.let_one_through();
        let parking = Parking::new(self.name);
        let waker = parking.waker();
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(()) = future.as_mut().poll(&mut context) {
                self.future = None;
                return true;
            }
            if self.gate.first_waiting().is_some() {
                return false;
            }
            // It waits for threads of its own.
            parking.wait();
        }
    }
}

impl fmt::Debug for Actor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The choices of one schedule: those that are prescribed, then always the first.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// What was chosen of how many, at every step.
    choices: Vec<(usize, usize)>,
    made: usize,
    /// The steps at which actors were preempted so far, added up.
    preempted_at: usize,
    trace: Vec<String>,
}

impl Schedule {
    fn choose(&mut self, count: usize) -> usize {
        let at = self.made;
        self.made += 1;
        assert!(self.made < STEPS_MAX, "a schedule that does not end: {:?}", self.trace);
        if let Some((chosen, of)) = self.choices.get(at) {
            assert_eq!(*of, count, "the actors do not repeat: {:?}", self.trace);
            return *chosen;
        }
        self.choices.push((0, count));
        0
    }

    /// Runs the actors until every one has come to its end or died; tells whether any died.
    /// `watch` is called after every step.
    pub fn run(
        &mut self,
        actors: &mut [Actor<'_>],
        bounds: Bounds,
        watch: &mut dyn FnMut(),
    ) -> bool {
        let (mut left, mut current) = (bounds, None::<usize>);
        loop {
            let able: Vec<usize> =
                (0..actors.len()).filter(|actor| actors[*actor].future.is_some()).collect();
            if able.is_empty() {
                return left.crashes < bounds.crashes;
            }
            let running = current.filter(|actor| able.contains(actor));
            let mut options: Vec<(usize, bool)> = Vec::new();
            options.extend(running.map(|actor| (actor, false)));
            let is_last = left.preemptions == 1 && bounds.preemptions > 1;
            let is_left_out =
                is_last && !(self.made + self.preempted_at).is_multiple_of(bounds.last_every);
            if running.is_none() || left.preemptions > 0 && !is_left_out {
                let others = able.iter().filter(|actor| Some(**actor) != running);
                options.extend(others.map(|actor| (*actor, false)));
            }
            // An actor that dies later, while others run, is one that they do not let run again.
            if left.crashes > 0 {
                options.extend(running.map(|actor| (actor, true)));
            }
            let (actor, dies) = options[self.choose(options.len())];
            let chosen = &mut actors[actor];
            let call = chosen.gate.first_waiting().unwrap_or_else(|| "begins".to_owned());
            if dies {
                left.crashes -= 1;
                self.trace.push(format!("{} dies before: {call}", chosen.name));
                chosen.future = None;
                continue;
            }
            if running.is_some_and(|running| running != actor) {
                left.preemptions -= 1;
                self.preempted_at += self.made;
            }
            self.trace.push(format!("{}: {call}", chosen.name));
            chosen.step();
            watch();
            current = Some(actor);
        }
    }

    /// Returns the steps so far, in words.
    pub fn trace(&self) -> &[String] {
        &self.trace
    }

    /// Returns the schedule after this one, or nothing if it was the last.
    fn next(mut self) -> Option<Self> {
        self.choices.truncate(self.made);
        while let Some((chosen, of)) = self.choices.pop() {
            if chosen + 1 < of {
                self.choices.push((chosen + 1, of));
                return Some(Self { choices: self.choices, ..Self::default() });
            }
        }
        None
    }
}

/// Runs every schedule, handing each to `run`, which must do the same whenever the choices are the
/// same; returns how many there were.
pub fn explore(mut run: impl FnMut(&mut Schedule)) -> u64 {
    let (mut next, mut count) = (Some(Schedule::default()), 0);
    while let Some(mut schedule) = next {
        run(&mut schedule);
        count += 1;
        next = schedule.next();
    }
    count
}
