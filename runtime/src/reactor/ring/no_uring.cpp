// SPDX-License-Identifier: MIT
// Replaces uring.cpp in a build without liburing: make() always fails, so the other functions are never called.
#include <cstdlib>

#include <eddy/error.hpp>

#include "reactor/ring/uring.hpp"

namespace eddy::detail {

class ring {};

result<std::unique_ptr<uring>> uring::make(ring_reactor&) noexcept {
    return std::unexpected(make_error_code(errc::driver_unavailable));
}
uring::~uring() = default;
result<void> uring::enable(int, int) noexcept { std::abort(); }
result<ring_tick> uring::tick(max_wait) noexcept { std::abort(); }
void uring::flush() noexcept { std::abort(); }
bool uring::receive(ring_connection&) noexcept { std::abort(); }
bool uring::stop(ring_connection&) noexcept { std::abort(); }
bool uring::stop_now(ring_connection&) noexcept { std::abort(); }
bool uring::retire() noexcept { std::abort(); }

}  // namespace eddy::detail
