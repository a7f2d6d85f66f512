//! Every call of the store goes wrong: once, twice in a row, and again during the recovery. After
//! each, the faults stop, everything is brought to its end, and the checker looks at all of it.

use sigillo_model::Entropy as _;
use sigillo_simulator::{
    LogWorld, Recorder, Template, World,
    checker::{Invariant, Outside, Snapshot, Violation, check, orphans, replay},
    run_to_end,
};
use sigillo_testkit::{Durability, Fault, FaultPlan, SeededEntropy};

use crate::support::{Tally, documents, slow, small_documents, template_of};

/// After one fault, the next one is at most so many calls later.
const PAIR_DISTANCE_MAX: u64 = 5;

/// No run has more calls; a loop that gets there does not end by itself.
const CALLS_MAX: u64 = 1_000;

fn is_crash(fault: Fault) -> bool {
    matches!(fault, Fault::Crashes | Fault::CrashesAfter)
}

/// Runs a process under `plan` and, if it died, cuts the power.
async fn run(world: &mut World<'_>, plan: &FaultPlan, patience: u32) -> bool {
    let done = world.run(plan, patience).await.is_ok();
    if plan.crashed() {
        world.backend().power_cut();
    }
    assert!(done || plan.struck(), "a run without a fault failed");
    plan.struck()
}

async fn finish(world: &mut World<'_>) -> Vec<Violation> {
    Box::pin(world.finish_and_check()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_faults_everything_comes_to_its_end_and_the_calls_repeat() {
    let template = template_of(Durability::OnAnswer, &documents()).await;
    let (plan, again) = (FaultPlan::none(), FaultPlan::none());
    for plan in [&plan, &again] {
        let mut world = template.world(1).unwrap();
        world.run(plan, 0).await.unwrap();
        assert_eq!(finish(&mut world).await, []);
        let snapshot = world.snapshot();
        assert_eq!(Snapshot::of(&world.backend().store()).await.unwrap(), snapshot);
        let log = replay(&snapshot, &mut Vec::new());
        assert!(orphans(&snapshot, &log).is_empty(), "what went well leaves nothing unnamed");
    }
    // Tokens are named by their digest, and ECDSA signatures are random.
    let calls = |plan: &FaultPlan| -> Vec<(&str, String)> {
        let calls = plan.trace().into_iter().map(|call| (call.operation, call.key));
        calls
            .map(|(operation, key)| (operation, key.split("/lines/").next().unwrap().to_owned()))
            .collect()
    };
    assert_eq!(calls(&plan), calls(&again));
    println!("ingest, seal and stamp make {} calls", plan.calls());
}

/// Tries one kind of fault at every call.
async fn check_every_call(fault: Fault, patience: u32) {
    let template = template_of(Durability::OnAnswer, &documents()).await;
    check_every_call_of(&template, fault, patience).await;
}

/// Tries one kind of fault at every call of the work of one template.
pub(crate) async fn check_every_call_of(template: &Template, fault: Fault, patience: u32) {
    let mut tally = Tally::default();
    for number in 1..=CALLS_MAX {
        let mut world = template.world(number).unwrap();
        let struck = run(&mut world, &FaultPlan::at(number, fault), patience).await;
        if !struck {
            assert_eq!(finish(&mut world).await, []);
            tally.finish(&format!("{fault:?} at every call, tried {} times", patience + 1));
            return;
        }
        tally
            .take(&format!("{fault:?} at call {number}, seed {number}"), &finish(&mut world).await);
    }
    panic!("the loop over the calls did not end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_failed_call_breaks_a_promise() {
    check_every_call(Fault::Fails, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_failed_call_breaks_a_promise_of_a_process_that_goes_on() {
    check_every_call(Fault::Fails, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lost_answer_breaks_a_promise() {
    check_every_call(Fault::LosesAnswer, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lost_request_breaks_a_promise() {
    check_every_call(Fault::LosesRequest, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_crash_before_a_call_breaks_a_promise() {
    check_every_call(Fault::Crashes, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_crash_after_a_call_breaks_a_promise() {
    check_every_call(Fault::CrashesAfter, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_crash_at_the_end_of_a_tile_breaks_a_promise() {
    let mut tally = Tally::default();
    // The work adds two entries in each of four commits; a tile ends after 256.
    for size in if slow() { vec![250, 251, 254] } else { vec![251] } {
        let template =
            Template::make(Durability::OnAnswer, size, &small_documents()).await.unwrap();
        for fault in Fault::ALL {
            // Before its first write the work is the same whatever the size.
            for number in (15..).step_by(if slow() { 1 } else { 2 }) {
                let mut world = template.world(number).unwrap();
                if !run(&mut world, &FaultPlan::at(number, fault), 0).await {
                    break;
                }
                let point = format!("{fault:?} at call {number}, from {size} entries on");
                tally.take(&point, &finish(&mut world).await);
            }
        }
    }
    tally.finish("faults at the end of a tile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_between_two_batches_breaks_a_promise() {
    // Two groups of files, read at once: which comes first varies, and so do the calls.
    let names: Vec<String> = (0..40).map(|number| format!("{number:02}.txt")).collect();
    let files: Vec<_> = names.iter().map(|it| (it.as_str(), it.as_bytes().to_vec())).collect();
    let template = template_of(Durability::OnAnswer, &files).await.in_batches_of(32);
    let mut tally = Tally::default();
    for fault in Fault::ALL {
        for number in 11..=CALLS_MAX {
            let mut world = template.world(number).unwrap();
            if !run(&mut world, &FaultPlan::at(number, fault), 0).await {
                break;
            }
            tally.take(&format!("{fault:?} at call {number}"), &finish(&mut world).await);
        }
    }
    tally.finish("faults between two batches");
}

/// Tries pairs of faults, the second up to [`PAIR_DISTANCE_MAX`] calls after the first, in a
/// process that tries everything again after an error; of these, every `stride`-th, the first at one
/// of the first `calls_max` calls.
async fn check_pairs(template: &Template, stride: u64, calls_max: u64) {
    let (mut tally, mut count) = (Tally::default(), 0);
    // After a crash nothing more goes wrong: the second fault is one during recovery, below.
    let firsts = Fault::ALL.into_iter().filter(|fault| !is_crash(*fault));
    for (first, second) in firsts.flat_map(|it| Fault::ALL.map(|second| (it, second))) {
        for number in 1..=calls_max {
            let mut reached = false;
            for distance in 1..=PAIR_DISTANCE_MAX {
                count += 1;
                if count % stride != 0 {
                    reached = true;
                    continue;
                }
                let mut world = template.world(count).unwrap();
                let plan = FaultPlan::pair((number, first), (number + distance, second));
                if !run(&mut world, &plan, 1).await {
                    continue;
                }
                reached = true;
                let point = format!(
                    "{first:?} at {number}, {second:?} {distance} calls later, seed {count}"
                );
                tally.take(&point, &finish(&mut world).await);
            }
            if !reached {
                break;
            }
        }
    }
    tally.finish("pairs of faults");
}

/// Where only a sample is taken, it is taken from this many calls.
const CALLS_SAMPLED_MAX: u64 = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pair_of_faults_breaks_a_promise() {
    let template = template_of(Durability::OnAnswer, &documents()).await;
    let whole = FaultPlan::none();
    template.world(0).unwrap().run(&whole, 0).await.unwrap();
    // All pairs take hours.
    let (stride, calls_max) = if slow() { (7, whole.calls()) } else { (61, CALLS_SAMPLED_MAX) };
    check_pairs(&template, stride, calls_max).await;
}

/// Lets the work die at a call that writes, and then goes wrong at a call of the next process,
/// which recovers and goes on: at every `stride`-th call, beginning with another one each time.
async fn check_faults_in_recovery(template: &Template, stride: u64) {
    let (mut tally, mut seed) = (Tally::default(), 0);
    let whole = FaultPlan::none();
    template.world(0).unwrap().run(&whole, 0).await.unwrap();
    // A crash at a call that reads leaves what the one at the last writing call left.
    let reads = ["read", "size", "read range", "list"];
    let trace = whole.trace();
    let writes = trace.iter().filter(|call| !reads.contains(&call.operation));
    let writes: Vec<u64> = writes.map(|call| call.number).collect();
    let crashes = [Fault::Crashes, Fault::CrashesAfter].into_iter();
    for (crash, fault) in crashes.flat_map(|crash| Fault::ALL.map(|fault| (crash, fault))) {
        for &first in &writes {
            seed += 1;
            let mut second = 1 + seed * 37 % stride;
            while stride == 1 || second <= whole.calls() {
                let mut world = template.world(seed).unwrap();
                run(&mut world, &FaultPlan::at(first, crash), 0).await;
                if !run(&mut world, &FaultPlan::at(second, fault), 0).await {
                    break;
                }
                let point =
                    format!("{crash:?} at {first}, then {fault:?} at {second}, seed {seed}");
                tally.take(&point, &finish(&mut world).await);
                second += stride;
            }
        }
    }
    tally.finish("faults during recovery");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_during_recovery_breaks_a_promise() {
    let template = template_of(Durability::OnAnswer, &small_documents()).await;
    check_faults_in_recovery(&template, if slow() { 1 } else { 61 }).await;
}

/// Makes a new archive, lets one call of that go wrong, and repeats it.
fn check_init(fault: Fault, number: u64, tally: &mut Tally) -> bool {
    let (world, plan) = (LogWorld::empty().unwrap(), FaultPlan::at(number, fault));
    let mut outside = Outside::default();
    let (mut found, mut writes) = (Vec::new(), Vec::new());
    for (attempt, plan) in (1..).zip([plan.clone(), FaultPlan::none(), FaultPlan::none()]) {
        let recorder = Recorder::default();
        let store = recorder.wrap(&plan.wrap(&world.backend().store()));
        let made = run_to_end(world.init(store, attempt));
        if attempt > 1 {
            made.unwrap();
        }
        writes = recorder.recording().writes;
        outside.checkpoints.extend(recorder.recording().checkpoints);
        outside.signed.extend(world.keys().unwrap().log_signer().last_signed().unwrap());
        if plan.crashed() {
            world.backend().power_cut();
        }
        if attempt > 1 {
            found.extend(check(&Snapshot::from_objects(world.backend().objects()), &outside));
        }
    }
    if !writes.is_empty() {
        let message = format!("making an archive a third time wrote {writes:?}");
        found.push(Violation::new(Invariant::RecoveryIdempotent, message));
    }
    assert_eq!(world.backend().objects().len(), 6, "{:?}", world.backend().objects().keys());
    tally.take(&format!("{fault:?} at call {number} of making an archive"), &found);
    plan.struck()
}

#[test]
fn an_archive_whose_making_was_cut_off_is_completed_by_repeating_it() {
    let mut tally = Tally::default();
    for fault in Fault::ALL {
        let calls = (1..=CALLS_MAX).take_while(|number| check_init(fault, *number, &mut tally));
        assert!((10..1_000).contains(&calls.count()));
    }
    tally.finish("making an archive");
}

/// Draws up to three faults among the first calls.
fn random_plan(entropy: &SeededEntropy) -> FaultPlan {
    let mut drawn = [0; 7];
    entropy.fill(&mut drawn);
    let faults = drawn[1..].chunks(2).take(usize::from(drawn[0] % 4));
    let fault = |pair: &[u8]| {
        let kind = Fault::ALL[usize::from(pair[1]) % Fault::ALL.len()];
        (1 + u64::from(pair[0]) % 80, kind)
    };
    FaultPlan::of(faults.map(fault).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_series_of_processes_with_faults_at_random_breaks_a_promise() {
    let template = template_of(Durability::OnAnswer, &small_documents()).await;
    let mut tally = Tally::default();
    for seed in 0..if slow() { 5_000 } else { 100 } {
        let (mut world, entropy) = (template.world(seed).unwrap(), SeededEntropy::new(seed));
        let mut drawn = [0; 2];
        entropy.fill(&mut drawn);
        for _ in 0..=(drawn[0] % 4) {
            run(&mut world, &random_plan(&entropy), u32::from(drawn[1] % 3)).await;
        }
        tally.take(&format!("seed {seed}"), &finish(&mut world).await);
    }
    tally.finish("faults at random");
}
