// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header of eddy::futures: what needs no executor. A program with eddy::eddy includes the modules by
// themselves, such as eddy/future.hpp, which have more.

#include <eddy/bytes.hpp>
#include <eddy/drop.hpp>
#include <eddy/error.hpp>
#include <eddy/error/any_error.hpp>
#include <eddy/error/expect.hpp>
#include <eddy/result.hpp>

#include <eddy/future/combinators.hpp>
#include <eddy/future/coop.hpp>
#include <eddy/future/finally.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/join_all.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/select_all.hpp>
#include <eddy/future/shielded.hpp>
#include <eddy/future/try.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>  // blocks a thread until a future is ready
#include <eddy/task/boxed_future.hpp>
#include <eddy/task/task.hpp>  // coroutines
#include <eddy/task/task_local.hpp>

#include <eddy/sink/adaptors.hpp>
#include <eddy/sink/send.hpp>
#include <eddy/stream/all.hpp>
#include <eddy/stream/select_loop.hpp>

#include <eddy/sync/barrier.hpp>
#include <eddy/sync/broadcast.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/mutex.hpp>
#include <eddy/sync/notify.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/sync/watch.hpp>

#include <eddy/codec/framed.hpp>
#include <eddy/codec/length_delimited_codec.hpp>
#include <eddy/codec/lines_codec.hpp>
#include <eddy/io/buf_reader.hpp>
#include <eddy/io/buf_writer.hpp>
#include <eddy/io/copy.hpp>
#include <eddy/io/cursor.hpp>
#include <eddy/io/duplex.hpp>
#include <eddy/io/lines.hpp>
#include <eddy/io/read_exact.hpp>
#include <eddy/io/read_to_end.hpp>
#include <eddy/io/write_all.hpp>
