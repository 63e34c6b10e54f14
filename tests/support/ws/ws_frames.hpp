// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine.hpp"

// Builds WebSocket frames, and describes the messages and frames that eddy::ws produces from received bytes.

namespace support {

/// The first bytes of frames: FIN and an opcode.
inline constexpr unsigned ws_text = 0x81;
inline constexpr unsigned ws_binary = 0x82;
inline constexpr unsigned ws_close = 0x88;
inline constexpr unsigned ws_ping = 0x89;
inline constexpr unsigned ws_pong = 0x8a;
inline constexpr unsigned ws_more = 0x80;  // the last frame of a fragmented message
/// FIN, which only the last frame of a message has, and RSV1, which marks a compressed message.
inline constexpr unsigned ws_fin = 0x80;
inline constexpr unsigned ws_rsv1 = 0x40;

/// Returns the length of a frame as its second byte and up to 8 further ones. `mask_bit` is 0x80 or 0.
inline std::string ws_length(std::uint64_t size, unsigned mask_bit, unsigned extended) {
    std::string text;
    const unsigned field = extended == 0 ? static_cast<unsigned>(size) : extended == 2 ? 126 : 127;
    text += static_cast<char>(mask_bit | field);
    for (unsigned i = extended; i > 0; --i) text += static_cast<char>(size >> 8 * (i - 1));
    return text;
}

/// Returns a frame of a client, or a frame of a server if `is_masked` is false.
inline std::string ws_frame(unsigned first, std::string_view payload, bool is_masked = true) {
    std::string text(1, static_cast<char>(first));
    const unsigned extended = payload.size() < 126 ? 0 : payload.size() <= 0xffff ? 2 : 8;
    text += ws_length(payload.size(), is_masked ? 0x80 : 0, extended);
    if (!is_masked) return text.append(payload);
    constexpr std::array<unsigned char, 4> mask{0x37, 0xfa, 0x21, 0x3d};
    for (const auto byte : mask) text += static_cast<char>(byte);
    for (std::size_t i = 0; i < payload.size(); ++i)
        text += static_cast<char>(static_cast<unsigned char>(payload[i]) ^ mask[i % 4]);
    return text;
}

/// Returns the payload of a Close frame.
inline std::string ws_close_payload(unsigned code, std::string_view reason = "") {
    std::string text;
    text += static_cast<char>(code >> 8);
    text += static_cast<char>(code & 0xff);
    return text.append(reason);
}

/// Describes the frames of one side, for example `text "hello" | close 1000`.
inline std::string describe_frames(std::string_view all) {
    std::string text;
    while (!all.empty()) {
        if (!text.empty()) text += " | ";
        const auto byte = [&](std::size_t i) { return i < all.size() ? static_cast<unsigned char>(all[i]) : 0u; };
        const unsigned first = byte(0);
        const unsigned field = byte(1) & 0x7f;
        const bool is_masked = (byte(1) & 0x80) != 0;
        std::size_t at = 2;
        std::uint64_t size = field;
        if (field >= 126) {
            size = 0;
            for (const std::size_t end = at + (field == 126 ? 2 : 8); at < end; ++at) size = size << 8 | byte(at);
        }
        const std::size_t mask = at;
        if (is_masked) at += 4;
        if (at + size > all.size()) return text + "incomplete";
        std::string payload(all.substr(at, size));
        if (is_masked)
            for (std::size_t i = 0; i < payload.size(); ++i)
                payload[i] = static_cast<char>(static_cast<unsigned char>(payload[i]) ^ byte(mask + i % 4));
        all.remove_prefix(at + size);
        if (first == ws_close) {
            text += "close";
            if (payload.size() >= 2)
                text += ' ' + std::to_string(static_cast<unsigned char>(payload[0]) * 256 +
                                             static_cast<unsigned char>(payload[1]));
            if (payload.size() > 2) text += " \"" + payload.substr(2) + '"';
            continue;
        }
        text += first == ws_text     ? "text"
                : first == ws_binary ? "binary"
                : first == ws_ping   ? "ping"
                : first == ws_pong   ? "pong"
                                     : "frame " + std::to_string(first);
        text += " \"" + payload + '"';
    }
    return text;
}

/// The result of ws_receive().
struct ws_outcome {
    std::string received;  // the messages, and how the connection has ended
    std::string sent;      // the frames that were sent

    friend bool operator==(const ws_outcome&, const ws_outcome&) = default;
};

/// Compresses a message.
inline std::string ws_compress(eddy::detail::ws_deflater& with, std::string_view message) {
    std::size_t work = 0;
    with.begin(eddy::ws::message(std::string(message)));
    while (!with.step(work)) continue;
    std::string made(with.result());
    with.drop();
    return made;
}

/// Passes `all` to a ws_engine in pieces of `step` bytes, and then the end of the connection.
inline ws_outcome ws_receive(std::string_view all, std::size_t step, const eddy::detail::ws_parameters& with) {
    using event = eddy::detail::ws_engine::event;
    eddy::detail::ws_engine engine(with);
    ws_outcome outcome;
    std::string sent;
    while (!all.empty()) {
        auto piece = all.substr(0, step);
        all.remove_prefix(piece.size());
        for (auto got = event::message; got != event::none;) {
            got = engine.receive(piece);
            static_cast<void>(engine.take_work());
            if (got == event::needs_share) engine.permit_step();
            if (got == event::message) {
                const auto message = engine.take_message();
                outcome.received.append(message.is_text() ? "text \"" : "binary \"").append(message.text());
                outcome.received += "\" | ";
            }
            sent += engine.unsent();
            engine.sent(engine.unsent().size());
        }
    }
    if (engine.has_peer_closed()) {
        outcome.received += "closed " + std::to_string(static_cast<unsigned>(engine.peer_code()));
        if (!engine.peer_reason().empty()) outcome.received += " \"" + engine.peer_reason() + '"';
    } else {
        engine.end_of_input();
        outcome.received += engine.reason().message();
    }
    outcome.sent = describe_frames(sent);
    return outcome;
}

}  // namespace support
