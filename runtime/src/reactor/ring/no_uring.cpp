// SPDX-License-Identifier: MIT
// Replaces uring.cpp and ring_support.cpp in a build without liburing: uring::make() always fails, so the other
// functions of uring are never called.
#include <cstdlib>

#include <eddy/error.hpp>

#include "reactor/ring/ring_support.hpp"
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

ring_answer ring_support() noexcept {
    return std::unexpected(ring_refusal{make_error_code(errc::driver_unavailable),
                                        "epoll: io_uring is not in this build of eddy (liburing was missing)"});
}

ring_answer probe_ring(std::initializer_list<std::string_view>) noexcept { return ring_support(); }

std::vector<std::string_view> ring_needs() { return {}; }

}  // namespace eddy::detail
