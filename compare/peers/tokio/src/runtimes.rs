// SPDX-License-Identifier: MIT
//! The runtimes of the cases.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

#[derive(Clone, Copy)]
pub enum Flavour {
    /// All tasks on one thread, on the current-thread scheduler.
    Ct,
    /// The multi-thread scheduler with two workers.
    W2,
}

impl Flavour {
    pub fn name(self) -> &'static str {
        match self {
            Flavour::Ct => "ct",
            Flavour::W2 => "w2",
        }
    }
}

pub fn runtime(flavour: Flavour) -> Runtime {
    let built = match flavour {
        Flavour::Ct => Builder::new_current_thread().enable_all().build(),
        Flavour::W2 => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
    };
    built.expect("a runtime")
}

/// Runs `root` as a task on a new runtime, on a worker if there are workers. Blocks for its output.
pub fn run_root<F>(flavour: Flavour, root: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    block_on_root(&runtime(flavour), root)
}

/// Runs `root` as a task on an existing runtime. Blocks for its output.
pub fn block_on_root<F>(on: &Runtime, root: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    on.block_on(async { tokio::spawn(root).await.unwrap() })
}

/// Runs two tasks that communicate on a new runtime. Returns the output of `asking`.
pub fn talk<A, B>(flavour: Flavour, asking: A, answering: B) -> A::Output
where
    A: Future<Output: Send> + Send + 'static,
    B: Future<Output = ()> + Send + 'static,
{
    run_root(flavour, async {
        let answerer = tokio::spawn(answering);
        let asker = tokio::spawn(asking);
        let asked = asker.await.unwrap();
        answerer.await.unwrap();
        asked
    })
}
