// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/blocking_stdio.hpp>

// The standard input and output of the process, as readers and writers. (`stdin` is a macro.)
//
// A terminal or a file cannot be polled for readiness. Therefore spawn_blocking() reads and writes on another thread,
// at most 64 KiB at a time. This is slow for large amounts of data. A program that only serves a terminal can also use
// the functions of the standard library, on a thread of the program.

namespace eddy::io {

/// Standard input, as a reader with a buffer: `auto lines = io::lines(io::standard_input());`
/// A read from a terminal occupies a thread until a line arrives, even if the read was cancelled. eddy::run() waits for
/// that thread. runtime::block_on(), core::run() and the destructors of both do not.
/// Errors: those of read(2); errc::runtime_shutdown.
/// Cancel safety: safe while the object is kept. The next read returns the bytes of a cancelled read.
/// Thread safety: one thread at a time.
/// Lifetime: the bytes in the buffer and those of a cancelled read are lost when the object is destroyed. Use one
/// object in a program.
/// Preconditions: the thread has a runtime or an event loop, as for spawn_blocking(). Otherwise throws `misuse`.
/// Cost: one allocation for the buffer; one hand-over to another thread for each buffer.
class standard_input : public detail::blocking_input {
public:
    /// Reads from descriptor 0.
    standard_input() noexcept : blocking_input(0) {}
};

/// Standard output, as a writer. A write is ready when its bytes were handed to another thread. Await io::flush()
/// before the program ends, or the last bytes may be lost.
/// Errors: those of write(2), which the next write or flush returns; errc::runtime_shutdown. Does not change how the
/// process handles SIGPIPE.
/// Cancel safety: safe. Bytes that were taken are written, even if the object is destroyed.
/// Thread safety: one thread at a time.
/// Preconditions: those of standard_input.
class standard_output : public detail::blocking_output {
public:
    /// Writes to descriptor 1.
    standard_output() noexcept : blocking_output(1) {}
};

/// Standard error, as a writer. Otherwise same as standard_output.
/// Cancel safety: safe. Bytes that were taken are written, even if the object is destroyed.
/// Thread safety: one thread at a time.
class standard_error : public detail::blocking_output {
public:
    /// Writes to descriptor 2.
    standard_error() noexcept : blocking_output(2) {}
};

}  // namespace eddy::io
