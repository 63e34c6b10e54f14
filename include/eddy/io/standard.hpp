// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/blocking_file.hpp>

// The process's standard input and output as readers and writers. (Not named stdin: that is a macro.)
//
// They are read and written on a thread for blocking work (spawn_blocking), a buffer of at most 64 KiB at a time, since
// a terminal or a file cannot be waited for. For much data that is slow, and for a program that only talks to a
// terminal the functions of the standard library, on a thread of one's own, do as well.

namespace eddy::io {

/// Standard input: a reader with a buffer. `auto lines = io::lines(io::standard_input());`
/// Errors: those of read(2); errc::runtime_shutdown.
/// Cancel safety: safe while the object is kept: what a read brings when nobody waits any more is given to the next
/// one. If the object goes, that is lost, and so is what is in its buffer: have one of them in a program.
/// Preconditions: a runtime or a loop on the thread, as for spawn_blocking(); else it throws misuse.
/// A read that waits for a terminal occupies a thread, until a line comes, also when nobody waits for it any more.
/// eddy::run(), which waits for blocking work, does not return before; runtime::block_on() and core::run() do, and the
/// destructors of both. Cost: one allocation for the buffer; a hand-over to another thread for each buffer.
class standard_input : public detail::blocking_input {
public:
    standard_input() noexcept : blocking_input(0) {}
};

/// Standard output: a writer. A write is ready when it has been handed to the thread; io::flush() it before the program
/// ends, else what was written last may be lost. Errors: those of write(2), told to whoever writes or flushes next;
/// errc::runtime_shutdown. SIGPIPE is as the program has it. Cancel safety: safe. What was taken is written, also if
/// the object goes. Preconditions: as standard_input.
class standard_output : public detail::blocking_output {
public:
    standard_output() noexcept : blocking_output(1) {}
};

/// Standard error: as standard_output.
class standard_error : public detail::blocking_output {
public:
    standard_error() noexcept : blocking_output(2) {}
};

}  // namespace eddy::io
