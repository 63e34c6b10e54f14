// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <eddy/detail/atomic.hpp>

namespace explore {

/// Models the kernel's side of sys::poll: an edge-triggered epoll(7). While an instance exists, each sys::poll is this
/// epoll. Its lock orders memory, as that of a kernel does.
class epoll_stand_in {
public:
    using max_wait = std::optional<std::chrono::nanoseconds>;

    epoll_stand_in();
    epoll_stand_in(const epoll_stand_in&) = delete;
    epoll_stand_in& operator=(const epoll_stand_in&) = delete;
    ~epoll_stand_in();
    /// Returns the one that exists.
    [[nodiscard]] static epoll_stand_in& get() noexcept;

    /// Watches a descriptor. `has_event`: a condition for which it is watched already holds.
    void add(int fd, std::uint64_t token, bool has_event);
    void remove(int fd) noexcept;
    /// Returns the descriptor with this token.
    [[nodiscard]] int fd_of(std::uint64_t token) noexcept;
    /// An event of the descriptor.
    void occur(int fd) noexcept;
    /// Returns the tokens of at most `capacity` events.
    [[nodiscard]] std::vector<std::uint64_t> wait(std::size_t capacity, max_wait timeout);
    /// Fails the execution if a thread waits: its events would be lost.
    void close() noexcept;

private:
    struct watched_fd {
        int fd;
        std::uint64_t token;
        bool has_event;

        watched_fd(int number, std::uint64_t name, bool is_ready) : fd(number), token(name), has_event(is_ready) {}
    };

    eddy::detail::mutex lock_;
    eddy::detail::condition_variable changed_;
    std::vector<watched_fd> watched_;
    unsigned waiting_ = 0;
};

}  // namespace explore
