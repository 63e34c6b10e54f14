// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for futures: the protocol (future, poll_result, waker, context) and the combinators.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.
// Cancel safety: safe. A future can be dropped at any time, and nothing is lost.

#include <eddy/future/future.hpp>      // the concepts, poll_result, context
#include <eddy/future/future_ops.hpp>  // the members of every future
#include <eddy/future/waker.hpp>

#include <eddy/future/pinned_future.hpp>  // a future that may be moved while it waits
#include <eddy/future/poll_fn.hpp>        // a future from a function
#include <eddy/future/ready.hpp>          // ready, pending
#include <eddy/io/either.hpp>             // one of two types
#include <eddy/task/boxed_future.hpp>     // a future of any type

#include <eddy/future/combinators.hpp>  // and_then, map, map_err, or_else, then
#include <eddy/future/finally.hpp>      // cleanup that may wait
#include <eddy/future/maybe_done.hpp>   // a future and then its output
#include <eddy/future/shielded.hpp>     // work that continues after cancellation
#include <eddy/future/try.hpp>          // co_await try_(x): the value, or an early return of the error

#include <eddy/future/join.hpp>      // join, try_join
#include <eddy/future/join_all.hpp>  // join_all, try_join_all
#include <eddy/future/joined.hpp>    // the outputs of a join
#include <eddy/stream/futures_ordered.hpp>
#include <eddy/stream/futures_unordered.hpp>

#include <eddy/future/on.hpp>      // branches with handlers
#include <eddy/future/select.hpp>  // select, select_biased, race
#include <eddy/future/select_all.hpp>
#include <eddy/future/until.hpp>  // the branch that ends a select_loop
#include <eddy/future/when.hpp>   // branches of a select
#include <eddy/stream/select_loop.hpp>

#include <eddy/future/coop.hpp>      // consume_budget, unconstrained, cooperative
#include <eddy/future/deadline.hpp>  // with_deadline, current_deadline
#include <eddy/future/retry.hpp>
#include <eddy/future/yield_now.hpp>
