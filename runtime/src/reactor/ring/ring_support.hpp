// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <expected>
#include <initializer_list>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

namespace eddy::detail {

/// The reason why no ring is available.
struct ring_refusal {
    std::error_code error;  ///< for a caller that requires io_uring
    std::string_view why;   ///< the why_driver() text of the epoll that replaces it; a literal
};

/// Success, or the reason why no ring is available.
using ring_answer = std::expected<void, ring_refusal>;

/// Returns whether this process may create rings with everything that the driver needs. Checks that with a small ring,
/// which it closes again. Caches the answer, except for a lack of memory or descriptors, which may be temporary.
/// Thread safety: any thread.
/// Cost: one load; about 10 system calls the first time.
[[nodiscard]] ring_answer ring_support() noexcept;

/// Like ring_support(), but never cached, and simulates a kernel that has none of the features `missing`, for example
/// "IORING_OP_SEND". Tests use it to simulate old kernels.
[[nodiscard]] ring_answer probe_ring(std::initializer_list<std::string_view> missing = {}) noexcept;

/// Returns the names of the features of a kernel's io_uring that the driver requires.
[[nodiscard]] std::vector<std::string_view> ring_needs();

/// Explains `error`, which a system call that creates or configures a ring has returned.
[[nodiscard]] ring_refusal refusal_for(const std::error_code& error) noexcept;

/// Calls `call` until `is_short(answer)` is false, for at most 200 ms, and returns the last answer. The kernel releases
/// the locked memory of a closed ring some time later, and counts it for all processes of the user. So locked memory
/// can be short for a moment.
/// Cost: blocks the thread with a sleep of 2 ms between two calls.
template <class Call, class IsShort>
auto retry_while_memory_is_short(Call call, IsShort is_short) noexcept {
    constexpr int attempts = 100;
    constexpr auto pause = std::chrono::milliseconds(2);
    for (int i = 1;; ++i) {
        auto answer = call();
        if (i == attempts || !is_short(answer)) return answer;
        std::this_thread::sleep_for(pause);
    }
}

}  // namespace eddy::detail
