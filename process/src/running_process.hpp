// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/process/error.hpp>
#include <eddy/process/exit_status.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/set_once.hpp>

#include "sys/processes.hpp"
#include "sys/this_process.hpp"

namespace eddy::process::detail {

/// A process that this library has started, which the child object, its futures, and the reaper share.
///
///     spawn thread                       reaper (a thread)                        child object
///     ------------                       -----------------                        ------------
///                           running ── the process ends ──> collect():
///     start, watch() ────>     │         no group, or released ──> reaped <──┐
///                              │         a group ────────────────> ended ────┤    release(): kill, or leave alone
///                              │                                             └─── (of `ended`: also take the status)
///                              └── release(): kill, or leave alone; stays running
///
/// - running: the number of the process, and of its group, belongs to this process.
/// - ended: a zombie. The status is known. The number still belongs to it, so the group can be killed.
/// - reaped: the kernel may have given the number to another process. No signal is sent any more.
///
/// `lock_` guards the state. Signals are sent, and the status is taken, while it is held, so no signal reaches another
/// process with the same number, unless other code waits for the process and there is no pidfd. `exit_` is set after
/// the lock is released, because that wakes tasks.
/// Thread safety: any thread.
class running_process : eddy::detail::immovable {
public:
    running_process(const std::string& program, bool has_group);
    /// Notes which standard streams are pipes whose other ends this program has. Called before the object is shared.
    void set_pipes(const std::array<bool, 3>& streams) noexcept { is_pipe_ = streams; }
    /// Stores the process, which has started. Called once, before the object is shared. The object exists before, so
    /// that no memory is needed afterwards.
    void begin(eddy::sys::started_process&& started) noexcept { process_ = std::move(started); }

    [[nodiscard]] int id() const noexcept { return process_.id; }
    [[nodiscard]] const eddy::sys::started_process& started() const noexcept { return process_; }
    [[nodiscard]] const std::shared_ptr<const std::string>& program() const noexcept { return program_; }
    [[nodiscard]] bool has_group() const noexcept { return has_group_; }
    /// How the process has ended. It is set once. In a process that was forked from this one, only read it: another
    /// thread may have had its lock.
    [[nodiscard]] sync::set_once<result<exit_status>>& exit() noexcept { return exit_; }
    /// Returns errc::status_lost in a process that was forked from the one that has started this process.
    [[nodiscard]] std::optional<class error> find_fork() const noexcept;

    [[nodiscard]] result<void> signal(int number) noexcept;
    [[nodiscard]] result<void> signal_group(int number) noexcept;
    /// Sends a signal to the group, if there is one, and to the process. They may have ended.
    /// Errors: what kill(2) reports if the process still runs, and does not get the signal.
    [[nodiscard]] result<void> signal_all(int number) noexcept;

    /// Returns what the process waits for this program to do, as a text; null if nothing is known of that.
    [[nodiscard]] const char* awaited_action() const noexcept;

    /// The task that has started the process here gets the child object.
    void expect_use(eddy::detail::call_site where) noexcept {
        started_ = std::chrono::steady_clock::now();
        unused_since_.store(where, std::memory_order_relaxed);  // relaxed: the location is constant
    }
    void note_use() noexcept { unused_since_.store(nullptr, std::memory_order_relaxed); }  // relaxed: as above
    /// Reports, in programs with EDDY_CHECKS, if the process is killed because its child object is destroyed at once,
    /// without a use. One that exists for a while may be meant to end the process.
    void note_drop() const noexcept;

    /// Takes the status if the process has ended, and publishes it. Returns whether it has ended. For the reaper.
    [[nodiscard]] bool collect() noexcept;
    /// The child object does not need the process any more. Later calls do nothing.
    void release(bool kill) noexcept;

    /// For the reaper: keeps this object while the process runs.
    std::shared_ptr<running_process> watched_by_reaper;

private:
    enum class state : unsigned char { running, ended, reaped };

    [[nodiscard]] class error fail(std::error_code code) const noexcept { return {code, about_}; }
    [[nodiscard]] result<void> named(eddy::result<void> sent) const noexcept;
    [[nodiscard]] eddy::result<void> send_to_all(int number) noexcept;
    void report_drop(const std::source_location& started_at) const noexcept;
    /// Whether this is a process that was forked from the one that has started this process. Check it before the lock,
    /// which another thread may have had during the fork.
    [[nodiscard]] bool is_in_forked_child() const noexcept { return eddy::sys::process_id() != parent_; }

    eddy::sys::started_process process_;
    const class error about_;  // the texts of all errors
    const std::shared_ptr<const std::string> program_;
    std::array<bool, 3> is_pipe_{};
    eddy::detail::atomic<eddy::detail::call_site> unused_since_{nullptr};
    std::chrono::steady_clock::time_point started_;
    const bool has_group_;
    const std::uint32_t parent_ = eddy::sys::process_id();
    eddy::detail::mutex lock_;
    state state_ = state::running;
    bool is_released_ = false;
    sync::set_once<result<exit_status>> exit_;
};

}  // namespace eddy::process::detail
