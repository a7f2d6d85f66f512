//! What a store makes of answers that are lost, of failures, and of writers that died.

use std::sync::Arc;

use bytes::Bytes;
use rstest::rstest;

use sigillo_model::Blake3Digest;
use sigillo_store::{
    CREATE_ATTEMPTS_MAX, CreateOutcome, ObjectBackend as _, ObjectPackSink, PackSink as _, Store,
    StoreError,
};
use sigillo_testkit::{Fault, FaultPlan, FaultyBackend, VolatileBackend};

use crate::support::{blocking, folder_store, key};

const OURS: Bytes = Bytes::from_static(b"ours");
const THEIRS: Bytes = Bytes::from_static(b"theirs");

async fn create(store: &Store, bytes: Bytes) -> Result<CreateOutcome, StoreError> {
    store.create(&key("object"), bytes).await
}

#[tokio::test]
async fn a_lost_answer_is_reconciled_by_reading_back() {
    let (_folder, folder) = folder_store();
    let memory = Store::memory(tokio::runtime::Handle::current());
    for store in [memory, VolatileBackend::with_fsync().store(), folder] {
        let plan = FaultPlan::at(1, Fault::LosesAnswer);
        let outcome = create(&plan.wrap(&store), OURS).await.unwrap();
        assert_eq!(outcome, CreateOutcome::Created);
        assert_eq!(store.read(&key("object"), 100).await.unwrap(), OURS);
        let operations: Vec<_> = plan.trace().iter().map(|call| call.operation).collect();
        assert_eq!(operations, ["create", "read", "settle"]);
    }
}

#[tokio::test]
async fn a_lost_request_is_made_again() {
    let backend = VolatileBackend::with_fsync();
    let plan = FaultPlan::at(1, Fault::LosesRequest);
    assert_eq!(create(&plan.wrap(&backend.store()), OURS).await.unwrap(), CreateOutcome::Created);
    assert_eq!(backend.objects()["object"], OURS);
    assert_eq!(plan.calls(), 3);
}

#[tokio::test]
async fn a_lost_answer_about_somebody_elses_object_is_taken() {
    for fault in [Fault::LosesAnswer, Fault::LosesRequest] {
        let backend = VolatileBackend::with_fsync();
        create(&backend.store(), THEIRS).await.unwrap();
        let outcome = create(&FaultPlan::at(1, fault).wrap(&backend.store()), OURS).await;
        assert_eq!(outcome.unwrap(), CreateOutcome::Taken(THEIRS));
        assert_eq!(backend.objects()["object"], THEIRS);
    }
}

#[tokio::test]
async fn a_doubt_that_cannot_be_resolved_poisons_nothing() {
    for fault in [Fault::Fails, Fault::LosesAnswer] {
        let backend = VolatileBackend::with_fsync();
        let plan = FaultPlan::pair((1, Fault::LosesAnswer), (2, fault));
        let store = plan.wrap(&backend.store());
        let error = create(&store, OURS).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        assert_eq!(create(&store, OURS).await.unwrap(), CreateOutcome::AlreadyEqual);
    }
}

#[tokio::test]
async fn requests_that_stay_lost_are_given_up() {
    let faults = (1..=20).map(|number| (number, Fault::LosesRequest));
    // Every second call is the read that finds nothing.
    let plan = FaultPlan::of(faults.filter(|(number, _)| number % 2 == 1).collect());
    let store = plan.wrap(&VolatileBackend::with_fsync().store());
    let error = create(&store, OURS).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Undecided { attempts: CREATE_ATTEMPTS_MAX, .. }),
        "{error:?}"
    );
    assert_eq!(plan.calls(), 2 * u64::from(CREATE_ATTEMPTS_MAX));
}

#[tokio::test]
async fn a_key_whose_write_failed_is_poisoned_for_this_process_only() {
    let backend = VolatileBackend::with_fsync();
    let plan = FaultPlan::at(1, Fault::Fails);
    let store = plan.wrap(&backend.store());
    let error = create(&store, OURS).await.unwrap_err();
    assert!(matches!(error, StoreError::WriteFailed { .. }), "{error:?}");
    for _ in 0..2 {
        let error = create(&store.clone(), OURS).await.unwrap_err();
        assert!(matches!(error, StoreError::Poisoned { .. }), "{error:?}");
    }
    assert_eq!(plan.calls(), 1, "a poisoned key was tried again");
    store.create(&key("another"), OURS).await.unwrap();
    assert_eq!(create(&backend.store(), OURS).await.unwrap(), CreateOutcome::Created);
}

#[tokio::test]
async fn an_equal_object_that_cannot_be_settled_is_not_reported_as_there() {
    let backend = VolatileBackend::without_fsync();
    create(&backend.store(), OURS).await.unwrap();
    let plan = FaultPlan::at(3, Fault::Fails);
    let store = plan.wrap(&backend.store());
    let error = create(&store, OURS).await.unwrap_err();
    assert!(matches!(error, StoreError::WriteFailed { .. }), "{error:?}");
    assert_eq!(plan.trace()[2].operation, "settle");
    let error = create(&store, OURS).await.unwrap_err();
    assert!(matches!(error, StoreError::Poisoned { .. }), "{error:?}");
}

#[tokio::test]
async fn an_object_of_a_dead_writer_is_durable_before_it_counts() {
    // Its writer died before the fsync: visible, not durable.
    let backend = VolatileBackend::without_fsync();
    backend.create(&key("object"), OURS).await.unwrap();
    assert_eq!(create(&backend.store(), OURS).await.unwrap(), CreateOutcome::AlreadyEqual);
    backend.power_cut();
    assert_eq!(backend.objects().get("object"), Some(&OURS));
}

#[tokio::test]
async fn too_many_poisoned_keys_stop_every_create() {
    let plan = FaultPlan::of((1..=10_000).map(|number| (number, Fault::Fails)).collect());
    let store = plan.wrap(&VolatileBackend::with_fsync().store());
    for number in 0..10_000 {
        store.create(&key(&format!("poisoned/{number}")), OURS).await.unwrap_err();
    }
    let error = create(&store, OURS).await.unwrap_err();
    assert!(matches!(error, StoreError::Poisoned { .. }), "{error:?}");
    assert_eq!(plan.calls(), 10_000);
}

#[rstest]
#[case(&[], 1, true)]
#[case(&[Fault::LosesAnswer], 2, true)]
#[case(&[Fault::LosesRequest, Fault::LosesAnswer], 3, true)]
#[case(&[Fault::LosesAnswer, Fault::LosesAnswer, Fault::LosesAnswer], 3, false)]
#[case(&[Fault::Fails], 1, false)]
#[tokio::test]
async fn a_derived_object_is_replaced_again_after_a_lost_answer(
    #[case] faults: &[Fault],
    #[case] calls: u64,
    #[case] succeeds: bool,
) {
    let backend = VolatileBackend::with_fsync();
    let plan = FaultPlan::of((1..).zip(faults.iter().copied()).collect());
    let replaced = plan.wrap(&backend.store()).replace_derived(&key("log/checkpoint"), OURS).await;
    match replaced {
        Ok(()) => assert!(succeeds),
        Err(error) => {
            assert!(!succeeds && matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        }
    }
    assert_eq!(plan.calls(), calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spooled_pack_survives_lost_answers_and_reports_what_it_cannot_know() {
    for (fault, succeeds) in [
        (Fault::LosesAnswer, true),
        (Fault::LosesRequest, true),
        (Fault::Fails, false),
        (Fault::Crashes, false),
        (Fault::CrashesAfter, false),
    ] {
        let backend = VolatileBackend::with_fsync();
        let objects =
            Arc::new(FaultyBackend::new(Arc::new(backend.clone()), FaultPlan::at(1, fault)));
        let runtime = tokio::runtime::Handle::current();
        let finished = blocking(move || {
            let sink = ObjectPackSink::new(objects, runtime);
            let mut staged = sink.begin(None)?;
            staged.write_at(0, b"pack")?;
            staged.finish(&Blake3Digest::of(b"pack"), 4)
        })
        .await;
        assert_eq!(finished.is_ok(), succeeds, "{fault:?}: {finished:?}");
        let there = matches!(fault, Fault::LosesAnswer | Fault::LosesRequest | Fault::CrashesAfter);
        assert_eq!(backend.objects().len(), usize::from(there), "{fault:?}");
    }
}
