// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <expected>
#include <initializer_list>
#include <string_view>
#include <system_error>

namespace eddy::detail {

/// What the driver needs of a kernel's io_uring, in the order in which it is looked for.
/// A multishot receive (Linux 6.0) cannot be asked for: IORING_REGISTER_PROBE knows operations and not their flags. It
/// is implied by deferred_taskrun, which is younger (6.1).
enum class ring_need : unsigned {
    // Flags of io_uring_setup(2), each of a later kernel than the one before, but for the last, which needs the one
    // before.
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
    // What io_uring_register(2) can do.
    buffer_ring,
    enable_rings,
};

/// A set of needs.
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

/// Why there can be no ring.
struct ring_refusal {
    std::error_code error;  ///< for whoever asked for io_uring and for nothing else
    std::string_view why;   ///< what why_driver() says of the epoll in its place; a literal
};

using ring_answer = std::expected<void, ring_refusal>;

/// Whether this process may have rings with all that the driver needs, asked with a tiny one that is closed at once.
/// The answer is kept, except where it may be another one the next time: descriptors and memory come and go.
/// Thread safety: any thread. Cost: one load; the first time some 10 system calls.
[[nodiscard]] ring_answer ring_support() noexcept;

/// As ring_support(), but asks anew, and a kernel that is as if it had nothing of `missing`: so tests have old kernels.
[[nodiscard]] ring_answer probe_ring(ring_needs missing = {}) noexcept;

/// What it means when a system call that makes a ring, or sets it up, has failed with `error`.
[[nodiscard]] ring_refusal refusal_for(const std::error_code& error) noexcept;

}  // namespace eddy::detail
