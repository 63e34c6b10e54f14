// SPDX-License-Identifier: MIT
//! The runtimes that the cases run on.

use std::future::Future;
use std::thread;

use tokio::runtime::{Builder, Runtime};

#[derive(Clone, Copy)]
pub enum Flavour {
    /// All tasks on one thread, by the scheduler made for that.
    Ct,
    /// The multi-thread scheduler with two workers.
    W2,
    /// Two of the schedulers for one thread, on two threads, and one end of the conversation on each.
    Cross,
}

impl Flavour {
    pub fn name(self) -> &'static str {
        match self {
            Flavour::Ct => "ct",
            Flavour::W2 => "w2",
            Flavour::Cross => "cross",
        }
    }
}

pub fn runtime(flavour: Flavour) -> Runtime {
    let built = match flavour {
        Flavour::Ct | Flavour::Cross => Builder::new_current_thread().enable_all().build(),
        Flavour::W2 => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
    };
    built.expect("a runtime")
}

/// Runs `root` as a task of a new runtime (on a worker, if it has any) and blocks for its result.
pub fn run_root<F>(flavour: Flavour, root: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    block_on_root(&runtime(flavour), root)
}

/// The same on a runtime that is there already.
pub fn block_on_root<F>(on: &Runtime, root: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    on.block_on(async { tokio::spawn(root).await.unwrap() })
}

/// Runs two tasks that talk to each other, where the flavour says, and returns the output of `asking`.
pub fn talk<A, B>(flavour: Flavour, asking: A, answering: B) -> A::Output
where
    A: Future<Output: Send> + Send + 'static,
    B: Future<Output = ()> + Send + 'static,
{
    if let Flavour::Cross = flavour {
        let other = thread::spawn(move || run_root(flavour, answering));
        let asked = run_root(flavour, asking);
        other.join().unwrap();
        return asked;
    }
    run_root(flavour, async {
        let answerer = tokio::spawn(answering);
        let asker = tokio::spawn(asking);
        let asked = asker.await.unwrap();
        answerer.await.unwrap();
        asked
    })
}
