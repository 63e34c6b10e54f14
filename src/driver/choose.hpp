// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string_view>

#include <eddy/reactor.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// Which driver a loop or a runtime uses, and why, in a sentence.
struct driver_choice {
    driver_kind kind = driver_kind::epoll;
    std::string_view why = "epoll: the default on Linux";
};

/// `wanted` if there is one, else what the environment's EDDY_DRIVER names, else the best there is.
/// Errors: unknown_driver.
[[nodiscard]] result<driver_choice> choose_driver(std::optional<driver_kind> wanted) noexcept;

}  // namespace eddy::detail
