// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for executors: the work-stealing runtime, the event loop, and the reactor without an executor.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.

#include <eddy/runtime/duration_histogram.hpp>
#include <eddy/runtime/handle.hpp>        // refers to a runtime, from any thread
#include <eddy/runtime/metrics_text.hpp>  // all counters, for Prometheus
#include <eddy/runtime/run.hpp>           // eddy::run for main()
#include <eddy/runtime/runtime_metrics.hpp>

#include <eddy/runtime/core.hpp>              // an event loop on this thread
#include <eddy/runtime/core_answer.hpp>       // what core_remote::call() returns
#include <eddy/runtime/core_handle.hpp>       // core_handle on its thread, core_remote on others
#include <eddy/runtime/executor_builder.hpp>  // what all builders have in common

#include <eddy/runtime/reactor.hpp>  // the reactor without an executor
#include <eddy/runtime/wait.hpp>     // blocks this thread until a future is ready

#include <eddy/runtime/recording.hpp>  // the flight recorder

#ifndef EDDY_NO_THREADS
#include <eddy/runtime/background_reactor.hpp>  // the reactor on a thread of its own
#include <eddy/runtime/core_thread.hpp>         // an event loop on a thread of its own
#include <eddy/runtime/runtime.hpp>             // the work-stealing runtime and its builder
#include <eddy/runtime/thread_builder.hpp>      // what the builders of these two have in common
#endif
