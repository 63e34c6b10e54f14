// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <system_error>

#include <eddy/detail/export.hpp>

namespace eddy::ws {

/// The errors of eddy::ws, in addition to the connection's. `error.message()` explains each of them.
enum class errc {
    closed = 1,           ///< the WebSocket was closed with a closing handshake; see connection::peer_close()
    protocol_violation,   ///< the peer violates RFC 6455; equals std::errc::bad_message
    invalid_text,         ///< a text is not valid UTF-8; equals std::errc::bad_message
    invalid_compression,  ///< the peer's compressed data is invalid; equals std::errc::bad_message
    message_too_large,    ///< a message exceeds options::message_limit(); equals std::errc::message_size
    too_many_frames,      ///< a message exceeds options::overhead_limit(); equals std::errc::message_size
    upgrade_refused,      ///< the server answered the request of connect() with another status than 101
    bad_handshake,        ///< the server's response to connect() violates RFC 6455; equals std::errc::bad_message
    bad_url,              ///< the text is not a ws or wss URL; equals std::errc::invalid_argument
};

/// Returns the error category of ws::errc. Its name is "eddy.ws".
[[nodiscard]] EDDY_API const std::error_category& error_category() noexcept;

/// Makes an error code of the category error_category(). Thus ws::errc converts to std::error_code.
[[nodiscard]] EDDY_API std::error_code make_error_code(errc code) noexcept;

/// The codes of Close frames (RFC 6455, section 7.4). Applications may use the codes from 3000 to 4999:
/// `close_code(4000)`.
enum class close_code : std::uint16_t {
    normal = 1000,             ///< the purpose of the connection was fulfilled
    going_away = 1001,         ///< the server shuts down, or the browser leaves the page
    protocol_error = 1002,     ///< the peer violates the protocol
    unsupported_data = 1003,   ///< the kind of the message is not supported
    none = 1005,               ///< the Close frame had no code; never sent
    invalid_data = 1007,       ///< a message is not what its kind promises, for example invalid UTF-8
    policy_violation = 1008,   ///< a message violates a policy
    message_too_large = 1009,  ///< a message is too large
    extension_missing = 1010,  ///< the server did not negotiate an extension that the client needs
    internal_error = 1011,     ///< the server has failed
    service_restart = 1012,    ///< the service restarts
    try_again_later = 1013,    ///< the service is overloaded
    bad_gateway = 1014,        ///< a gateway got an invalid response
};

}  // namespace eddy::ws

/// Makes ws::errc convertible to std::error_code.
template <>
struct std::is_error_code_enum<eddy::ws::errc> : std::true_type {};
