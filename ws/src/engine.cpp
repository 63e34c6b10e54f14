// SPDX-License-Identifier: MIT
#include "engine.hpp"

#include <algorithm>
#include <cstdint>
#include <new>
#include <utility>

#include <eddy/detail/free_memory.hpp>
#include <eddy/detail/utf8.hpp>
#include <eddy/error.hpp>

namespace eddy::detail {

constexpr std::size_t least_compressed = 64;  // bytes; shorter messages are not compressed

static ws_opcode opcode_of(const ws::message& message) noexcept {
    return message.is_text() ? ws_opcode::text : ws_opcode::binary;
}

ws_engine::ws_engine(const ws_parameters& with)
    : reader_(with.role),
      incoming_(with.message_limit, with.overhead_limit, with.compression),
      writer_(with.role),
      may_compress_(with.compression.has_value()),
      deflater_(with.compression.value_or(deflate_parameters()).has_own_takeover,
                with.compression.value_or(deflate_parameters()).own_window_bits) {}

// ---- Input ----

ws_engine::event ws_engine::receive(std::string_view& input) {
    while (!is_over()) {
        if (incoming_.is_complete()) return event::message;
        if (work_ >= deflate_step) return event::paused;
        if (has_closed() && incoming_.has_work()) {
            incoming_.discard();
        } else if (incoming_.must_inflate()) {
            if (!inflate()) break;
        } else if (incoming_.needs_share()) {
            if (!std::exchange(has_share_, false)) return event::needs_share;
            if (!inflate()) break;
        } else if (incoming_.is_ending()) {
            if (!check(incoming_.end())) break;
        } else if (!read_frame(input)) {
            break;
        }
    }
    if (is_over()) input = {};
    return event::none;
}

ws::message ws_engine::take_message() try { return incoming_.take(); } catch (const std::bad_alloc&) {
    fail(std::make_error_code(std::errc::not_enough_memory));  // the message is lost
    throw;
}

void ws_engine::end_of_input() noexcept {
    if (!is_over()) fail(make_error_code(errc::unexpected_eof));
}

/// Reads the next part of a frame: up to the end of the frame, or up to the next bytes to decompress.
bool ws_engine::read_frame(std::string_view& input) {
    if (!reader_.is_in_payload() && !read_head(input)) return false;
    if (!read_payload(input)) return false;
    if (incoming_.must_inflate()) return true;
    if (reader_.is_control()) {
        end_control();
    } else if (!has_closed()) {
        incoming_.end_frame(reader_.is_final());
    } else if (reader_.is_final()) {
        incoming_.discard_last();
    }
    reader_.end();
    return true;
}

bool ws_engine::read_head(std::string_view& input) {
    while (!reader_.has_head()) {
        if (input.empty()) return false;
        const bool is_second = reader_.add(input.front());
        input.remove_prefix(1);
        if (!is_second) continue;
        if (!reader_.check()) return check(ws::errc::protocol_violation);
        if (!reader_.is_control() && !incoming_.begin(reader_.opcode(), reader_.is_compressed()))
            return check(ws::errc::protocol_violation);
    }
    if (!reader_.begin_payload()) return check(ws::errc::protocol_violation);
    if (reader_.is_control() || has_closed()) return true;
    return check(incoming_.begin_frame(reader_.remaining(), reader_.head_bytes()));
}

/// Reads bytes of the payload. They are removed from `input` after they were stored, in case there is no memory.
bool ws_engine::read_payload(std::string_view& input) {
    while (reader_.remaining() != 0) {
        if (input.empty()) return false;
        auto rest =
            input.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(reader_.remaining(), input.size())));
        const auto before = rest.size();
        if (reader_.is_control()) {
            reader_.mask().append(control_, rest);
            rest = {};
        } else if (has_closed()) {
            rest = {};
        } else if (!check(incoming_.add(rest, reader_.mask()))) {
            return false;
        }
        input.remove_prefix(before - rest.size());
        reader_.take(before - rest.size());
        if (incoming_.must_inflate()) return true;
    }
    return true;
}

/// Takes a control frame. All of it may be repeated if there is no memory for the answer.
void ws_engine::end_control() {
    if (reader_.opcode() == ws_opcode::close) {
        if (!check(closing_.read(control_))) return;
        incoming_.drop();
        close(closing_.peer_code(), "");
        closing_.set_received();
    } else if (reader_.opcode() == ws_opcode::ping && !has_closed()) {
        ping_ = control_;
        if (unsent().size() < most_answers) answer_ping();
    }
    free_memory(control_);
}

/// Fails the connection after a violation. Returns whether there was none.
bool ws_engine::check(std::optional<ws::errc> found) {
    if (!found) return true;
    closing_.fail(make_error_code(*found));  // first, because close() may throw
    drop_messages();
    close(ws_closing::code_of(*found), "");
    return false;
}

void ws_engine::fail(std::error_code why) noexcept {
    if (is_over()) return;
    closing_.fail(why);
    closing_.set_sent();
    drop_messages();
    writer_.drop();
}

// ---- Output ----

std::error_code ws_engine::send(const ws::message& message) {
    if (is_over() || has_closed()) return reason();
    if (message.is_text() && !is_utf8(message.text())) return make_error_code(ws::errc::invalid_text);
    complete_sending();
    if (!may_compress_ || message.text().size() < least_compressed) {
        writer_.write(opcode_of(message), false, message.text());
        return {};
    }
    deflater_.begin(message);
    compress_step();
    return {};
}

void ws_engine::compress_step() {
    try {
        if (!deflater_.step(work_)) return;
        writer_.write(opcode_of(deflater_.message()), true, deflater_.result());
    } catch (...) {
        deflater_.fail();
        throw;
    }
    deflater_.drop();
}

/// Compresses the rest of a message at once, because another message or a Close frame follows.
void ws_engine::complete_sending() {
    while (is_compressing()) compress_step();
}

/// Frees the messages that are neither delivered nor sent.
void ws_engine::drop_messages() noexcept {
    incoming_.drop();
    deflater_.drop();
}

std::error_code ws_engine::ping(std::string_view payload) {
    if (is_over() || has_closed()) return reason();
    writer_.write(ws_opcode::ping, false, payload);
    return {};
}

void ws_engine::answer_ping() {
    if (!ping_ || has_closed()) return;
    writer_.write(ws_opcode::pong, false, *ping_);
    ping_.reset();
}

void ws_engine::close(ws::close_code code, std::string_view reason) {
    if (has_closed()) return;
    const auto payload = ws_closing::payload_of(code, reason);
    complete_sending();
    answer_ping();  // a ping that waits comes first
    writer_.write(ws_opcode::close, false, payload);
    closing_.set_sent();
}

void ws_engine::sent(std::size_t count) {
    if (writer_.sent(count)) answer_ping();
}

}  // namespace eddy::detail
