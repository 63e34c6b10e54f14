// SPDX-License-Identifier: MIT
#pragma once

// The door to sinks: what takes items over time, as a stream gives them.

#include <eddy/sink/sink_ops.hpp>  // the concept, and the members that every sink has

#include <eddy/sink/adaptors.hpp>  // with, buffer, fanout
#include <eddy/sink/send.hpp>      // send, feed, flush, close, send_all

#include <eddy/stream/forward.hpp>  // a stream into a sink
#include <eddy/stream/split.hpp>    // an object that is both, in two halves
