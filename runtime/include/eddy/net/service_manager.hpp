// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

/// What a service tells the service manager that started it: the protocol of sd_notify(3), which systemd and other
/// managers speak. No library of systemd is needed. Without a manager (the variable NOTIFY_SOCKET is not set), the
/// functions do nothing and succeed, so a program calls them unconditionally.
namespace eddy::net {

/// Tells the manager that the service accepts requests, or, after notify_reloading(), that the new configuration is in
/// use. With `Type=notify`, the manager starts the services that depend on this one now. If process::hand_over() has
/// started this process, tells the predecessor instead, which then tells the manager.
/// Errors: any error of the socket; errc::bad_path, errc::unix_name_too_long, or address_family_not_supported for an
/// address in NOTIFY_SOCKET that is none of a Unix socket.
/// Cancel safety: safe. The message is sent as a whole or not at all.
EDDY_API task<result<void>> notify_ready();
/// Tells the manager that the service has begun to end. Errors, cancel safety: same as above.
EDDY_API task<result<void>> notify_stopping();
/// Tells the manager that the service reads its configuration again; notify_ready() ends that (`Type=notify-reload`).
/// Errors, cancel safety: same as above.
EDDY_API task<result<void>> notify_reloading();
/// Sets the text that the manager shows for the service.
/// Errors: invalid_argument for a text with a newline, which would begin another message. Otherwise, and cancel safety:
/// same as above.
EDDY_API task<result<void>> notify_status(std::string_view text);

/// Tells the manager that another process is the main process of the service from now on (`MAINPID=`). Further messages
/// of this process would be about the other one, so they are not sent, and feed_watchdog() ends. process::hand_over()
/// calls it.
/// Errors, cancel safety: same as notify_ready().
EDDY_API task<result<void>> notify_main_process(int id);

/// Returns the time after which the manager kills a service that does not say that it is alive (`WatchdogSec=`), or
/// nullopt if it does not watch this process.
[[nodiscard]] EDDY_API std::optional<std::chrono::microseconds> watchdog_interval() noexcept;

/// Says that the service is alive, twice in each watchdog_interval(), and never ends; ends with success if no manager
/// watches this process, or not any more. It runs on the event loop like any task, so a loop that is stuck says
/// nothing, and the manager kills the service; with `Restart=on-failure` or `on-watchdog`, it starts it again. On a
/// runtime, it notices only that all workers are stuck.
///     auto alive = net::feed_watchdog();
///     handle.spawn(std::move(alive));
/// Errors: same as notify_ready(), at the first message that cannot be sent.
EDDY_API task<result<void>> feed_watchdog();

}  // namespace eddy::net

namespace eddy::detail {

/// Returns whether a predecessor waits until this process is ready.
[[nodiscard]] EDDY_API bool is_awaited_by_predecessor() noexcept;

}  // namespace eddy::detail
