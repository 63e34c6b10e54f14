// SPDX-License-Identifier: MIT
#pragma once

// The door to what tests need. Programs do not, so eddy.hpp leaves it out.

#include <eddy/test/assert.hpp>       // assert_ready, assert_pending, assert_ready_ok, assert_ready_error
#include <eddy/test/by_hand.hpp>      // futures polled by hand
#include <eddy/test/clock.hpp>        // the paused clock
#include <eddy/test/io_mock.hpp>      // a connection whose other side is a script
#include <eddy/test/stream_mock.hpp>  // a stream that gives what a script says
