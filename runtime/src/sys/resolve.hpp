// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

namespace eddy::sys {

/// Asks the system for the addresses of a host. Blocks until it answers, possibly for seconds. The result may be empty.
/// Errors: the errors of resolver_error().
[[nodiscard]] result<std::vector<net::socket_addr>> resolve(const std::string& host, std::uint16_t port);

/// Converts the result of getaddrinfo(3) to an error code. Call it immediately afterwards, since EAI_SYSTEM refers to
/// errno.
[[nodiscard]] std::error_code resolver_error(int code) noexcept;

/// The category of the errors of getaddrinfo(3).
[[nodiscard]] const std::error_category& resolver_category() noexcept;

}  // namespace eddy::sys
