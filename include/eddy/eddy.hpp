// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header of the library, and its table of contents.

// Running
#include <eddy/background_reactor.hpp>  // a reactor on a dedicated thread
#include <eddy/core.hpp>                // one event loop, on this thread
#include <eddy/core_handle.hpp>         // handles to it: core_handle on its thread, core_remote on others
#include <eddy/core_thread.hpp>         // an event loop on a dedicated thread
#include <eddy/handle.hpp>              // a handle to a runtime, for any thread
#include <eddy/reactor.hpp>             // a reactor without tasks, driven manually
#include <eddy/run.hpp>                 // eddy::run for main()
#include <eddy/runtime.hpp>             // the work-stealing runtime and its builder
#include <eddy/runtime_metrics.hpp>     // the counters of a runtime
#include <eddy/wait.hpp>                // blocks on a future without a runtime

// Tasks
#include <eddy/abort_on_drop.hpp>  // a join handle that aborts its task
#include <eddy/join_handle.hpp>
#include <eddy/join_map.hpp>    // tasks with keys
#include <eddy/join_set.hpp>    // many tasks, joined in the order in which they end
#include <eddy/local_pool.hpp>  // threads with an event loop each, for tasks that do not migrate
#include <eddy/local_set.hpp>   // tasks that never run in parallel: local_set, spawn_local
#include <eddy/scope.hpp>       // structured concurrency: child tasks that may borrow
#include <eddy/spawn.hpp>
#include <eddy/spawn_blocking.hpp>  // blocking work: spawn_blocking, block_in_place
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
#include <eddy/sink.hpp>    // send, feed, send_all, with, buffer, split
#include <eddy/stream.hpp>  // next, map, filter, ..., streams::iter, async_generator
#include <eddy/stream_map.hpp>

// Bytes, readers and writers
#include <eddy/bytes.hpp>      // immutable views that share their memory
#include <eddy/bytes_mut.hpp>  // growable byte buffers
#include <eddy/io.hpp>         // operations on readers and writers, and adaptors for them

// Framing
#include <eddy/codec.hpp>  // framed, udp_framed, lines_codec, length_delimited_codec, ...

// Network
#include <eddy/net.hpp>  // addresses, TCP, UDP, Unix sockets, pipes, serve

// Signals
#include <eddy/signal.hpp>  // ctrl_c, stream

// Time
#include <eddy/time.hpp>  // clock, sleep, timeout, interval, delay_queue

// Synchronization
#include <eddy/sync.hpp>  // channels, locks, notify, cancellation_token, ...

// Low-level I/O
#include <eddy/io/async_fd.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/io/poll_evented.hpp>
#include <eddy/io/ready.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/sys/poll.hpp>  // the selector, without futures

// For tests, include eddy/test.hpp separately.
