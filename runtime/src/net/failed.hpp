// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <utility>

#include <eddy/error/any_error.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/to_socket_addrs.hpp>

// Errors that name their object: "connect to localhost:80: last of 2 attempts, 127.0.0.1:80: Connection refused".

namespace eddy::net {

/// Returns the error of an operation, such as "connect to", on `object`: a text, or an address.
[[nodiscard]] inline std::unexpected<any_error> failed(const char* operation, const std::string& object,
                                                       any_error why) {
    return std::unexpected(std::move(why).context(std::string(operation) + ' ' + object));
}
template <class Object>
[[nodiscard]] std::unexpected<any_error> failed(const char* operation, const Object& object, any_error why) {
    return failed(operation, object.to_string(), std::move(why));
}

/// Returns the error of the last of `count` attempts, which was for `at`, an address of `asked`.
[[nodiscard]] inline any_error failed_attempt(const lookup_request& asked, std::size_t count, const socket_addr& at,
                                              any_error why) {
    if (count != 1) return std::move(why).context("last of " + std::to_string(count) + " attempts, " + at.to_string());
    return asked.is_name() ? std::move(why).context(at.to_string()) : why;
}

}  // namespace eddy::net
