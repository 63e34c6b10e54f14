// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for streams: the members of `stream_ops`, adaptors, sources and generators.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.
// Cancel safety: safe. A future can be dropped at any time, and nothing is lost.

#include <eddy/stream/all.hpp>
#include <eddy/stream/timed.hpp>  // timeout, throttle, chunks_timeout
