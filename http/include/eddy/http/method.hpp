// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string_view>

#include <eddy/detail/export.hpp>

namespace eddy::http {

/// The method of a request (RFC 9110, section 9; PATCH: RFC 5789; QUERY: draft-ietf-httpbis-safe-method-w-body).
enum class method : unsigned char {
    get,      ///< returns the resource
    head,     ///< same as get, without the body
    post,     ///< processes the body
    put,      ///< replaces the resource by the body
    delete_,  ///< removes the resource
    options,  ///< describes what the server supports
    trace,    ///< returns the request itself
    patch,    ///< changes the resource
    query,    ///< returns what the body asks for, and changes nothing
};

/// Returns the name of a method, for example "GET".
[[nodiscard]] EDDY_API std::string_view to_string(method of) noexcept;

/// Returns the method with this name, or nullopt if there is none. Names are case-sensitive.
[[nodiscard]] EDDY_API std::optional<method> method_of(std::string_view name) noexcept;

}  // namespace eddy::http
