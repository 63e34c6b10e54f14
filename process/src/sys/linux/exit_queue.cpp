// SPDX-License-Identifier: MIT
#include "sys/exit_queue.hpp"

#include <sys/epoll.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include "sys/processes.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {

result<exit_queue> exit_queue::make() noexcept {
    unique_fd queue(::epoll_create1(EPOLL_CLOEXEC));
    if (!queue) return std::unexpected(last_error());
    if (const auto moved = move_above_standard(queue); !moved) return std::unexpected(moved.error());
    return exit_queue(std::move(queue));
}

bool exit_queue::can_watch(const started_process& process) noexcept { return static_cast<bool>(process.watched); }

result<void> exit_queue::add(const started_process& process, void* key) noexcept {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = key;
    return done_or_error(::epoll_ctl(queue_.get(), EPOLL_CTL_ADD, process.watched.get(), &event));
}

void exit_queue::remove(const started_process& process) noexcept {
    ::epoll_ctl(queue_.get(), EPOLL_CTL_DEL, process.watched.get(), nullptr);
}

std::span<void* const> exit_queue::wait(keys& into, std::optional<std::chrono::milliseconds> most) noexcept {
    const int timeout = most ? static_cast<int>(most->count()) : -1;
    std::array<epoll_event, std::tuple_size_v<keys>> events{};
    const int count = retry_interrupted(
        [&] { return ::epoll_wait(queue_.get(), events.data(), static_cast<int>(events.size()), timeout); });
    const auto ready = static_cast<std::size_t>(count < 0 ? 0 : count);
    for (std::size_t i = 0; i < ready; ++i) into[i] = events[i].data.ptr;
    return std::span(into).first(ready);
}

}  // namespace eddy::sys
