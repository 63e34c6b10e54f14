// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>

namespace eddy {

/// What start_recording() records.
struct recording_options {
    /// The file that is written, see start_recording(). "%p" in it becomes the number of the process. Without a name,
    /// only write_recording() writes.
    std::string file;
    /// How many events each worker and each event loop keeps, at 16 bytes each: at least this number.
    std::size_t events = 1 << 17;

    /// Constructs options without a file, or with one.
    recording_options() noexcept {}  // NOLINT: GCC 12 destroys an aggregate in a co_await twice
    /// Same as above.
    explicit recording_options(std::string into) : file(std::move(into)) {}
};

/// Starts the flight recorder: from now on, each new runtime and each new event loop keeps the last events of its
/// tasks: spawns, polls, wake-ups, steals, parks, I/O, timers, stalls. The environment variable EDDY_TRACE=FILE does
/// the same before the first executor is made, but not in a set-user-ID program.
///
/// The file is in Perfetto's format: open it in ui.perfetto.dev, or let `eddy trace FILE` print what is in it. It is
/// written when the last executor that records has ended, or at the end of the program, if that happens so often that
/// writing would take more than a tenth of the time; in a crash (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT; not on
/// Windows), before the handlers that the program had before; when the signal of EDDY_DUMP arrives; and on a stall, as
/// FILE.stall. Later calls replace the options.
/// Thread safety: any thread.
/// Cost: about 18 ns an event, and 2 MiB a worker with the default options.
EDDY_API void start_recording(const recording_options& options = {});

/// Writes the events that are in memory now, without stopping the tasks. An empty name is the file of start_recording()
/// or EDDY_TRACE. Without a recording, the file has no events.
/// Errors: what open(2), write(2) and rename(2) report; no_such_file_or_directory if no name is known;
/// not_enough_memory.
/// Thread safety: any thread, but not in a signal handler.
EDDY_API result<void> write_recording(const std::string& file = {}) noexcept;

}  // namespace eddy
