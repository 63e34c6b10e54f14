// SPDX-License-Identifier: MIT
#include "running_process.hpp"

#include <mutex>
#include <string>
#include <system_error>
#include <utility>

namespace eddy::process::detail {

running_process::running_process(eddy::sys::started_process started, std::string program, bool has_group)
    : process_(std::move(started)), program_(std::move(program)), has_group_(has_group) {}

result<void> running_process::named(eddy::result<void> sent) const {
    if (!sent) return std::unexpected(fail(sent.error()));
    return {};
}

result<void> running_process::signal(int number) noexcept {
    const std::lock_guard guard(lock_);
    if (state_ != state::running || is_in_forked_child()) return std::unexpected(fail(errc::has_ended));
    return named(eddy::sys::send_signal(process_, number));
}

result<void> running_process::signal_group(int number) noexcept {
    if (!has_group_) return std::unexpected(fail(errc::no_group));
    const std::lock_guard guard(lock_);
    if (state_ == state::reaped || is_in_forked_child()) return std::unexpected(fail(errc::has_ended));
    return named(eddy::sys::send_signal_to_group(process_, number));
}

void running_process::signal_all(int number) noexcept {
    const std::lock_guard guard(lock_);
    if (state_ != state::reaped && !is_in_forked_child()) send_to_all(number);
}

void running_process::send_to_all(int number) noexcept {
    // A failure means that the process is gone, or that it runs with the rights of another user.
    static_cast<void>(has_group_ ? eddy::sys::send_signal_to_group(process_, number)
                                 : eddy::sys::send_signal(process_, number));
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
    const std::lock_guard guard(lock_);
    if (is_released_ || is_in_forked_child()) return;
    is_released_ = true;
    if (state_ == state::reaped) return;
    if (kill) send_to_all(eddy::sys::sigkill);
    if (state_ == state::running) return;  // collect() follows
    static_cast<void>(eddy::sys::take_exit_status(process_, false));
    state_ = state::reaped;
}

}  // namespace eddy::process::detail
