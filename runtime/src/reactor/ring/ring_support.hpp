// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <expected>
#include <initializer_list>
#include <string_view>
#include <system_error>

namespace eddy::detail {

/// The features of a kernel's io_uring that the driver requires, in the order of the checks.
/// A multishot receive (Linux 6.0) cannot be checked: IORING_REGISTER_PROBE reports operations without their flags. It
/// is implied by deferred_taskrun, which is newer (6.1).
enum class ring_need : unsigned {
    // Flags of io_uring_setup(2), ordered by the kernel version that introduced them. taskrun_flag requires
    // deferred_taskrun.
    cq_size,
    starts_disabled,
    submit_all,
    single_issuer,
    deferred_taskrun,
    taskrun_flag,
    // Features that io_uring_setup(2) reports.
    no_drop,
    ext_arg,
    cqe_skip,
    // Operations.
    nop,
    poll_add,
    timeout,
    accept,
    async_cancel,
    close,
    send,
    recv,
    // Commands of io_uring_register(2).
    buffer_ring,
    enable_rings,
};

/// A set of features.
class ring_needs {
public:
    constexpr ring_needs(std::initializer_list<ring_need> needs) noexcept {
        for (const auto each : needs) bits_ |= bit(each);
    }
    [[nodiscard]] constexpr bool has(ring_need need) const noexcept { return (bits_ & bit(need)) != 0; }

private:
    static constexpr std::uint32_t bit(ring_need need) noexcept {
        return std::uint32_t{1} << static_cast<unsigned>(need);
    }

    std::uint32_t bits_ = 0;
};

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

/// Like ring_support(), but never cached, and simulates a kernel that has none of `missing`. Tests use it to
/// simulate old kernels.
[[nodiscard]] ring_answer probe_ring(ring_needs missing = {}) noexcept;

/// Explains `error`, which a system call that creates or configures a ring has returned.
[[nodiscard]] ring_refusal refusal_for(const std::error_code& error) noexcept;

}  // namespace eddy::detail
