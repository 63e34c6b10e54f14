// SPDX-License-Identifier: MIT
#include <eddy/sys/poll.hpp>

#include <system_error>

#include <eddy/error.hpp>

// Windows has no event queue with the properties of sys::poll: a descriptor that other event queues can watch, and
// registrations without memory of their own. The runtime uses reactor/drivers/afd.cpp.

namespace eddy::sys {
namespace {

std::error_code not_here() noexcept { return std::make_error_code(std::errc::not_supported); }

}  // namespace

events::events(std::size_t capacity, std::source_location where) : buffer_(capacity) {
    if (capacity == 0) throw misuse("sys::events(0) cannot store any event: use a capacity of at least 1", where);
}

result<void> registry::add(int, token, io::interest) const noexcept { return std::unexpected(not_here()); }

result<void> registry::modify(int, token, io::interest) const noexcept { return std::unexpected(not_here()); }

result<void> registry::remove(int) const noexcept { return std::unexpected(not_here()); }

poll::poll() : fd_(-1), fork_generation_(0) {
    throw std::system_error(not_here(), "sys::poll does not exist on Windows: use eddy::core or eddy::reactor");
}

poll::poll(int fd) noexcept : fd_(fd), fork_generation_(0) {}

result<poll> poll::make() noexcept { return std::unexpected(not_here()); }

poll::~poll() = default;

result<std::size_t> poll::wait(events&, std::optional<std::chrono::nanoseconds>) { return std::unexpected(not_here()); }

waker::waker(const sys::registry& where, int fd, token name) noexcept
    : registry_(where), fd_(fd), fork_generation_(0), name_(name) {}

result<waker> waker::make(const sys::registry&, token) noexcept { return std::unexpected(not_here()); }

waker::~waker() = default;

result<void> waker::wake() const noexcept { return std::unexpected(not_here()); }

}  // namespace eddy::sys
