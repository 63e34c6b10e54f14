// SPDX-License-Identifier: MIT
//! Tasks that spawn a successor and end.

use std::future::Future;

use tokio::sync::oneshot;

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

const LENGTH: u64 = 1000;

// Not an `async fn`: the compiler cannot infer `Send` for a task that spawns itself, so it is declared.
fn link(left: u64, done: oneshot::Sender<()>) -> impl Future<Output = ()> + Send {
    async move {
        if left == 1 {
            done.send(()).unwrap();
        } else {
            tokio::spawn(link(left - 1, done));
        }
    }
}

async fn chains(count: u64) {
    for _ in 0..count {
        let (done, end) = oneshot::channel();
        tokio::spawn(link(LENGTH, done));
        end.await.unwrap();
    }
}

/// ns per task that spawns its successor and ends.
pub fn spawn(flavour: Flavour) {
    let ns = run_root(flavour, async {
        chains(100).await;
        ns_per_operation(1000 * LENGTH, chains(1000)).await
    });
    report("chained_spawn", flavour, "ns", ns);
}
