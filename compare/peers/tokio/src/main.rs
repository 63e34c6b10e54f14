// SPDX-License-Identifier: MIT
//! The program of the group `rt` with Tokio. Each case does the same as eddy's, line by line (compare/rt/), in the way
//! that is best for Tokio. The interface is described in compare/rt/protocol.hpp.

mod awaits;
mod blocking;
mod broadcasts;
mod chain;
mod codecs;
mod idle;
mod join;
mod measure;
mod memory;
mod mpscs;
mod mutexes;
mod notifies;
mod oneshots;
mod pingpongs;
mod remote;
mod runtimes;
mod selects;
mod semaphores;
mod timer_fire;
mod timers;
mod trees;
mod wake;
mod watches;
mod yields;

use std::process::exit;

use runtimes::Flavour::{self, Ct, W2};

struct Case {
    name: &'static str,
    flavours: &'static [Flavour],
    run: fn(Flavour),
}

const CASES: &[Case] = &[
    Case { name: "spawn_join_one", flavours: &[Ct, W2], run: join::one },
    Case { name: "spawn_join_batch", flavours: &[Ct, W2], run: join::batch },
    Case { name: "spawn_remote", flavours: &[Ct, W2], run: remote::spawn },
    Case { name: "chained_spawn", flavours: &[Ct, W2], run: chain::spawn },
    Case { name: "yield_1", flavours: &[Ct, W2], run: yields::alone },
    Case { name: "yield_1000", flavours: &[Ct, W2], run: yields::crowd },
    Case { name: "pingpong_chan", flavours: &[Ct, W2], run: pingpongs::channels },
    Case { name: "pingpong_oneshot", flavours: &[Ct, W2], run: pingpongs::oneshots },
    Case { name: "notify_pingpong", flavours: &[Ct, W2], run: notifies::pingpong },
    Case { name: "watch_pingpong", flavours: &[Ct, W2], run: watches::pingpong },
    Case { name: "broadcast_1x8", flavours: &[Ct, W2], run: broadcasts::to_eight },
    Case { name: "mpsc_bounded_p1", flavours: &[Ct, W2], run: mpscs::bounded::<1> },
    Case { name: "mpsc_bounded_p4", flavours: &[Ct, W2], run: mpscs::bounded::<4> },
    Case { name: "mpsc_unbounded_p1", flavours: &[Ct, W2], run: mpscs::unbounded::<1> },
    Case { name: "mpsc_unbounded_p4", flavours: &[Ct, W2], run: mpscs::unbounded::<4> },
    Case { name: "oneshot", flavours: &[Ct], run: oneshots::to_self },
    Case { name: "codec_lines", flavours: &[Ct], run: codecs::lines },
    Case { name: "codec_lengths", flavours: &[Ct], run: codecs::lengths },
    Case { name: "mutex_uncontended", flavours: &[Ct, W2], run: mutexes::uncontended },
    Case { name: "mutex_4", flavours: &[Ct, W2], run: mutexes::by_four },
    Case { name: "mutex_4_yield", flavours: &[Ct, W2], run: mutexes::by_four_who_yield },
    Case { name: "semaphore_uncontended", flavours: &[Ct, W2], run: semaphores::uncontended },
    Case { name: "notify_permit", flavours: &[Ct], run: notifies::permits },
    Case { name: "await_deep", flavours: &[Ct], run: awaits::deep },
    Case { name: "await_ready", flavours: &[Ct], run: awaits::ready },
    Case { name: "await_opaque", flavours: &[Ct], run: awaits::opaque },
    Case { name: "select_ready", flavours: &[Ct], run: selects::ready },
    Case { name: "select_pending", flavours: &[Ct], run: selects::pending },
    Case { name: "skynet", flavours: &[Ct, W2], run: trees::skynet },
    Case { name: "fib30", flavours: &[Ct, W2], run: trees::fib30 },
    Case { name: "timer_arm_cancel", flavours: &[Ct, W2], run: timers::arm_cancel },
    Case { name: "timer_arm_cancel_live", flavours: &[Ct, W2], run: timers::arm_cancel_live },
    Case { name: "timer_arm_cancel_100k", flavours: &[Ct, W2], run: timers::arm_cancel_100k },
    Case { name: "timer_fire", flavours: &[Ct, W2], run: timer_fire::run },
    Case { name: "mem_spawn", flavours: &[Ct], run: memory::spawn },
    Case { name: "mem_parked", flavours: &[W2], run: memory::parked },
    Case { name: "wake_external", flavours: &[Ct, W2], run: wake::external },
    Case { name: "block_on_spawn", flavours: &[W2], run: wake::block_on_spawn },
    Case { name: "spawn_blocking", flavours: &[Ct, W2], run: blocking::round_trips },
    Case { name: "idle", flavours: &[W2], run: idle::run },
    Case { name: "scale_yield_10", flavours: &[Ct], run: |flavour| yields::scale(flavour, 10) },
    Case { name: "scale_yield_1000", flavours: &[Ct], run: |flavour| yields::scale(flavour, 1000) },
    Case { name: "scale_yield_100000", flavours: &[Ct], run: |flavour| yields::scale(flavour, 100_000) },
    Case { name: "scale_yield_1000000", flavours: &[Ct], run: |flavour| yields::scale(flavour, 1_000_000) },
    Case { name: "scale_parked_1000", flavours: &[Ct], run: |flavour| memory::scale(flavour, 1000) },
    Case { name: "scale_parked_100000", flavours: &[Ct], run: |flavour| memory::scale(flavour, 100_000) },
    Case { name: "scale_parked_1000000", flavours: &[Ct], run: |flavour| memory::scale(flavour, 1_000_000) },
];

fn find(wanted: &str) -> Option<(&'static Case, Flavour)> {
    CASES
        .iter()
        .flat_map(|case| case.flavours.iter().map(move |&flavour| (case, flavour)))
        .find(|(case, flavour)| format!("{}/{}", case.name, flavour.name()) == wanted)
}

fn list() {
    for case in CASES {
        for flavour in case.flavours {
            println!("{}/{}", case.name, flavour.name());
        }
    }
}

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names == ["list"] {
        return list();
    }
    let mut wanted = Vec::new();
    for name in &names {
        match find(name) {
            Some(found) => wanted.push(found),
            None => {
                eprintln!("tokio_rt: there is no case {name}; see tokio_rt list");
                exit(2);
            }
        }
    }
    for (case, flavour) in wanted {
        (case.run)(flavour);
    }
}
