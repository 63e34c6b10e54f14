// SPDX-License-Identifier: MIT
#include "reactor/ring/ring_support.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>

#include "reactor/ring/uring_abi.hpp"
#include "sys/fd.hpp"

namespace eddy::detail {
namespace {

/// A required feature, how to check for it, and the why_driver() text for a kernel without it.
struct named_need {
    enum class kind { setup_flag, feature, operation, registration };

    kind asked_as;
    unsigned value;  // the flag, the bit, or the number
    std::string_view name;
    std::string_view why;
};
using enum named_need::kind;

#define EDDY_RING_NEED(asked_as, name) \
    {asked_as, name, #name, "epoll: this kernel's io_uring lacks " #name " (Linux 6.1 has it)"}

// In the order of the checks. A multishot receive (Linux 6.0) cannot be checked: IORING_REGISTER_PROBE reports
// operations without their flags. It is implied by IORING_SETUP_DEFER_TASKRUN, which is newer (6.1).
constexpr named_need needs[] = {
    // Flags of io_uring_setup(2), ordered by the kernel version that introduced them. TASKRUN_FLAG requires
    // DEFER_TASKRUN.
    EDDY_RING_NEED(setup_flag, IORING_SETUP_CQSIZE),
    EDDY_RING_NEED(setup_flag, IORING_SETUP_R_DISABLED),
    EDDY_RING_NEED(setup_flag, IORING_SETUP_SUBMIT_ALL),
    EDDY_RING_NEED(setup_flag, IORING_SETUP_SINGLE_ISSUER),
    EDDY_RING_NEED(setup_flag, IORING_SETUP_DEFER_TASKRUN),
    EDDY_RING_NEED(setup_flag, IORING_SETUP_TASKRUN_FLAG),
    EDDY_RING_NEED(feature, IORING_FEAT_NODROP),
    EDDY_RING_NEED(feature, IORING_FEAT_EXT_ARG),
    EDDY_RING_NEED(feature, IORING_FEAT_CQE_SKIP),
    EDDY_RING_NEED(operation, IORING_OP_NOP),
    EDDY_RING_NEED(operation, IORING_OP_POLL_ADD),
    EDDY_RING_NEED(operation, IORING_OP_ACCEPT),
    EDDY_RING_NEED(operation, IORING_OP_ASYNC_CANCEL),
    EDDY_RING_NEED(operation, IORING_OP_SEND),
    EDDY_RING_NEED(operation, IORING_OP_RECV),
    EDDY_RING_NEED(registration, IORING_REGISTER_PBUF_RING),
    EDDY_RING_NEED(registration, IORING_REGISTER_ENABLE_RINGS),
};

#undef EDDY_RING_NEED

std::unexpected<ring_refusal> lacking(const named_need& it) noexcept {
    return std::unexpected(ring_refusal{make_error_code(errc::driver_unavailable), it.why});
}

/// Returns the refusal for `answer`, a negative errno from liburing.
std::unexpected<ring_refusal> refused(int answer) noexcept {
    return std::unexpected(refusal_for({-answer, std::generic_category()}));
}

/// Checks for all required features with the smallest possible ring. Simulates a kernel that has none of `missing`.
class probing_ring {
public:
    explicit probing_ring(std::initializer_list<std::string_view> missing) noexcept : missing_(missing) {}

    [[nodiscard]] ring_answer ask() noexcept {
        if (auto answer = make(); !answer) return answer;
        if (auto answer = ask_features(); !answer) return answer;
        if (auto answer = ask_operations(); !answer) return answer;
        if (auto answer = ask_registrations(); !answer) return answer;
        return ask_to_enter();
    }

private:
    /// Creates a ring with these flags and closes the former one. Returns 0 or a negative errno.
    [[nodiscard]] int make_with(unsigned flags) noexcept {
        for (const auto& each : needs) {
            // A kernel returns EINVAL for an unknown flag.
            if (each.asked_as == setup_flag && (flags & each.value) != 0 && is_missing(each)) return -EINVAL;
        }
        params_ = {};
        params_.flags = flags;
        params_.cq_entries = 2;
        const int fd = ::io_uring_setup(1, &params_);
        if (fd < 0) return fd;
        fd_.reset(fd);
        return 0;
    }

    [[nodiscard]] ring_answer make() noexcept {
        unsigned all = 0;
        for (const auto& each : needs) {
            if (each.asked_as == setup_flag) all |= each.value;
        }
        const int answer = make_with(all);
        if (answer == 0) return {};
        if (answer != -EINVAL) return refused(answer);
        // The kernel does not report which flag is unknown, so add the flags one by one. In `needs`, a flag comes after
        // the flags that it requires.
        unsigned some = 0;
        for (const auto& each : needs) {
            if (each.asked_as != setup_flag) continue;
            some |= each.value;
            if (make_with(some) == -EINVAL) return lacking(each);
        }
        return refused(answer);
    }

    [[nodiscard]] ring_answer ask_features() const noexcept {
        for (const auto& each : needs) {
            if (each.asked_as != feature) continue;
            if ((params_.features & each.value) == 0 || is_missing(each)) return lacking(each);
        }
        return {};
    }

    [[nodiscard]] ring_answer ask_operations() const noexcept {
        // The header, followed by one entry for each operation that liburing's headers define.
        alignas(io_uring_probe)
            std::array<std::byte, sizeof(io_uring_probe) + IORING_OP_LAST * sizeof(io_uring_probe_op)>
                memory{};
        // SAFETY: the memory is aligned, large enough for IORING_OP_LAST entries, and zeroed, as the kernel
        // requires. It is local, and the kernel keeps no pointer to it.
        auto* const probe = reinterpret_cast<io_uring_probe*>(memory.data());
        if (const int answer = ::io_uring_register(fd(), IORING_REGISTER_PROBE, probe, IORING_OP_LAST); answer < 0) {
            return refused(answer);
        }
        for (const auto& each : needs) {
            if (each.asked_as != operation) continue;
            const bool is_there = each.value <= probe->last_op && each.value < IORING_OP_LAST &&
                                  (probe->ops[each.value].flags & IO_URING_OP_SUPPORTED) != 0;
            if (!is_there || is_missing(each)) return lacking(each);
        }
        return {};
    }

    /// Checks the registrations by using them, since the kernel does not report them.
    [[nodiscard]] ring_answer ask_registrations() const noexcept {
        for (const auto& each : needs) {
            if (each.asked_as != registration) continue;
            const int answer = is_missing(each) ? -EINVAL : attempt(each.value);
            if (answer == -EINVAL) return lacking(each);
            if (answer < 0) return refused(answer);
        }
        return {};
    }

    /// Checks io_uring_enter(2): a seccomp filter may forbid only this system call.
    [[nodiscard]] ring_answer ask_to_enter() const noexcept {
        if (const int answer = ::io_uring_enter(fd(), 0, 0, 0, nullptr); answer < 0) return refused(answer);
        return {};
    }

    [[nodiscard]] bool is_missing(const named_need& one) const noexcept {
        return std::ranges::find(missing_, one.name) != missing_.end();
    }

    [[nodiscard]] int attempt(unsigned what) const noexcept {
        if (what == IORING_REGISTER_ENABLE_RINGS) return ::io_uring_register(fd(), what, nullptr, 0);
        // A ring of one buffer. The kernel requires a whole page, and mmap(2) rounds up to one.
        constexpr std::size_t size = sizeof(io_uring_buf);
        void* const page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) return -ENOMEM;
        io_uring_buf_reg buffers{};
        // SAFETY: the kernel pins the page itself, so it may be unmapped after the call.
        buffers.ring_addr = reinterpret_cast<std::uintptr_t>(page);
        buffers.ring_entries = 1;
        const int answer = ::io_uring_register(fd(), what, &buffers, 1);
        ::munmap(page, size);
        return answer;
    }

    [[nodiscard]] unsigned fd() const noexcept { return static_cast<unsigned>(fd_.get()); }

    const std::initializer_list<std::string_view> missing_;  // of the caller of probe_ring()
    sys::unique_fd fd_;
    io_uring_params params_{};
};

/// Returns whether a later attempt may succeed without a change to the system.
bool is_temporary(const std::error_code& error) noexcept {
    return error == std::errc::not_enough_memory || error == std::errc::too_many_files_open ||
           error == std::errc::too_many_files_open_in_system;
}

}  // namespace

ring_answer probe_ring(std::initializer_list<std::string_view> missing) noexcept { return probing_ring(missing).ask(); }

std::vector<std::string_view> ring_needs() {
    std::vector<std::string_view> names;
    for (const auto& each : needs) names.push_back(each.name);
    return names;
}

ring_answer ring_support() noexcept {
    // Takes no lock, since a fork could leave it locked forever in the child. A thread that arrives while the first
    // answer is being written does its own check.
    enum class state { empty, being_written, there };
    static constinit atomic<state> kept{state::empty};
    static constinit ring_answer answer;

    // acquire: pairs with the release below, so that the answer is read after it was written.
    if (kept.load(std::memory_order_acquire) == state::there) return answer;
    const auto asked = probe_ring();
    if (!asked && is_temporary(asked.error().error)) return asked;
    auto expected = state::empty;
    // relaxed: the exchange only grants the right to write; it publishes no other data.
    if (kept.compare_exchange_strong(expected, state::being_written, std::memory_order_relaxed)) {
        answer = asked;
        // release: pairs with the acquire above.
        kept.store(state::there, std::memory_order_release);
    }
    return asked;
}

}  // namespace eddy::detail
