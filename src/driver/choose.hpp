// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/reactor.hpp>
#include <eddy/result.hpp>

#include "driver/ring_support.hpp"

namespace eddy::detail {

/// Which driver a loop or a runtime uses, and why, in a sentence.
struct driver_choice {
    driver_kind kind;      ///< never `automatic`
    std::string_view why;  ///< a literal; begins with the name of the driver
    bool may_be_epoll;     ///< if it cannot be made after all
};

/// `wanted` if there is one, else what the environment's EDDY_DRIVER names, else epoll. (Not the best there is, until
/// io_uring has been found to be better.) Errors: unknown_driver; for io_uring that was asked for by name, why there
/// can be no ring.
[[nodiscard]] result<driver_choice> choose_driver(std::optional<driver_kind> wanted) noexcept;

/// The decision alone: `named` stands for EDDY_DRIVER, and `ask` for ring_support(), which is called only if io_uring
/// comes into question: where it is forbidden, the attempt may be logged.
[[nodiscard]] result<driver_choice> decide_driver(std::optional<driver_kind> wanted, std::string_view named,
                                                  ring_answer (*ask)() noexcept) noexcept;

/// After what was chosen could not be made because of `error`: epoll in its place. (One ring was had, when the driver
/// was chosen, but a larger one, or one for each worker, may be more memory than the process may lock.) Errors:
/// `error`, if epoll was not to be taken in its place.
[[nodiscard]] result<driver_choice> choose_after(const driver_choice& refused, const std::error_code& error) noexcept;

/// For the text of an exception with that `error`: `maker`, what EDDY_DRIVER says, if anything, and why that driver
/// cannot be had.
[[nodiscard]] std::string with_driver_asked_for(std::string_view maker, const std::error_code& error);

/// Chooses, and calls `make` with the kind, which makes all drivers of a loop or a runtime, or none.
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
