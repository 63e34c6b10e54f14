// SPDX-License-Identifier: MIT
#include "running_process.hpp"

#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace eddy::process::detail {

running_process::running_process(const std::string& program, bool has_group)
    : about_({}, program), has_group_(has_group) {}

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
    // Signals of a group reach the members that this program may signal: the process may have the rights of another
    // user, or be in another group. 0 asks whether it could be signaled.
    const bool has_signal = has_group_signal && eddy::sys::is_in_own_group(process_);
    const auto sent = eddy::sys::send_signal(process_, has_signal ? 0 : number);
    if (!sent && sent.error() != std::errc::no_such_process) return sent;
    return {};
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
