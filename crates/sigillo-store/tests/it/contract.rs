//! Every backend against the contract, which the testkit holds.

use sigillo_store::Store;
use sigillo_testkit::{FaultPlan, contract};

use crate::support::folder_store;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_the_contract() {
    contract::check_store(&Store::memory(tokio::runtime::Handle::current())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_folder_keeps_the_contract() {
    let (_folder, store) = folder_store();
    contract::check_store(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_prepared_folder_keeps_the_contract() {
    let (_folder, store) = folder_store();
    store.prepare().await.unwrap();
    contract::check_store(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wrapper_without_faults_keeps_the_contract() {
    let plan = FaultPlan::none();
    let memory = Store::memory(tokio::runtime::Handle::current());
    contract::check_store(&plan.wrap(&memory)).await;
    assert!(plan.calls() > 300, "only {} calls went through the wrapper", plan.calls());
    let (_folder, store) = folder_store();
    contract::check_store(&FaultPlan::none().wrap(&store)).await;
}

#[tokio::test]
async fn clones_are_one_store_and_two_memories_are_two() {
    let runtime = tokio::runtime::Handle::current();
    let (one, other) = (Store::memory(runtime.clone()), Store::memory(runtime));
    assert_eq!(one.identity(), one.clone().identity());
    assert_ne!(one.identity(), other.identity());
}
