// SPDX-License-Identifier: MIT
#include "running_process.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <source_location>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/future/detail/await_record.hpp>

#include "sys/print_report.hpp"

namespace eddy::process::detail {

running_process::running_process(const std::string& program, bool has_group)
    : about_({}, program), program_(std::make_shared<const std::string>(program)), has_group_(has_group) {}

std::optional<class error> running_process::find_fork() const noexcept {
    if (!is_in_forked_child()) return std::nullopt;
    return fail(errc::status_lost);
}

result<void> running_process::named(eddy::result<void> sent) const noexcept {
    if (!sent) return std::unexpected(fail(sent.error()));
    return {};
}

result<void> running_process::signal(int number) noexcept {
    if (is_in_forked_child()) return std::unexpected(fail(errc::has_ended));
    const std::lock_guard guard(lock_);
    if (state_ != state::running) return std::unexpected(fail(errc::has_ended));
    return named(eddy::sys::send_signal(process_, number));
}

result<void> running_process::signal_group(int number) noexcept {
    if (!has_group_) return std::unexpected(fail(errc::no_group));
    if (is_in_forked_child()) return std::unexpected(fail(errc::has_ended));
    const std::lock_guard guard(lock_);
    if (state_ == state::reaped) return std::unexpected(fail(errc::has_ended));
    return named(eddy::sys::send_signal_to_group(process_, number));
}

result<void> running_process::signal_all(int number) noexcept {
    if (is_in_forked_child()) return {};
    const std::lock_guard guard(lock_);
    if (state_ == state::reaped) return {};
    return named(send_to_all(number));
}

eddy::result<void> running_process::send_to_all(int number) noexcept {
    const bool has_group_signal = has_group_ && eddy::sys::send_signal_to_group(process_, number).has_value();
    if (state_ != state::running) return {};
    // A signal to the group reaches only the members that this program may signal. The process itself may run as
    // another user, or have moved to another group. If it got the signal with its group, 0 only asks whether it may be
    // signaled.
    const bool has_signal = has_group_signal && eddy::sys::is_in_own_group(process_);
    const auto sent = eddy::sys::send_signal(process_, has_signal ? 0 : number);
    if (!sent && sent.error() != std::errc::no_such_process) return sent;
    return {};
}

const char* running_process::awaited_action() const noexcept {
    const int stream = eddy::sys::stream_waited_for(process_);
    if (stream < 0 || !is_pipe_[static_cast<std::size_t>(stream)]) return nullptr;
    return stream == 0 ? "the end of its input" : "its output to be read";
}

void running_process::note_drop() const noexcept {
    const auto where = unused_since_.load(std::memory_order_relaxed);  // relaxed: see expect_use()
    if (where == nullptr || is_in_forked_child() || exit_.is_set()) return;
    constexpr auto at_once = std::chrono::seconds(2);
    if (std::chrono::steady_clock::now() - started_ > at_once) return;
    // relaxed: a program without EDDY_CHECKS never sets it
    if (!eddy::detail::has_await_records.load(std::memory_order_relaxed)) return;
    report_drop(eddy::detail::source_location_of(where));
}

void running_process::report_drop(const std::source_location& started_at) const noexcept try {
    eddy::sys::print_report("eddy: process " + std::to_string(id()) + " (" + *program_ +
                            ") was killed because its child object was destroyed at once: keep it until wait() has "
                            "ended, or call detach(). It was started at " +
                            started_at.file_name() + ":" + std::to_string(started_at.line()) + "\n");
} catch (const std::bad_alloc&) {
    eddy::sys::print_report("eddy: a process was killed, and there is not enough memory to print which one\n");
}

bool running_process::collect() noexcept {
    eddy::result<std::optional<exit_status>> found;
    {
        const std::lock_guard guard(lock_);
        const bool keep = has_group_ && !is_released_;
        found = eddy::sys::take_exit_status(process_, keep);
        if (found && !*found) return false;
        state_ = keep && found ? state::ended : state::reaped;
    }
    if (found) (*found)->set_program(program_);
    static_cast<void>(exit_.set(found ? result<exit_status>(**found) : std::unexpected(fail(errc::status_lost))));
    return true;
}

void running_process::release(bool kill) noexcept {
    if (is_in_forked_child()) return;
    const std::lock_guard guard(lock_);
    if (is_released_) return;
    is_released_ = true;
    if (state_ == state::reaped) return;
    // A process with the rights of another user goes on. There is no caller that could do more.
    if (kill) {
        static_cast<void>(send_to_all(eddy::sys::sigkill));
    } else {
        eddy::sys::let_group_go(process_);
    }
    if (state_ == state::running) return;  // collect() follows
    static_cast<void>(eddy::sys::take_exit_status(process_, false));
    state_ = state::reaped;
}

}  // namespace eddy::process::detail
