// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <eddy/http/headers.hpp>
#include <eddy/http/request.hpp>

// The heads of HTTP/1.1, as the engines of h1.hpp keep them.

namespace eddy::detail {

/// The way in which the body of a message is delimited.
struct body_framing {
    enum class kind : unsigned char { none, length, chunked, until_end };

    kind is = kind::none;
    std::uint64_t length = 0;  // if `is` is length

    body_framing() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    body_framing(kind which, std::uint64_t size) noexcept : is(which), length(size) {}
};

/// Finds the end of a head in a window that grows.
///
///     incomplete: read more, and scan() again with a window that begins with the same bytes
///     complete:   begin() and end() delimit the head, which ends with an empty line
///     malformed:  a line does not end with CR LF, or the first byte cannot begin a message
///     line_too_long, too_large:  the first line, or the whole head, exceeds the limit
class head_scanner {
public:
    enum class [[nodiscard]] outcome : unsigned char { incomplete, complete, malformed, line_too_long, too_large };

    outcome scan(std::string_view window, std::size_t limit) noexcept;
    /// Returns whether scan() was not called, or has found nothing yet.
    [[nodiscard]] bool is_new() const noexcept { return seen_ == 0 && line_ == 0; }
    [[nodiscard]] std::size_t begin() const noexcept { return begin_; }
    [[nodiscard]] std::size_t end() const noexcept { return line_; }

private:
    std::size_t begin_ = 0;  // the start of the message, after an empty line that may precede it
    std::size_t line_ = 0;   // the start of the line whose end was not found yet
    std::size_t seen_ = 0;   // the bytes from line_ to here contain no LF
    bool has_line_ = false;  // the first line has ended
};

/// The properties of a message that follow from its head.
struct message_head {
    body_framing framing;
    bool keeps_alive = true;  // the connection may be used for another message

    message_head() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};
/// The head of a request. It is the request itself, without a body, so that nothing is moved when the head is complete.
/// The target is in origin form, or "*".
struct request_head : http::request, message_head {
    bool expects_continue = false;
    bool asks_for_upgrade = false;  // it has the field Upgrade, and "Connection: Upgrade"
    std::size_t size = 0;           // of the head, in bytes

    request_head() noexcept : request(empty_target()) {}
};
struct response_head : message_head {
    http::version version = http::version::http_1_1;
    http::headers headers;
    int status = 0;

    response_head() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

}  // namespace eddy::detail
