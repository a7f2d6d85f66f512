//! The program is killed at every call that changes a file, and nothing may be lost or half done.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "this is all test code, and a test says what it measured"
)]

mod checker;
mod fencing;
mod order;
mod power;
mod shim;
mod site;
mod trial;
mod weather;

use std::{
    collections::hash_map::RandomState,
    env, fs,
    hash::{BuildHasher as _, Hasher as _},
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tempfile::TempDir;

use checker::Examined;
use order::{syncs_of_packs, too_early};
use power::Master;
use shim::{Kit, Point, Shim, kinds};
use site::{PACKS, Site, make_documents};
use trial::{Stage, ingest_args, init_args, prepare, run_stage, trial};

/// Trials that run at once; they mostly wait for the disk.
const WORKERS: usize = 4;

/// Deaths in the short form, of each kind.
const SHORT_DEATHS: usize = 12;

/// Pairs of deaths in the short form.
const SHORT_PAIRS: usize = 4;

/// Pairs of deaths in the long form.
const LONG_PAIRS: usize = 300;

/// In the long form one in so many of the calls that the other trials skip.
const SKIPPED_STEP: usize = 16;

/// What is not worth a trial for every call: the probe of the store, whose objects nobody needs,
/// and, where an archive is made, its 256 folders of packs.
const DULL: [&str; 2] = ["probe", "packs"];

/// Everything that trials share.
struct Ground {
    kit: Kit,
    folder: TempDir,
}

impl Ground {
    fn make() -> Option<Self> {
        let kit = Kit::build()?;
        let folder = tempfile::tempdir().unwrap();
        make_documents(&folder.path().join("documents"));
        Some(Self { kit, folder })
    }

    /// A folder for one site, and the site without what is dull at this stage.
    fn site(&self, stage: Stage, dull: &[&str]) -> (TempDir, Site) {
        let root = tempfile::tempdir_in(self.folder.path()).unwrap();
        let documents = self.folder.path().canonicalize().unwrap().join("documents");
        let dull = if stage == Stage::Init { dull } else { &dull[..dull.len().min(1)] };
        let site =
            dull.iter().fold(Site::new(root.path(), &documents), |site, path| site.skip(path));
        (root, site)
    }

    fn points(&self, stage: Stage, dull: &[&str], shim: Shim) -> (Site, Vec<Point>) {
        let (root, site) = self.site(stage, dull);
        prepare(&self.kit, &site, stage);
        let args = ingest_args(&site);
        let points = match stage {
            Stage::Init => self.kit.list(&site, &init_args(), shim),
            Stage::Ingest => self.kit.list(&site, &args.each_ref().map(String::as_str), shim),
        };
        drop(root);
        (site, points)
    }

    /// Makes all trials and fails if one of them showed a violation.
    fn make_trials(&self, what: &str, trials: &[(Stage, &[&str], Shim, Option<Shim>)]) {
        let next = AtomicUsize::new(0);
        let (died, orphans) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let violations = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    while let Some((stage, dull, death, second)) =
                        trials.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let (root, site) = self.site(*stage, dull);
                        let shown = trial(&self.kit, &site, *stage, *death, *second);
                        died.fetch_add(usize::from(shown.died), Ordering::Relaxed);
                        orphans.fetch_add(shown.orphans, Ordering::Relaxed);
                        for violation in shown.violations {
                            println!("VIOLATION {stage:?} {death:?} {second:?}: {violation}");
                            violations.lock().unwrap().push(violation);
                        }
                        drop(root);
                    }
                });
            }
        });
        let violations = violations.into_inner().unwrap();
        let died = died.into_inner();
        println!(
            "{what}: {} trials, {died} died, {} packs that nobody names, {} violations",
            trials.len(),
            orphans.into_inner(),
            violations.len(),
        );
        assert!(violations.is_empty(), "{what}: {} violations", violations.len());
        assert!(died * 10 >= trials.len() * 9, "{what}: too many trials ended by themselves");
    }
}

/// Tells whether the long form of the tests was asked for.
fn slow() -> bool {
    env::var_os("SIGILLO_SLOW_TESTS").is_some_and(|value| value == "1")
}

/// The seed of what is drawn, from `SIGILLO_SEED` or new; it is printed.
fn seed() -> u64 {
    let given = env::var("SIGILLO_SEED").ok();
    let seed = given.map_or_else(
        || RandomState::new().build_hasher().finish(),
        |text| text.parse().expect("SIGILLO_SEED is a number"),
    );
    println!("SIGILLO_SEED={seed}");
    seed
}

/// Steps of a generator that spreads numbers well enough to sample with.
fn draw(state: &mut u64, below: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap() % below
}

/// The numbers of the calls at which to die: all in the long form, else about `count` of them.
fn sample(points: usize, count: usize, seed: &mut u64) -> Vec<usize> {
    let step = if slow() { 1 } else { points.div_ceil(count).max(1) };
    let first = draw(seed, step) + 1;
    println!("every {step}th of {points} calls, from call {first}");
    (first..=points).step_by(step).collect()
}

fn deaths(
    ground: &Ground,
    stage: Stage,
    count: usize,
    seed: &mut u64,
) -> Vec<(Stage, &'static [&'static str], Shim, Option<Shim>)> {
    let (_, points) = ground.points(stage, &DULL, Shim::List);
    println!("{stage:?}: {} calls: {}", points.len(), kinds(&points));
    let mut trials: Vec<(_, &'static [&'static str], _, _)> = Vec::new();
    for number in sample(points.len(), count, seed) {
        trials.push((stage, &DULL, Shim::KillBefore(number), None));
    }
    for number in sample(points.len(), count, seed) {
        trials.push((stage, &DULL, Shim::KillAfter(number), None));
    }
    if slow() {
        let (_, points) = ground.points(stage, &[], Shim::List);
        println!("{stage:?}, nothing skipped: {} calls: {}", points.len(), kinds(&points));
        let first = draw(seed, SKIPPED_STEP) + 1;
        for number in (first..=points.len()).step_by(SKIPPED_STEP) {
            trials.push((stage, &[], Shim::KillBefore(number), None));
        }
    }
    trials
}

#[test]
fn nothing_is_lost_or_half_done_wherever_an_ingest_dies() {
    let Some(ground) = Ground::make() else { return };
    let mut seed = seed();
    let trials = deaths(&ground, Stage::Ingest, SHORT_DEATHS, &mut seed);
    ground.make_trials("deaths of an ingest", &trials);
}

#[test]
fn an_archive_is_made_wherever_its_making_died_before() {
    let Some(ground) = Ground::make() else { return };
    let mut seed = seed();
    let trials = deaths(&ground, Stage::Init, SHORT_DEATHS / 2, &mut seed);
    ground.make_trials("deaths of an init", &trials);
}

#[test]
fn a_recovery_may_die_as_well() {
    let Some(ground) = Ground::make() else { return };
    let mut seed = seed();
    let mut trials: Vec<(_, &[&str], _, _)> = Vec::new();
    for stage in [Stage::Ingest, Stage::Ingest, Stage::Init] {
        let (_, points) = ground.points(stage, &DULL, Shim::List);
        for _ in 0..if slow() { LONG_PAIRS / 3 } else { SHORT_PAIRS / 2 } {
            let first = draw(&mut seed, points.len()) + 1;
            // A recovery has less to do the later the first death was.
            let left = if stage == Stage::Init { points.len() - first } else { points.len() / 2 };
            let second = draw(&mut seed, left.max(1)) / 2 + 1;
            let death = Shim::KillBefore(first);
            trials.push((stage, &DULL, death, Some(Shim::KillAfter(second))));
        }
    }
    ground.make_trials("deaths of a recovery", &trials);
}

#[test]
fn what_a_commit_names_is_durable_before_it_and_every_pack_is_synced() {
    let Some(ground) = Ground::make() else { return };
    for stage in [Stage::Init, Stage::Ingest] {
        let (site, points) = ground.points(stage, &DULL[..1], Shim::List);
        println!("{stage:?}: {} calls: {}", points.len(), kinds(&points));
        let early = too_early(&site, &[], &points);
        assert!(early.is_empty(), "{stage:?}: {early:#?}");
        let packs = syncs_of_packs(&site, &points);
        println!("{stage:?}: syncs of each pack: {packs:?}");
        assert_eq!(packs.len(), if stage == Stage::Init { 0 } else { PACKS });
        assert!(packs.iter().all(|(_, syncs)| *syncs > 0), "a pack was not synced: {packs:?}");
    }
}

#[test]
fn a_program_that_does_not_sync_is_found_out() {
    let Some(ground) = Ground::make() else { return };
    let (site, points) = ground.points(Stage::Ingest, &DULL[..1], Shim::ListWithoutSync);
    let packs = syncs_of_packs(&site, &points);
    let early = too_early(&site, &[], &points);
    println!("without syncs: {} calls, {} things too early", points.len(), early.len());
    assert_eq!(points.iter().filter(|point| point.is_sync()).count(), 0);
    assert_eq!(packs.len(), PACKS);
    assert!(packs.iter().all(|(_, syncs)| *syncs == 0), "{packs:?}");
    for (pack, _) in packs {
        assert!(early.iter().any(|words| words.contains(&pack)), "nothing on {pack}: {early:#?}");
    }
}

/// Deaths of every kind at which the power fails, after the one at the end, in the short form.
const SHORT_POWER_CUTS: usize = 4;

/// Further than any run gets.
const NEVER: usize = usize::MAX >> 1;

#[test]
fn what_was_acknowledged_survives_a_power_cut_and_without_syncs_it_does_not() {
    let Some(ground) = Ground::make() else { return };
    let documents = ground.folder.path().canonicalize().unwrap().join("documents");
    let mut seed = seed();
    for stage in [Stage::Init, Stage::Ingest] {
        let folder = tempfile::tempdir_in(ground.folder.path()).unwrap();
        let master = match Master::make(&ground.kit, folder.path(), &documents, stage) {
            Ok(master) => master,
            Err(refusal) => {
                println!(
                    "SKIPPED: no disk to cut the power of, the syncs are only counted: {refusal}"
                );
                return;
            }
        };
        let (_, points) = ground.points(stage, &DULL, Shim::List);
        let count = if stage == Stage::Ingest { SHORT_POWER_CUTS } else { 1 };
        let mut deaths = vec![Shim::KillBefore(NEVER)];
        deaths.extend(sample(points.len(), count, &mut seed).into_iter().map(Shim::KillBefore));
        let cut = |death| {
            let folder = tempfile::tempdir_in(ground.folder.path()).unwrap();
            master.trial(&ground.kit, folder.path(), &documents, death).unwrap()
        };
        let mut violations = 0;
        for death in &deaths {
            for violation in cut(*death).violations {
                println!("VIOLATION {stage:?} {death:?}, power cut: {violation}");
                violations += 1;
            }
        }
        println!("power cuts of {stage:?}: {} trials, {violations} violations", deaths.len());
        assert_eq!(violations, 0, "power cuts of {stage:?}");
        if stage == Stage::Ingest {
            let lost = cut(Shim::ListWithoutSync).violations;
            println!("power cut without syncs: {} violations: {lost:#?}", lost.len());
            let gone = lost.iter().any(|words| words.starts_with("stdout states"));
            assert!(gone, "a power cut takes nothing acknowledged from what never syncs");
        }
    }
}

/// Says what a recovery relies on although it may not be durable, because the run before died.
fn owed_after(ground: &Ground, stage: Stage, number: usize) -> Vec<String> {
    let (_root, site) = ground.site(stage, &DULL);
    prepare(&ground.kit, &site, stage);
    let ended = run_stage(&ground.kit, &site, stage, Shim::KillBefore(number));
    assert_eq!(ended.code, None, "call {number} of {stage:?} kills: {}", ended.stdout);
    let mut dead = Kit::listed(&site);
    dead.truncate(number - 1); // The last call is in the list and was never made.
    let mut points = Vec::new();
    if stage == Stage::Init {
        points = ground.kit.list(&site, &init_args(), Shim::List);
    }
    let args = ingest_args(&site);
    points.extend(ground.kit.list(&site, &args.each_ref().map(String::as_str), Shim::List));
    too_early(&site, &dead, &points)
}

#[test]
fn a_recovery_makes_durable_what_the_dead_run_left() {
    let Some(ground) = Ground::make() else { return };
    let mut seed = seed();
    let mut problems = 0;
    for stage in [Stage::Init, Stage::Ingest] {
        let (_, points) = ground.points(stage, &DULL, Shim::List);
        // The last calls may be fewer in another run.
        for number in sample(points.len() - points.len() / 20, SHORT_DEATHS, &mut seed) {
            for problem in owed_after(&ground, stage, number) {
                println!("{stage:?} dead before call {number}: {problem}");
                problems += 1;
            }
        }
    }
    assert_eq!(problems, 0);
}

/// A site with everything in it, for the checker to be tried on.
fn finished(ground: &Ground) -> (TempDir, Site) {
    let (root, site) = ground.site(Stage::Ingest, &[]);
    prepare(&ground.kit, &site, Stage::Ingest);
    let ended = trial::ingest(&ground.kit, &site, Shim::Absent);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    (root, site)
}

fn problems(site: &Site, checkpoints: &[site::SeenCheckpoint]) -> Vec<String> {
    let examined = Examined::of(&site.archive());
    let contradictions = checkpoints.iter().filter_map(|seen| examined.contradiction(seen));
    examined.problems.iter().cloned().chain(contradictions).collect()
}

#[test]
fn the_checker_notices_what_it_is_there_for() {
    let Some(ground) = Ground::make() else { return };
    let (_root, site) = finished(&ground);
    let checkpoints = site.snapshot().checkpoints;
    assert_eq!(checkpoints.len(), 3, "published, signed and seen: {checkpoints:?}");
    assert_eq!(problems(&site, &checkpoints), [""; 0]);

    let mut damaged = 0;
    for path in site::files(&site.archive()) {
        let of_truth = ["log/seq", "batches", "packs"];
        let looked_at = of_truth.iter().any(|part| path.starts_with(site.archive().join(part)));
        if !looked_at || path.extension().is_some_and(|extension| extension == "blocks") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!problems(&site, &checkpoints).is_empty(), "{} gone", path.display());
        check_damage(&site, &checkpoints, &path, &bytes[..bytes.len() / 2], "halved");
        // In a commit a changed signature is not this checker's business, a changed line is.
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 4] ^= 1;
        check_damage(&site, &checkpoints, &path, &flipped, "with a flipped bit");
        fs::write(&path, bytes).unwrap();
        damaged += 1;
    }
    println!("{damaged} objects damaged in three ways");
    assert!(damaged >= 5 + 2 + PACKS, "only {damaged} objects damaged");
    assert_eq!(problems(&site, &checkpoints), [""; 0]);
}

#[track_caller]
fn check_damage(
    site: &Site,
    checkpoints: &[site::SeenCheckpoint],
    path: &Path,
    bytes: &[u8],
    how: &str,
) {
    fs::write(path, bytes).unwrap();
    assert!(!problems(site, checkpoints).is_empty(), "{} {how} passes", path.display());
}
