// SPDX-License-Identifier: MIT
#pragma once

// Includes the whole library, except eddy/test.hpp.

#include <eddy/detail/export.hpp>  // refuses unsuitable compilers

#include <eddy/drop.hpp>             // drop(std::move(x))
#include <eddy/error.hpp>            // errc, misuse
#include <eddy/error/any_error.hpp>  // any_error, any_result<T>, with_context
#include <eddy/error/expect.hpp>     // expect, value_of
#include <eddy/future.hpp>           // the future protocol and combinators: join, select, try_, ...
#include <eddy/result.hpp>           // result<T>
#include <eddy/runtime.hpp>          // executors: run, runtime, core, reactor
#include <eddy/task.hpp>             // tasks: task<T>, spawn, join_handle, join_set, scope, local_set

#include <eddy/sink.hpp>    // consumers of items: send, feed, send_all, with, buffer, split
#include <eddy/stream.hpp>  // producers of items: next, map, filter, async_generator, ...

#include <eddy/bytes.hpp>    // byte buffers
#include <eddy/codec.hpp>    // framed, udp_framed, lines_codec, length_delimited_codec, ...
#include <eddy/interop.hpp>  // callbacks, coroutines of other libraries
#include <eddy/io.hpp>       // readers, writers, adapters, copy, async_fd

#include <eddy/names.hpp>   // esync, etime, esignal: second names of namespaces
#include <eddy/net.hpp>     // addresses, TCP, UDP, Unix sockets, pipes, serve
#include <eddy/signal.hpp>  // ctrl_c, signal streams
#include <eddy/sync.hpp>    // channels, locks, notify, cancellation_token, ...
#include <eddy/time.hpp>    // clock, sleep, timeout, interval, delay_queue

#include <eddy/sys/poll.hpp>  // the selector below the reactor, without futures
