// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/process/error.hpp>
#include <eddy/task/task.hpp>

namespace eddy::process {

namespace detail {
struct process_reference;
}  // namespace detail

/// A process that this program has not started, or has detached: for example one whose number is in a file. It is not
/// killed by a destructor. A copy refers to the same process.
///
///     auto server = co_await try_(process::open(number));
///     co_await try_(server.signal(SIGTERM));
///     co_await try_(server.wait());
///
/// Only its parent gets the exit status.
/// Thread safety: any number of threads may use it, and its copies, at the same time.
class EDDY_API other_process {
public:
    /// For the library: refers to a process.
    explicit other_process(std::shared_ptr<const detail::process_reference> to) noexcept : to_(std::move(to)) {}

    /// Returns the process id. After the end, another process may have it.
    [[nodiscard]] int id() const noexcept;
    /// Returns whether the process has ended. It may still be a zombie.
    [[nodiscard]] bool has_ended() const;
    /// Waits until the process has ended. It may still be a zombie then.
    /// Errors: errc::runtime_shutdown; too_many_files_open. Throws misuse without an event loop.
    /// Lifetime: the object may be destroyed meanwhile.
    /// Cost: a descriptor while it waits.
    task<result<void>> wait() const;
    /// Sends a signal to the process, and never to another one with the same id. 0 sends none, and reports the error.
    /// Errors: errc::has_ended; operation_not_permitted for a process of another user; what pidfd_send_signal(2)
    /// reports.
    result<void> signal(int number) const;

private:
    std::shared_ptr<const detail::process_reference> to_;
};

/// Refers to the process that has an id now (pidfd_open(2)). From then on, it is this process, also if it ends and its
/// id is used again. Before, it may be another one than the caller means: the process may have ended after its id was
/// written to a file. If that matters, compare what is known about it, for example its start time in /proc/ID/stat, or
/// the lock of a file that it has, after this call, and then call has_ended(): if it has not, what was compared is of
/// this process.
/// Errors: no_such_process; invalid_argument for an id below 1, and for one of a thread; not_supported except on Linux,
/// and function_not_supported before Linux 5.3.
[[nodiscard]] EDDY_API result<other_process> open(int id);

}  // namespace eddy::process
