// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include <eddy/http/request.hpp>
#include <eddy/http/status.hpp>

// Conditional requests (RFC 9110, section 13) and requests for a range of bytes (section 14).

namespace eddy::detail {

/// Returns whether Last-Modified names one version only: RFC 9110, section 8.8.2.2. A file that has changed may change
/// again within the same second. So the last change of the file, of its contents or of what is known about it, must be
/// a minute ago, as Apache requires. The minute covers the difference between the clocks of two computers.
[[nodiscard]] constexpr bool is_strong_date(std::int64_t modified, std::int64_t changed, std::int64_t now) noexcept {
    return modified <= now - 60 && changed <= now - 60;
}

/// The current representation of a resource, as conditions and ranges refer to it.
struct representation {
    std::string etag;           // a strong one, with its quotation marks
    std::int64_t modified = 0;  // in seconds since 1970
    std::uint64_t size = 0;
    bool has_strong_date = false;  // see is_strong_date()

    representation(std::string tag, std::int64_t seconds, std::uint64_t bytes, bool is_date_strong)
        : etag(std::move(tag)), modified(seconds), size(bytes), has_strong_date(is_date_strong) {}
};

/// The part of a representation that is the answer to a request, and the status:
///
///     200, 206   these bytes
///     304, 412   a condition is not met: no bytes
///     416        the range begins behind the end
struct selected_part {
    http::status status = http::status::ok;
    std::uint64_t begin = 0;
    std::uint64_t count = 0;

    selected_part(http::status outcome, std::uint64_t from, std::uint64_t bytes) noexcept
        : status(outcome), begin(from), count(bytes) {}
};

/// Evaluates If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since, If-Range and Range, in this order of
/// precedence. A field that is not valid is ignored, and so is a request for several ranges. With a date that is not
/// strong, If-Range is not met, and If-Unmodified-Since gets no part: the client may have a part of another version.
[[nodiscard]] selected_part select_part(const http::request& asked, const representation& of);

}  // namespace eddy::detail
