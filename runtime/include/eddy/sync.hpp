// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for synchronization and communication between tasks: channels, locks, tokens.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.
// Cancel safety: safe. A future can be dropped at any time, and nothing is lost.

#include <eddy/sync/barrier.hpp>
#include <eddy/sync/broadcast.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/sync/mpsc.hpp>   // multiple producers, single consumer; bounded or unbounded
#include <eddy/sync/mutex.hpp>  // mutex<T>: stays locked across a co_await
#include <eddy/sync/notify.hpp>
#include <eddy/sync/once_cell.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/sync/poll_semaphore.hpp>  // for hand-written poll functions
#include <eddy/sync/poll_sender.hpp>
#include <eddy/sync/rwlock.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/sync/set_once.hpp>
#include <eddy/sync/task_tracker.hpp>
#include <eddy/sync/watch.hpp>
