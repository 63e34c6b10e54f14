// SPDX-License-Identifier: MIT
#include "driver/choose.hpp"

#include <cstdlib>

#include <eddy/error.hpp>

namespace eddy::detail {

result<driver_choice> choose_driver(std::optional<driver_kind> wanted) noexcept {
    if (wanted) return driver_choice{*wanted, "epoll: asked for by the builder"};
    const char* const named = std::getenv("EDDY_DRIVER");  // NOLINT(concurrency-mt-unsafe): read only
    if (named == nullptr || *named == '\0') return driver_choice{};
    if (std::string_view(named) == "epoll") return driver_choice{driver_kind::epoll, "epoll: asked for by EDDY_DRIVER"};
    return std::unexpected(make_error_code(errc::unknown_driver));
}

}  // namespace eddy::detail
