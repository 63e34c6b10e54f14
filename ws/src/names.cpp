// SPDX-License-Identifier: MIT
#include <eddy/ws/error.hpp>

#include <string>

#include <eddy/ws/message.hpp>

EDDY_LIBRARY(ws)

namespace eddy::ws {
namespace {

const char* text_of(errc code) noexcept {
    switch (code) {
    case errc::closed: return "the WebSocket is closed";
    case errc::protocol_violation: return "the peer violates the WebSocket protocol";
    case errc::invalid_text: return "a text message is not valid UTF-8";
    case errc::invalid_compression: return "the peer's compressed message is invalid";
    case errc::message_too_large: return "the message is larger than its limit";
    case errc::too_many_frames: return "the heads of the frames of a message are larger than overhead_limit()";
    case errc::upgrade_refused: return "the server does not accept the WebSocket";
    case errc::bad_handshake: return "the server's response to the request for a WebSocket is invalid";
    case errc::bad_url:
        return "not a URL of a WebSocket: write it as ws://host/path or wss://host:port/path, without a user name";
    }
    return "unknown WebSocket error";
}

class category final : public std::error_category {
public:
    const char* name() const noexcept override { return "eddy.ws"; }
    std::string message(int code) const override { return text_of(static_cast<errc>(code)); }
    std::error_condition default_error_condition(int code) const noexcept override {
        switch (static_cast<errc>(code)) {
        case errc::protocol_violation:
        case errc::invalid_text:
        case errc::invalid_compression:
        case errc::bad_handshake: return std::errc::bad_message;
        case errc::message_too_large:
        case errc::too_many_frames: return std::errc::message_size;
        case errc::bad_url: return std::errc::invalid_argument;
        default: return {code, *this};
        }
    }
};

}  // namespace

const std::error_category& error_category() noexcept {
    static const category instance;
    return instance;
}

std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), error_category()}; }

}  // namespace eddy::ws
