// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/runtime/reactor.hpp>

#include "driver/epoll.hpp"
#include "driver/has_kqueue.hpp"
#include "driver/poll.hpp"
#if EDDY_HAS_KQUEUE
#include "driver/kqueue.hpp"
#endif

namespace eddy::detail {

/// The readiness driver of an io_handle: one of the drivers that this system has. Implements driver_like.
class readiness_driver {
    template <class Function>
    std::invoke_result_t<Function&, epoll&> visit(Function function) {
        if (auto* const own = std::get_if<epoll>(&driver_)) [[likely]]
            return function(*own);
#if EDDY_HAS_KQUEUE
        if (auto* const own = std::get_if<std::unique_ptr<kqueue_driver>>(&driver_)) return function(**own);
#endif
        return function(**std::get_if<std::unique_ptr<poll_driver>>(&driver_));
    }

public:
    /// Creates the driver for `kind`: io_uring runs beside an epoll.
    /// Errors: those of the driver's make(); not_supported if the system does not have that driver.
    [[nodiscard]] static result<readiness_driver> make(driver_kind kind, std::size_t events_per_tick) noexcept {
        if (kind == driver_kind::poll) return of(poll_driver::make(events_per_tick));
        if (kind == driver_kind::kqueue) {
#if EDDY_HAS_KQUEUE
            return of(kqueue_driver::make(events_per_tick));
#else
            return std::unexpected(std::make_error_code(std::errc::not_supported));
#endif
        }
        return of(epoll::make(events_per_tick));
    }

    [[nodiscard]] result<void> watch(int fd, source_key key, io::interest wanted) {
        return visit([&](auto& driver) { return driver.watch(fd, key, wanted); });
    }
    [[nodiscard]] result<void> watch_again(int fd, source_key key, io::interest wanted) {
        return visit([&](auto& driver) { return driver.watch_again(fd, key, wanted); });
    }
    result<void> unwatch(int fd) {
        return visit([&](auto& driver) { return driver.unwatch(fd); });
    }
    template <class OnEvent>
    result<driver_tick> turn(max_wait timeout, OnEvent on_event) {
        return visit([&](auto& driver) { return driver.turn(timeout, std::move(on_event)); });
    }
    void wake() noexcept {
        visit([](auto& driver) { driver.wake(); });
    }
    [[nodiscard]] result<void> make_alarm() {
        return visit([](auto& driver) { return driver.make_alarm(); });
    }
    void set_alarm(std::chrono::nanoseconds delay) noexcept {
        visit([&](auto& driver) { driver.set_alarm(delay); });
    }
    [[nodiscard]] int native_handle() const noexcept {
        if (const auto* const own = std::get_if<epoll>(&driver_)) return own->native_handle();
#if EDDY_HAS_KQUEUE
        if (const auto* const own = std::get_if<std::unique_ptr<kqueue_driver>>(&driver_)) {
            return (*own)->native_handle();
        }
#endif
        return poll_driver::native_handle();
    }
    void close() noexcept {
        visit([](auto& driver) { driver.close(); });
    }

    /// Returns the driver if it must be told which conditions were cleared, else null.
    [[nodiscard]] rearming_driver* rearming() const noexcept {
        const auto* const own = std::get_if<std::unique_ptr<poll_driver>>(&driver_);
        return own != nullptr ? own->get() : nullptr;
    }
    /// Returns the epoll that a ring runs beside.
    /// Preconditions: it was made for io_uring.
    [[nodiscard]] epoll& beside_ring() noexcept { return *std::get_if<epoll>(&driver_); }
    [[nodiscard]] const epoll& beside_ring() const noexcept { return *std::get_if<epoll>(&driver_); }

private:
#if EDDY_HAS_KQUEUE
    using either = std::variant<epoll, std::unique_ptr<poll_driver>, std::unique_ptr<kqueue_driver>>;
#else
    using either = std::variant<epoll, std::unique_ptr<poll_driver>>;
#endif

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
