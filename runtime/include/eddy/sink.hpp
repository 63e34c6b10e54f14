// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for sinks: consumers of items, the counterpart of streams.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.
// Cancel safety: safe. A future can be dropped at any time, and nothing is lost.

#include <eddy/sink/sink_ops.hpp>  // the members of every sink

#include <eddy/sink/adaptors.hpp>  // with, buffer, fanout
#include <eddy/sink/send.hpp>      // send, feed, flush, close, send_all

#include <eddy/stream/forward.hpp>       // a stream into a sink
#include <eddy/stream/split_stream.hpp>  // an object that is both, in two halves
