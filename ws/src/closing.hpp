// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/detail/utf8.hpp>
#include <eddy/ws/error.hpp>

namespace eddy::detail {

/// Returns whether a Close frame may have this code.
[[nodiscard]] inline bool is_valid_close_code(std::uint16_t code) noexcept {
    if (code >= 3000) return code <= 4999;
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

/// The end of a connection: the closing handshake, or a failure.
///
///     open ──our Close────────────> closing ──peer's Close──> closed
///      │                               │
///      ├──peer's Close, answered───────┼────────────────────> closed: ws::errc::closed
///      ├──violation, Close with code───┼────────────────────> failed: ws::errc of the violation
///      └──end without a Close frame────┴────────────────────> failed: the error of the connection
///
///     state     members                       input                                  output
///     open                                    is parsed                              takes messages, pings and answers
///     closing   has_sent_                     is parsed; messages are discarded      takes nothing
///     closed    has_sent_, has_received_      is ignored                             takes nothing
///     failed    has_sent_, failure_           is ignored                             takes nothing
class ws_closing {
public:
    /// Returns whether a Close frame was sent, or cannot be sent any more.
    [[nodiscard]] bool has_sent() const noexcept { return has_sent_; }
    void set_sent() noexcept { has_sent_ = true; }
    /// Reads the payload of the peer's Close frame. Returns its violation of the protocol, or nullopt.
    /// Errors: throws std::bad_alloc; then the call can be repeated.
    [[nodiscard]] std::optional<ws::errc> read(std::string_view payload) {
        if (payload.size() == 1) return ws::errc::protocol_violation;
        if (!payload.empty()) {
            const auto code = static_cast<std::uint16_t>(static_cast<unsigned char>(payload[0]) << 8u |
                                                         static_cast<unsigned char>(payload[1]));
            if (!is_valid_close_code(code)) return ws::errc::protocol_violation;
            const auto reason = payload.substr(2);
            if (!is_utf8(reason)) return ws::errc::invalid_text;
            peer_code_ = static_cast<ws::close_code>(code);
            peer_reason_ = reason;
        }
        return {};
    }
    /// The Close frame that was read is answered.
    void set_received() noexcept { has_received_ = true; }
    void fail(std::error_code why) noexcept { failure_ = why; }

    [[nodiscard]] bool is_over() const noexcept { return has_received_ || failure_; }
    [[nodiscard]] bool has_failed() const noexcept { return static_cast<bool>(failure_); }
    [[nodiscard]] std::error_code reason() const noexcept {
        return failure_ ? failure_ : make_error_code(ws::errc::closed);
    }
    [[nodiscard]] bool has_received() const noexcept { return has_received_; }
    [[nodiscard]] ws::close_code peer_code() const noexcept { return peer_code_; }
    [[nodiscard]] const std::string& peer_reason() const noexcept { return peer_reason_; }

    /// Returns the payload of a Close frame.
    [[nodiscard]] static std::string payload_of(ws::close_code code, std::string_view reason) {
        std::string payload;
        if (code == ws::close_code::none) return payload;
        const auto number = static_cast<std::uint16_t>(code);
        payload += static_cast<char>(number >> 8u);
        payload += static_cast<char>(number & 0xffu);
        payload += reason;
        return payload;
    }
    /// Returns the code with which a violation is answered.
    [[nodiscard]] static ws::close_code code_of(ws::errc violation) noexcept {
        switch (violation) {
        case ws::errc::invalid_text:
        case ws::errc::invalid_compression: return ws::close_code::invalid_data;
        case ws::errc::message_too_large: return ws::close_code::message_too_large;
        case ws::errc::too_many_frames: return ws::close_code::policy_violation;
        default: return ws::close_code::protocol_error;
        }
    }

private:
    bool has_sent_ = false;
    bool has_received_ = false;
    ws::close_code peer_code_ = ws::close_code::none;
    std::error_code failure_;
    std::string peer_reason_;
};

}  // namespace eddy::detail
