// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string_view>

#include <eddy/http/body.hpp>
#include <eddy/http/headers.hpp>

namespace eddy::detail {

/// The maximum number of bytes of the trailer fields of a received body.
inline constexpr std::size_t max_trailer_bytes = 8 * 1024;

/// Returns whether a field may be a trailer field. Fields that determine the framing, the routing, the authentication,
/// the handling or the type of a message are not permitted (RFC 9110, section 6.5.1). A receiver needs them before the
/// body, or has already acted without them.
[[nodiscard]] bool may_be_trailer(std::string_view name) noexcept;

/// Returns the trailer fields of a body that was read to its end, without those that are not permitted.
[[nodiscard]] http::headers trailers_to_send(http::body& of);

}  // namespace eddy::detail
