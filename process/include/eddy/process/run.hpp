// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/process/command.hpp>
#include <eddy/process/error.hpp>
#include <eddy/process/exit_status.hpp>
#include <eddy/task/task.hpp>

namespace eddy::process {

/// How run() talks to processes, and how long.
/// Thread safety: a plain value.
class run_options {
public:
    /// Constructs options without input and without limits.
    run_options() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Writes these bytes to standard input, which replaces command::in(). A process that ends, or closes its input,
    /// without reading all of them is no error.
    run_options& input(std::string bytes) {
        input_ = std::move(bytes);
        return *this;
    }
    /// Keeps at most this number of bytes of standard output, or error. The rest is read and discarded, so that the
    /// process can go on; see captured::is_out_cut.
    run_options& max_output(std::size_t bytes) noexcept {
        max_output_ = bytes;
        return *this;
    }
    run_options& max_error(std::size_t bytes) noexcept {
        max_error_ = bytes;
        return *this;
    }
    /// Kills the processes after this time, as a child object does that is destroyed; see captured::has_timed_out. The
    /// time begins when all have started: it does not limit the start.
    run_options& timeout(std::chrono::nanoseconds time) noexcept {
        timeout_ = time;
        return *this;
    }
    /// Waits up to this time, after the end of the processes, for the ends of their output. Other processes that they
    /// have started may have the pipes open for ever. What the processes themselves have written is never lost. The
    /// default is 1 s.
    run_options& wait_delay(std::chrono::nanoseconds time) noexcept {
        wait_delay_ = time;
        return *this;
    }

    /// For the library: the options.
    [[nodiscard]] const std::optional<std::string>& input() const noexcept { return input_; }
    [[nodiscard]] std::size_t max_output() const noexcept { return max_output_; }
    [[nodiscard]] std::size_t max_error() const noexcept { return max_error_; }
    [[nodiscard]] const std::optional<std::chrono::nanoseconds>& timeout() const noexcept { return timeout_; }
    [[nodiscard]] std::chrono::nanoseconds wait_delay() const noexcept { return wait_delay_; }

private:
    std::optional<std::string> input_;
    std::size_t max_output_ = std::numeric_limits<std::size_t>::max();
    std::size_t max_error_ = std::numeric_limits<std::size_t>::max();
    std::optional<std::chrono::nanoseconds> timeout_;
    std::chrono::nanoseconds wait_delay_ = std::chrono::seconds(1);
};

/// What processes have written, and why some of it may be missing.
/// Thread safety: a plain value.
struct captured {
    std::string out;               ///< standard output
    std::string error;             ///< standard error
    bool is_out_cut = false;       ///< there was more output than max_output()
    bool is_error_cut = false;     ///< there was more than max_error()
    bool has_timed_out = false;    ///< timeout() has passed, and the processes were killed
    bool has_open_output = false;  ///< wait_delay() has passed, and another process still has the output open

    /// Constructs an empty object.
    captured() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// What run() returns.
/// Thread safety: a plain value.
struct run_result : captured {
    exit_status status;  ///< how the process has ended

    /// Constructs a result from its parts.
    run_result(captured&& written, const exit_status& ended) noexcept : captured(std::move(written)), status(ended) {}
};

/// Starts a process, writes its input, reads its output and error, and waits until it has ended:
///
///     auto done = co_await try_(process::run(process::command("sort", "-u"), process::run_options().input(names)));
///     if (done.status.is_success()) use(done.out);
///
/// Input and output move at the same time, so neither of them can block the other. Streams that the command does not
/// set are pipes; without run_options::input(), the input is stdio::null().
/// Errors: the errors of command::spawn(), and of reads and writes; errc::status_lost; operation_not_permitted if a
/// process with the rights of another user must be killed, for example `sudo`. An exit code, a signal and a time-out
/// are none.
/// Cancel safety: not safe. The process is killed, and what it has written is lost.
/// Cost: reads 64 KiB at a time.
EDDY_API task<result<run_result>> run(command what, run_options options = {});

}  // namespace eddy::process
