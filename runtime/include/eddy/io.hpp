// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for readers and writers: their concepts, the operations on them, and adaptors.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.
// Cancel safety: safe. A future can be dropped at any time, and nothing is lost.

// Concepts
#include <eddy/io/async_buf_read.hpp>
#include <eddy/io/async_read.hpp>
#include <eddy/io/async_seek.hpp>
#include <eddy/io/async_write.hpp>
#include <eddy/io/boxed.hpp>   // type-erased readers and writers
#include <eddy/io/buf.hpp>     // byte containers as source and destination
#include <eddy/io/buffer.hpp>  // the arguments of read() and write(): text and bytes

// Operations
#include <eddy/io/copy.hpp>
#include <eddy/io/copy_bidirectional.hpp>
#include <eddy/io/lines.hpp>  // lines, split
#include <eddy/io/read.hpp>
#include <eddy/io/read_buf.hpp>
#include <eddy/io/read_exact.hpp>
#include <eddy/io/read_numbers.hpp>  // read_u8 ... read_f64_le
#include <eddy/io/read_to_end.hpp>   // read_to_end, read_to_string
#include <eddy/io/read_until.hpp>    // read_until, read_line, fill_buf
#include <eddy/io/seek.hpp>
#include <eddy/io/write.hpp>  // write, flush, shutdown
#include <eddy/io/write_all.hpp>
#include <eddy/io/write_buf.hpp>
#include <eddy/io/write_numbers.hpp>

// Adaptors
#include <eddy/io/borrowed.hpp>
#include <eddy/io/buf_reader.hpp>
#include <eddy/io/buf_writer.hpp>  // and buf_stream
#include <eddy/io/chain.hpp>
#include <eddy/io/idle_timeout.hpp>  // a limit on the time without progress
#include <eddy/io/inspect.hpp>
#include <eddy/io/joined_stream.hpp>
#include <eddy/io/reader_stream.hpp>
#include <eddy/io/sink_writer.hpp>   // and copy_to_bytes
#include <eddy/io/split_halves.hpp>  // two halves of one stream
#include <eddy/io/stream_reader.hpp>
#include <eddy/io/sync_io_bridge.hpp>
#include <eddy/io/take.hpp>

// Standard streams
#include <eddy/io/standard.hpp>  // standard_input, standard_output, standard_error

// In memory
#include <eddy/io/cursor.hpp>
#include <eddy/io/duplex.hpp>  // and simplex
#include <eddy/io/empty.hpp>   // empty, sink, repeat

// Low-level I/O: descriptors of any kind
#include <eddy/io/async_fd.hpp>
#include <eddy/io/event_source.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/io/owned_fd.hpp>
#include <eddy/io/poll_evented.hpp>
#include <eddy/io/readiness.hpp>
#include <eddy/io/registration.hpp>
