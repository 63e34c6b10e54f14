// SPDX-License-Identifier: MIT
#pragma once

// All of eddy/stream.hpp that needs no timers.

#include <eddy/stream/stream_ops.hpp>  // next, map, filter, ...: the members of every stream

#include <eddy/stream/async_generator.hpp>  // a coroutine that is a stream
#include <eddy/stream/buffered.hpp>         // buffered, buffer_unordered, for_each_concurrent
#include <eddy/stream/chunks.hpp>
#include <eddy/stream/combine.hpp>  // chain, merge, zip
#include <eddy/stream/filter.hpp>
#include <eddy/stream/fold.hpp>  // fold, collect, all, any, count
#include <eddy/stream/for_each.hpp>
#include <eddy/stream/forward.hpp>  // into a sink
#include <eddy/stream/map.hpp>
#include <eddy/stream/next.hpp>
#include <eddy/stream/peekable.hpp>
#include <eddy/stream/select_all_stream.hpp>
#include <eddy/stream/sources.hpp>      // streams::iter, once, unfold, ...
#include <eddy/stream/stream_item.hpp>  // an item, the end, or an error
#include <eddy/stream/stream_map.hpp>   // streams with keys

// The base of buffered.hpp. Included last, because these classes are streams themselves.
#include <eddy/stream/futures_ordered.hpp>
#include <eddy/stream/futures_unordered.hpp>
