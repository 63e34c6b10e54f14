// SPDX-License-Identifier: MIT
#include <eddy/error.hpp>

#include "reactor/ring/ring_support.hpp"

// Replaces ring_support.cpp in a build without liburing.

namespace eddy::detail {

ring_answer ring_support() noexcept {
    return std::unexpected(ring_refusal{make_error_code(errc::driver_unavailable),
                                        "epoll: io_uring is not in this build of eddy (liburing was missing)"});
}

ring_answer probe_ring(std::initializer_list<std::string_view>) noexcept { return ring_support(); }

std::vector<std::string_view> ring_needs() { return {}; }

}  // namespace eddy::detail
