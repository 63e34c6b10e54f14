// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include <eddy/http/detail/h1_head.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/status.hpp>

// The heads of HTTP/1.1, parsed and written: the first line of a message and its header fields (RFC 9112).
//
// eddy has its own parser and does not use llhttp, for three reasons. Debian 12 has llhttp only as C sources inside of
// a package for Node. Its strict mode has accepted a bare LF (nodejs/llhttp#877), so a strict layer would be necessary
// anyway. And it reports fragments of a head, although a connection of eddy has the whole head in one buffer.
//
// The parser refuses messages that two implementations could understand differently (request smuggling). These have a
// bare LF, white space before a colon, or control bytes. Or they have several or malformed Content-Length or
// Transfer-Encoding fields, or both together. Folded lines are refused in requests, and unfolded in responses.

namespace eddy::http::h1 {
struct limits;
}  // namespace eddy::http::h1

namespace eddy::detail {

// ---- Parsing ----

/// The result of parse_request_head() for a head that is not refused. There is no std::optional of a status, because
/// its two parts are written one after the other, and a move that reads them together then waits for both.
inline constexpr http::status accepted{0};

/// Parses a head. Returns `accepted`, or the status with which the server refuses the request.
/// Preconditions: `head` ends with an empty line, which may also belong to bytes after the head.
[[nodiscard]] http::status parse_request_head(std::string_view head, const http::h1::limits& limits,
                                              request_head& into);
/// Returns whether `text` can be the beginning of a response. A server of another protocol may wait for the client
/// after its first line, so the end of a head would never arrive.
[[nodiscard]] bool may_be_response(std::string_view text) noexcept;
/// Parses the head of the response to a request with the method `asked`. Returns whether it is valid.
[[nodiscard]] bool parse_response_head(std::string_view head, const http::h1::limits& limits, http::method asked,
                                       response_head& into);
/// Parses the head of the response to CONNECT. Ignores the fields that announce a body, because a client must do so
/// (RFC 9110, section 9.3.6). Returns whether it is valid.
[[nodiscard]] bool parse_tunnel_head(std::string_view head, const http::h1::limits& limits, response_head& into);

// ---- Writing ----

/// The properties of a request that determine the head of its response.
struct response_context {
    http::method asked = http::method::get;           // the method of the request
    http::version version = http::version::http_1_1;  // the version of the client
    bool keeps_alive = true;

    response_context() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// Appends the head of a response to `out`, and returns how its body is sent. Clears `keeps_alive` if the response has
/// "Connection: close", or if only the end of the connection can delimit the body.
body_framing write_response_head(std::string& out, const http::response& from, response_context& context);

/// Appends the head of a response 101, whose headers have the name of the new protocol in Upgrade.
void write_switching_head(std::string& out, const http::response& from);

/// Appends the head of a request to `out`, and returns how its body is sent. `authority` is the value of Host.
body_framing write_request_head(std::string& out, const http::request& from, std::string_view authority,
                                bool asks_for_upgrade = false);

}  // namespace eddy::detail
