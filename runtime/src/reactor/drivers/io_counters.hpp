// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/runtime/reactor.hpp>

namespace eddy::detail {

/// The statistics of an io_handle. Each counter has one writer at a time, so it needs no read-modify-write: the first
/// two are written under the lock of the source_set, the third under the driver lock, the fourth by the ring's owner.
class io_counters {
public:
    void add_registered() noexcept { add(registered_, 1); }
    void add_deregistered() noexcept { add(deregistered_, 1); }
    void add_events(std::size_t more) noexcept {
        if (more != 0) add(ready_events_, more);
    }
    /// Sets the number of cancelled operations that the kernel has not ended yet.
    void set_given_up(std::size_t now) noexcept {
        given_up_.store(now, std::memory_order_relaxed);  // statistics only: it publishes no other data
    }

    /// Returns the number of registered descriptors.
    [[nodiscard]] std::size_t registered_now() const noexcept {
        // acquire: pairs with the release in add(), so that a removal is not seen without its registration.
        const auto gone = deregistered_.load(std::memory_order_acquire);
        return static_cast<std::size_t>(registered_.load(std::memory_order_relaxed) - gone);
    }
    [[nodiscard]] io_metrics metrics() const noexcept {
        // relaxed: statistics only.
        return {registered_.load(std::memory_order_relaxed), deregistered_.load(std::memory_order_relaxed),
                ready_events_.load(std::memory_order_relaxed), given_up_.load(std::memory_order_relaxed)};
    }

private:
    static void add(atomic<std::uint64_t>& figure, std::uint64_t more) noexcept {
        // release: pairs with the acquire in registered_now(). The load is relaxed, since only this writer changes the
        // value.
        figure.store(figure.load(std::memory_order_relaxed) + more, std::memory_order_release);
    }

    atomic<std::uint64_t> registered_{0};
    atomic<std::uint64_t> deregistered_{0};
    atomic<std::uint64_t> ready_events_{0};
    atomic<std::uint64_t> given_up_{0};
};

}  // namespace eddy::detail
