// SPDX-License-Identifier: MIT
#include <cstddef>
#include <string>
#include <string_view>

#include "engine.hpp"
#include "fuzz/targets.hpp"
#include "support/ws/ws_frames.hpp"

namespace fuzz {
namespace {

using eddy::detail::ws_engine;
using eddy::detail::ws_parameters;
using eddy::detail::ws_role;

/// Checks that no frame is incomplete, and that no frame follows a Close frame.
void check_sent(std::string_view sent) {
    require(sent.find("incomplete") == std::string_view::npos, "an incomplete frame is sent");
    const auto close = sent.find("close ");
    require(close == std::string_view::npos || sent.find(" | ", close) == std::string_view::npos,
            "a frame follows a Close frame");
}

/// Checks that a message that one side sends arrives at the other side.
void check_round_trip(std::string_view content, std::size_t step, ws_parameters with) {
    with.role = ws_role::client;
    ws_engine client(with);
    with.role = ws_role::server;
    with.message_limit = content.size();
    ws_engine server(with);
    const eddy::ws::message message(eddy::bytes::copy_of(content));
    for (int i = 0; i < 2; ++i) {  // if compressed, the second message may refer to bytes of the first one
        require(!client.send(message), "a message is not sent");
        while (client.is_compressing()) client.compress_step();
        std::string sent(client.unsent());
        client.sent(sent.size());
        std::string_view left = sent;
        bool has_arrived = false;
        while (!left.empty()) {
            auto piece = left.substr(0, step);
            left.remove_prefix(piece.size());
            auto got = server.receive(piece);
            for (; got == ws_engine::event::paused || got == ws_engine::event::needs_share;
                 got = server.receive(piece)) {
                static_cast<void>(server.take_work());
                server.permit_step();
            }
            if (got == ws_engine::event::message) has_arrived = server.take_message() == message;
        }
        require(has_arrived, "a message does not arrive");
    }
}

}  // namespace

void ws_frames(input bytes) {
    decisions from(bytes);
    const std::size_t step = 1 + from.up_to(30);
    const auto kind = from.up_to(7);
    ws_parameters with;
    with.role = (kind & 1) != 0 ? ws_role::client : ws_role::server;
    if ((kind & 2) != 0) {
        with.compression.emplace();
        with.compression->has_peer_takeover = with.compression->has_own_takeover = (kind & 4) != 0;
    }
    with.message_limit = from.up_to(255) * 8;
    with.overhead_limit = 14 + from.up_to(9) * 4;  // a message in one frame is always permitted
    const auto all = from.rest();
    const auto outcome = support::ws_receive(all, step, with);
    require(outcome == support::ws_receive(all, all.size() + 1, with), "the pieces change what is received");
    check_sent(outcome.sent);
    check_round_trip(all, step, with);
}

}  // namespace fuzz
