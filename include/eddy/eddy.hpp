// SPDX-License-Identifier: MIT
#pragma once

// The library's table of contents.

// Running
#include <eddy/background_reactor.hpp>  // the reactor on a thread of its own
#include <eddy/core.hpp>                // one event loop, on this thread
#include <eddy/core_handle.hpp>         // the ways to it: core_handle on its thread, core_remote on others
#include <eddy/core_thread.hpp>         // a loop on a thread of its own
#include <eddy/handle.hpp>              // a way to a runtime, from anywhere
#include <eddy/reactor.hpp>             // the reactor alone, turned by hand
#include <eddy/run.hpp>                 // eddy::run for main()
#include <eddy/runtime.hpp>             // the work-stealing runtime, its builder
#include <eddy/runtime_metrics.hpp>     // what it counts
#include <eddy/wait.hpp>                // a future without any runtime

// Tasks
#include <eddy/abort_on_drop.hpp>  // a join handle that aborts
#include <eddy/join_handle.hpp>
#include <eddy/join_map.hpp>    // tasks with keys
#include <eddy/join_set.hpp>    // many tasks, joined as they end
#include <eddy/local_pool.hpp>  // threads with a loop each, for tasks that stay where they began
#include <eddy/local_set.hpp>   // tasks that never run at the same time: local_set, spawn_local
#include <eddy/scope.hpp>       // children that borrow, and that are awaited
#include <eddy/spawn.hpp>
#include <eddy/spawn_blocking.hpp>  // work that blocks: spawn_blocking, block_in_place
#include <eddy/task_builder.hpp>    // tasks with a name
#include <eddy/task_local.hpp>

// Futures
#include <eddy/boxed_future.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>
#include <eddy/try.hpp>
#include <eddy/waker.hpp>

// Combinators
#include <eddy/combinators.hpp>  // and_then, map, map_err, or_else, then
#include <eddy/coop.hpp>         // consume_budget, unconstrained, cooperative
#include <eddy/deadline.hpp>     // with_deadline, current_deadline
#include <eddy/finally.hpp>
#include <eddy/futures_ordered.hpp>
#include <eddy/futures_unordered.hpp>
#include <eddy/join.hpp>  // join, try_join
#include <eddy/join_all.hpp>
#include <eddy/maybe_done.hpp>
#include <eddy/pinned_future.hpp>
#include <eddy/poll_fn.hpp>
#include <eddy/ready.hpp>   // ready, pending
#include <eddy/select.hpp>  // select, select_biased, race
#include <eddy/select_all.hpp>
#include <eddy/shielded.hpp>
#include <eddy/when.hpp>  // branches of a select
#include <eddy/yield_now.hpp>

// Streams and sinks
#include <eddy/sink.hpp>    // what takes items: send, feed, send_all, with, buffer, split
#include <eddy/stream.hpp>  // what gives them: next, map, filter, ..., streams::iter, async_generator
#include <eddy/stream_map.hpp>

// Bytes, readers and writers
#include <eddy/bytes.hpp>      // windows of bytes that share their memory
#include <eddy/bytes_mut.hpp>  // and of bytes that are written
#include <eddy/io.hpp>         // what can be done with any reader or writer, and what is made of them

// Frames
#include <eddy/codec.hpp>  // framed, udp_framed, lines_codec, length_delimited_codec, ...

// Network
#include <eddy/net.hpp>  // addresses, TCP, UDP, Unix sockets, pipes, serve

// Signals
#include <eddy/signal.hpp>  // ctrl_c, stream

// Time
#include <eddy/time.hpp>  // clock, sleep, timeout, interval, delay_queue

// Synchronisation
#include <eddy/sync.hpp>  // channels, locks, notify, cancellation_token, ...

// Under the hood
#include <eddy/io/async_fd.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/io/poll_evented.hpp>
#include <eddy/io/ready.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/sys/poll.hpp>  // the selector, without futures

// For tests: eddy/test.hpp is included by itself.
