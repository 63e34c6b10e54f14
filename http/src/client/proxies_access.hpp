// SPDX-License-Identifier: MIT
#pragma once

#include <functional>

#include <eddy/http/proxies.hpp>

namespace eddy::detail {

/// Reads and sets the private part of http::proxies.
struct proxies_access {
    [[nodiscard]] static bool excludes_loopback(const http::proxies& of) noexcept { return of.excludes_loopback_; }
    static void exclude_loopback(http::proxies& in) noexcept { in.excludes_loopback_ = true; }
};

/// Returns http::proxies::from_environment() for an environment in which `variable(name)` returns the value of a
/// variable, or null.
[[nodiscard]] http::proxies proxies_from(const std::function<const char*(const char*)>& variable);

}  // namespace eddy::detail
