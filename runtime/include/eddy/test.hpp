// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for test support. Programs do not need it, so eddy.hpp does not include it.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.
// Cancel safety: safe. A future can be dropped at any time, and nothing is lost.

#include <eddy/test/advance.hpp>      // the paused clock
#include <eddy/test/assert.hpp>       // assert_ready, assert_pending, assert_ready_ok, assert_ready_error
#include <eddy/test/by_hand.hpp>      // polls futures manually
#include <eddy/test/io_mock.hpp>      // a connection whose peer follows a script
#include <eddy/test/run_paused.hpp>   // runs a test on a paused clock
#include <eddy/test/stream_mock.hpp>  // a stream that follows a script
