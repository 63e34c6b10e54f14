// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for time.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.
// Cancel safety: safe. A future can be dropped at any time, and nothing is lost.

#include <eddy/time/backoff.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/delay_queue.hpp>
#include <eddy/time/interval.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>
#include <eddy/time/try_timeout.hpp>
