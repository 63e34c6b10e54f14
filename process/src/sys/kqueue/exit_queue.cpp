// SPDX-License-Identifier: MIT
#include "sys/exit_queue.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <system_error>
#include <tuple>
#include <utility>

#include "sys/kevents.hpp"
#include "sys/processes.hpp"

// EVFILT_PROC reports the end of a process once, and is then removed. The number belongs to the process as long as this
// library has not reaped it.

namespace eddy::sys {
namespace {

std::uintptr_t number_of(const started_process& process) noexcept { return static_cast<std::uintptr_t>(process.id); }

}  // namespace

result<exit_queue> exit_queue::make() noexcept {
    auto queue = make_kqueue();
    if (!queue) return std::unexpected(queue.error());
    if (const auto moved = move_above_standard(*queue); !moved) return std::unexpected(moved.error());
    return exit_queue(*std::move(queue));
}

bool exit_queue::can_watch(const started_process&) noexcept { return true; }

result<void> exit_queue::add(const started_process& process, void* key) noexcept {
    auto record = make_record(number_of(process), EVFILT_PROC, EV_ADD | EV_ONESHOT, NOTE_EXIT, key);
    if (const auto changed = change_kevents(queue_.get(), std::span(&record, 1)); !changed) return changed;
    const int error = error_of(record);
    if (error != ESRCH)
        return error == 0 ? result<void>() : std::unexpected(std::error_code(error, std::generic_category()));
    // The process ended before: macOS does not find a zombie. FreeBSD reports it at once.
    record = make_record(number_of(process), EVFILT_USER, EV_ADD | EV_CLEAR, 0, key);
    if (const auto changed = change_kevents(queue_.get(), std::span(&record, 1)); !changed) return changed;
    trigger_user_event(queue_.get(), number_of(process), key);
    return {};
}

void exit_queue::remove(const started_process&) noexcept {}

std::span<void* const> exit_queue::wait(keys& into, std::optional<std::chrono::milliseconds> most) noexcept {
    std::array<kevent_record, std::tuple_size_v<keys>> events{};
    const int count = retry_interrupted([&] { return wait_for_kevents(queue_.get(), events, most); });
    const auto ready = static_cast<std::size_t>(count < 0 ? 0 : count);
    for (std::size_t i = 0; i < ready; ++i) {
        into[i] = key_of(events[i]);
        // Before the process is reaped: afterwards, its number may belong to another process.
        if (events[i].filter != EVFILT_USER) continue;
        auto removed = make_record(events[i].ident, EVFILT_USER, EV_DELETE, 0, nullptr);
        static_cast<void>(change_kevents(queue_.get(), std::span(&removed, 1)));
    }
    return std::span(into).first(ready);
}

}  // namespace eddy::sys
