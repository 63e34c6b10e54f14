// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

namespace eddy::sys {

/// Asks the system for the addresses of a host, and waits for the answer: for seconds, if need be. Maybe none.
/// Errors: those of resolver_error().
[[nodiscard]] result<std::vector<net::socket_addr>> resolve(const std::string& host, std::uint16_t port);

/// What getaddrinfo(3) returned, as an error code. To be called right after it, since EAI_SYSTEM stands for errno.
[[nodiscard]] std::error_code resolver_error(int code) noexcept;

[[nodiscard]] const std::error_category& resolver_category() noexcept;

}  // namespace eddy::sys
