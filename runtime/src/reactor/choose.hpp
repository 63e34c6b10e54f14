// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/result.hpp>
#include <eddy/runtime/reactor.hpp>

#include "reactor/ring/ring_support.hpp"

namespace eddy::detail {

/// The driver that an event loop or a runtime uses, and the reason for the choice.
struct driver_choice {
    driver_kind kind;      ///< never `automatic`
    std::string_view why;  ///< a literal that starts with the name of the driver
    bool may_be_epoll;     ///< whether epoll may replace a driver that cannot be created
};

/// Returns the driver to use: `wanted` if it is set, else the driver that the environment variable EDDY_DRIVER names,
/// else the default of the system: epoll, kqueue or afd. (`automatic` prefers io_uring. It is not the default.)
/// Errors: errc::unknown_driver if EDDY_DRIVER has an unknown name, or names a driver that this system does not
/// have; if io_uring was requested by name and is not available, the kernel's error.
/// Cost: one getenv(3). If io_uring is a candidate, see ring_support().
[[nodiscard]] result<driver_choice> choose_driver(std::optional<driver_kind> wanted) noexcept;

/// Returns the driver of a reactor, which cannot use a ring: poll or kqueue if EDDY_DRIVER names it, else the
/// default of the system.
[[nodiscard]] driver_kind readiness_driver_here() noexcept;

/// Makes the decision of choose_driver() from explicit inputs: `named` is the value of EDDY_DRIVER, and `ask` stands
/// for ring_support(). Calls `ask` only if io_uring is a candidate: a system that forbids io_uring may log each
/// attempt.
[[nodiscard]] result<driver_choice> decide_driver(std::optional<driver_kind> wanted, std::string_view named,
                                                  ring_answer (*ask)() noexcept) noexcept;

/// Returns the choice after `refused` could not be created because of `error`: epoll, if that is allowed. A ring can
/// fail although choose_driver() has checked for it: the check creates one small ring, but a full-size ring, or one
/// ring per worker, may exceed RLIMIT_MEMLOCK.
/// Errors: `error`, if epoll must not replace the driver.
[[nodiscard]] result<driver_choice> choose_after(const driver_choice& refused, const std::error_code& error) noexcept;

/// Returns the text of an exception for `error`: `maker`, the value of EDDY_DRIVER if it is set, and if that is
/// io_uring, the reason why no ring is available.
[[nodiscard]] std::string with_driver_asked_for(std::string_view maker, const std::error_code& error);

/// Chooses a driver and calls `make(kind)`, which creates all drivers of an event loop or a runtime, or none. If `make`
/// fails, tries again with epoll where that is allowed.
/// Errors: see choose_driver() and choose_after().
template <class Make>
[[nodiscard]] result<driver_choice> choose_and_make(std::optional<driver_kind> wanted, Make make) {
    auto choice = choose_driver(wanted);
    while (choice) {
        const result<void> made = make(choice->kind);
        if (made) break;
        choice = choose_after(*choice, made.error());
    }
    return choice;
}

}  // namespace eddy::detail
