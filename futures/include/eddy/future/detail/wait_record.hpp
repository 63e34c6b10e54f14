// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <source_location>

#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>

namespace eddy::detail {

/// Prints that `what` was moved after its first poll, and the await that polled it, if the await is known. Then aborts.
[[noreturn, gnu::cold]] EDDY_API void fatal_moved(const char* what, const std::source_location& polled_at) noexcept;
[[noreturn, gnu::cold]] EDDY_API void fatal_moved(const char* what, call_site polled_at) noexcept;

/// Prints `text`, which says that an object was destroyed while a task waits for it, and the location of the task's
/// await, which may be null. Then aborts.
[[noreturn, gnu::cold]] EDDY_API void fatal_destroyed(const char* text, call_site polled_at) noexcept;

/// Records whether a future has waited, whether it has ended, and the `co_await` that made it wait. It has the size of
/// a pointer, because waiting tasks keep it in their coroutine frames.
class wait_record {
public:
    wait_record() noexcept = default;
    wait_record(const wait_record& other) noexcept : bits_(other.bits()) {}
    wait_record& operator=(const wait_record& other) noexcept {
        bits_.store(other.bits(), std::memory_order_relaxed);
        return *this;
    }
    ~wait_record() = default;

    /// Returns whether neither wait() nor end() was called.
    [[nodiscard]] bool is_fresh() const noexcept { return bits() == 0; }
    /// Return whether wait() was called, and whether end() was called.
    [[nodiscard]] bool has_waited() const noexcept { return (bits() & waited) != 0; }
    [[nodiscard]] bool has_ended() const noexcept { return (bits() & ended) != 0; }
    /// Returns whether the last call was wait().
    [[nodiscard]] bool is_waiting() const noexcept { return (bits() & (waited | ended)) == waited; }

    /// Records a poll that was not ready.
    void wait(const context& cx) noexcept {
        // SAFETY: a call site is the address of a compiler's record of pointers, so the two lowest bits are 0.
        bits_.store(reinterpret_cast<std::uintptr_t>(call_site_of(cx.where())) | waited, std::memory_order_relaxed);
    }
    /// Records the end of the future.
    void end() noexcept { bits_.store(bits() | ended, std::memory_order_relaxed); }

    /// Returns the location of the await in the last call of wait(), or null.
    [[nodiscard]] call_site polled_at() const noexcept {
        // SAFETY: wait() has stored the address.
        return reinterpret_cast<call_site>(bits() & ~(waited | ended));  // NOLINT(performance-no-int-to-ptr)
    }

private:
    static constexpr std::uintptr_t waited = 1;
    static constexpr std::uintptr_t ended = 2;

    // relaxed, all accesses: only the thread that polls the future writes. Another thread reads it for the text of
    // misuse, and nothing is read through it.
    [[nodiscard]] std::uintptr_t bits() const noexcept { return bits_.load(std::memory_order_relaxed); }

    std::atomic<std::uintptr_t> bits_{0};  // not explored
};

static_assert(sizeof(wait_record) == sizeof(void*));

}  // namespace eddy::detail
