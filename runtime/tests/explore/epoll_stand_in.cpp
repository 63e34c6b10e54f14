// SPDX-License-Identifier: MIT
// Replaces the system calls of the drivers: sys::poll waits in an epoll_stand_in, and a ring is always refused.
#include "explore/epoll_stand_in.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/sys/poll.hpp>

#include "explore/explore.hpp"
#include "reactor/drivers/epoll.hpp"
#include "reactor/ring/chunk_queue.hpp"
#include "reactor/ring/uring.hpp"
#include "sys/syscall.hpp"

namespace explore {
namespace {

epoll_stand_in* current = nullptr;

constexpr int poll_number = 1'000'000;  // of no open descriptor
constexpr int waker_number = 1'000'001;

}  // namespace

epoll_stand_in::epoll_stand_in() { current = this; }
epoll_stand_in::~epoll_stand_in() { current = nullptr; }
epoll_stand_in& epoll_stand_in::get() noexcept { return *current; }

void epoll_stand_in::add(int fd, std::uint64_t token, bool has_event) {
    const std::lock_guard guard(lock_);
    watched_.emplace_back(fd, token, has_event);
}

void epoll_stand_in::remove(int fd) noexcept {
    const std::lock_guard guard(lock_);
    std::erase_if(watched_, [&](const watched_fd& one) { return one.fd == fd; });
}

int epoll_stand_in::fd_of(std::uint64_t token) noexcept {
    const std::lock_guard guard(lock_);
    const auto found = std::ranges::find(watched_, token, &watched_fd::token);
    check(found != watched_.end(), "the token is known");
    return found->fd;
}

void epoll_stand_in::occur(int fd) noexcept {
    const std::lock_guard guard(lock_);
    for (watched_fd& one : watched_) one.has_event |= one.fd == fd;
    changed_.notify_all();
}

std::vector<std::uint64_t> epoll_stand_in::wait(std::size_t capacity, max_wait timeout) {
    const auto has_event = [this] { return std::ranges::any_of(watched_, &watched_fd::has_event); };
    std::unique_lock guard(lock_);
    ++waiting_;
    if (!timeout) {
        changed_.wait(guard, has_event);
    } else if (*timeout > timeout->zero()) {
        static_cast<void>(changed_.wait_for(guard, *timeout, has_event));
    }
    --waiting_;
    std::vector<std::uint64_t> tokens;
    for (watched_fd& one : watched_) {
        if (tokens.size() == capacity) break;
        if (std::exchange(one.has_event, false)) tokens.push_back(one.token);
    }
    return tokens;
}

void epoll_stand_in::close() noexcept {
    const std::lock_guard guard(lock_);
    check(waiting_ == 0, "no thread waits in a driver that is closed");
}

}  // namespace explore

namespace eddy::sys {

using explore::epoll_stand_in;

/// Has access to the members of an event.
struct event_layout {
    static event make(std::uint64_t token) noexcept {
        event made;
        made.bits_ = event::in;
        made.data_ = std::bit_cast<std::array<std::uint32_t, 2>>(token);
        return made;
    }
};

events::events(std::size_t capacity, std::source_location) : buffer_(capacity) {}

result<void> registry::add(int fd, token name, io::interest wanted) const noexcept {
    epoll_stand_in::get().add(fd, name.value, wanted.is_writable());
    return ok();
}
result<void> registry::modify(int, token, io::interest) const noexcept { return ok(); }
result<void> registry::remove(int fd) const noexcept {
    epoll_stand_in::get().remove(fd);
    return ok();
}

result<poll> poll::make() noexcept { return poll(explore::poll_number); }
poll::poll(int fd) noexcept : fd_(fd), fork_generation_(0) {}
poll::~poll() {
    if (fd_ >= 0) epoll_stand_in::get().close();
}
result<std::size_t> poll::wait(events& into, std::optional<std::chrono::nanoseconds> timeout) {
    into.clear();
    for (const std::uint64_t token : epoll_stand_in::get().wait(into.capacity(), timeout))
        into.buffer_[into.size_++] = event_layout::make(token);
    return into.size();
}

result<waker> waker::make(const sys::registry& where, token name) noexcept {
    static_cast<void>(where.add(explore::waker_number, name, io::interest::readable));
    return waker(where, explore::waker_number, name);
}
waker::waker(const sys::registry& where, int fd, token name) noexcept
    : registry_(where), fd_(fd), fork_generation_(0), name_(name) {}
waker::~waker() {
    if (fd_ >= 0) static_cast<void>(registry_.remove(fd_));
}
result<void> waker::wake() const noexcept {
    epoll_stand_in::get().occur(fd_);
    return ok();
}

// Nothing is sent or received.
result<void> replace_file(int, int) noexcept { std::abort(); }
result<void> shutdown(int, half) noexcept { std::abort(); }
result<std::size_t> peek(int, std::span<std::byte>) noexcept { std::abort(); }
result<std::size_t> send_vectored(int, std::span<const iovec>) noexcept { std::abort(); }
result<std::size_t> send_without_waiting(int, std::span<const std::byte>) noexcept { std::abort(); }

}  // namespace eddy::sys

namespace eddy::detail {

result<std::unique_ptr<readiness_driver>> readiness_driver::make(driver_kind, std::size_t events_per_tick) noexcept {
    return epoll::make(events_per_tick);
}

class ring {};

uring::uring(ring_reactor& owner) noexcept : owner_(owner) {}
uring::~uring() = default;
result<std::unique_ptr<uring>> uring::make(ring_reactor& owner) noexcept {
    return std::unique_ptr<uring>(new uring(owner));
}
result<void> uring::enable(int, int) noexcept { return std::unexpected(make_error_code(errc::driver_unavailable)); }
result<ring_tick> uring::tick(max_wait) noexcept { std::abort(); }
void uring::flush() noexcept { std::abort(); }
bool uring::receive(ring_connection&) noexcept { std::abort(); }
bool uring::stop(ring_connection&) noexcept { std::abort(); }
bool uring::stop_now(ring_connection&) noexcept { std::abort(); }
bool uring::retire() noexcept { std::abort(); }

}  // namespace eddy::detail
