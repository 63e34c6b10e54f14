// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>
#include <variant>

#include <eddy/error.hpp>
#include <eddy/runtime/reactor.hpp>

#include "reactor/drivers/available.hpp"
#if EDDY_HAS_POLL
#include "reactor/drivers/poll_driver.hpp"
#endif
#if EDDY_HAS_AFD
#include "reactor/drivers/afd.hpp"
#endif
#if EDDY_HAS_EPOLL
#include "reactor/drivers/epoll.hpp"
#endif
#if EDDY_HAS_KQUEUE
#include "reactor/drivers/kqueue.hpp"
#endif

namespace eddy::detail {

#if EDDY_HAS_EPOLL
/// The driver that a ring runs beside.
using ring_partner = epoll;
#else
/// A replacement for that driver on systems without rings. Its functions are never called.
struct ring_partner {
    static bool was_full() noexcept { return false; }
    static void enable_wake_ups(bool) noexcept {}
    static int waker_handle() noexcept { return -1; }
    static void take_wake() noexcept {}
};
#endif

/// The readiness driver of an io_handle: one of the drivers that this system has. Implements driver_like.
class readiness_driver {
    /// Calls `function` with the driver. Tests first for the first type of the variant, the default of the system.
    template <class Either, class Function>
    static decltype(auto) visit(Either& driver, Function function) {
        if (auto* const own = std::get_if<0>(&driver)) [[likely]]
            return function(driver_in(*own));
        if constexpr (std::variant_size_v<Either> == 3) {
            if (auto* const own = std::get_if<2>(&driver)) return function(driver_in(*own));
        }
        return function(driver_in(*std::get_if < std::variant_size_v<Either> == 1 ? 0 : 1 > (&driver)));
    }

public:
    /// Creates the driver for `kind`: io_uring runs beside an epoll.
    /// Errors: those of the driver's make(); driver_unavailable if the system does not have that driver.
    [[nodiscard]] static result<readiness_driver> make(driver_kind kind, std::size_t events_per_tick) noexcept {
#if EDDY_HAS_POLL
        if (kind == driver_kind::poll) return of(poll_driver::make(events_per_tick));
#endif
#if EDDY_HAS_AFD
        if (kind == driver_kind::afd) return of(afd_driver::make(events_per_tick));
#endif
#if EDDY_HAS_KQUEUE
        if (kind == driver_kind::kqueue) return of(kqueue_driver::make(events_per_tick));
#endif
#if EDDY_HAS_EPOLL
        if (kind != driver_kind::kqueue && kind != driver_kind::afd) return of(epoll::make(events_per_tick));
#endif
        return std::unexpected(make_error_code(errc::driver_unavailable));
    }

    [[nodiscard]] result<void> watch(int fd, source_key key, io::interest wanted) {
        return visit(driver_, [&](auto& driver) { return driver.watch(fd, key, wanted); });
    }
    [[nodiscard]] result<void> watch_again(int fd, source_key key, io::interest wanted) {
        return visit(driver_, [&](auto& driver) { return driver.watch_again(fd, key, wanted); });
    }
    result<void> unwatch(int fd) {
        return visit(driver_, [&](auto& driver) { return driver.unwatch(fd); });
    }
    template <class OnEvent>
    result<driver_tick> tick(max_wait timeout, OnEvent on_event) {
        return visit(driver_, [&](auto& driver) { return driver.tick(timeout, std::move(on_event)); });
    }
    void wake() noexcept {
        visit(driver_, [](auto& driver) { driver.wake(); });
    }
    [[nodiscard]] result<void> make_alarm() {
        return visit(driver_, [](auto& driver) { return driver.make_alarm(); });
    }
    void set_alarm(std::chrono::nanoseconds delay) noexcept {
        visit(driver_, [&](auto& driver) { driver.set_alarm(delay); });
    }
    void wake_within(std::chrono::nanoseconds delay) noexcept {
        visit(driver_, [&](auto& driver) { driver.wake_within(delay); });
    }
    [[nodiscard]] int native_handle() const noexcept {
        return visit(driver_, [](auto& driver) { return driver.native_handle(); });
    }
    void close() noexcept {
        visit(driver_, [](auto& driver) { driver.close(); });
    }

    /// Returns the driver if it must be told which conditions were cleared, else null.
    [[nodiscard]] rearming_driver* rearming() const noexcept {
        const auto* const own = std::get_if<rearming_owner>(&driver_);
        return own != nullptr ? own->get() : nullptr;
    }
    /// Returns the driver that a ring runs beside.
    /// Preconditions: this driver was created for io_uring.
    [[nodiscard]] ring_partner& beside_ring() noexcept {
#if EDDY_HAS_EPOLL
        return *std::get_if<epoll>(&driver_);
#else
        static ring_partner none;
        return none;
#endif
    }

private:
    // The driver that is told which conditions were cleared.
#if EDDY_HAS_AFD
    using rearming_owner = std::unique_ptr<afd_driver>;
#else
    using rearming_owner = std::unique_ptr<poll_driver>;
#endif
#if EDDY_HAS_EPOLL && EDDY_HAS_KQUEUE
    using either = std::variant<epoll, rearming_owner, std::unique_ptr<kqueue_driver>>;
#elif EDDY_HAS_EPOLL
    using either = std::variant<epoll, rearming_owner>;
#elif EDDY_HAS_KQUEUE
    using either = std::variant<std::unique_ptr<kqueue_driver>, rearming_owner>;
#else
    using either = std::variant<rearming_owner>;
#endif

    // An epoll is in the variant itself, the others are on the heap.
#if EDDY_HAS_EPOLL
    static epoll& driver_in(epoll& own) noexcept { return own; }
    // NOLINTNEXTLINE(bugprone-return-const-ref-from-parameter): only called for an alternative of the variant
    static const epoll& driver_in(const epoll& own) noexcept { return own; }
#endif
    template <class Driver>
    static Driver& driver_in(const std::unique_ptr<Driver>& own) noexcept {
        return *own;
    }

    explicit readiness_driver(either&& driver) noexcept : driver_(std::move(driver)) {}

    template <class Driver>
    static result<readiness_driver> of(result<Driver>&& made) noexcept {
        if (!made) return std::unexpected(made.error());
        return readiness_driver(either(std::move(*made)));
    }

    either driver_;
};

static_assert(driver_like<readiness_driver>);

}  // namespace eddy::detail
