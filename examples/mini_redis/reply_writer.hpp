// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <eddy/bytes/bytes_mut.hpp>

namespace mini_redis {

/// The version of the protocol that a client has chosen with HELLO. RESP3 has more types; a reply of one of these types
/// is an array or a bulk string in RESP2.
enum class protocol : std::uint8_t { resp2 = 2, resp3 = 3 };

/// Appends replies, or their parts, to a buffer.
/// Lifetime: the buffer must outlive the writer.
class reply_writer {
public:
    explicit reply_writer(eddy::bytes_mut& into, protocol version = protocol::resp2) noexcept
        : into_(&into), version_(version) {}

    void status(std::string_view text) { line('+', text); }
    /// Writes an error. `text` begins with the kind, as in "ERR syntax error". Line breaks are replaced by blanks.
    void error(std::string_view text);
    void integer(std::int64_t value) { number(':', value); }
    void bulk(std::string_view bytes);
    /// Writes a text for humans.
    void verbatim(std::string_view text);
    void nil() { literal(is_resp3() ? "_\r\n" : "$-1\r\n"); }
    /// Writes the absence of an array.
    void nil_array() { literal(is_resp3() ? "_\r\n" : "*-1\r\n"); }
    /// Writes an array header. `count` replies must follow.
    void array(std::size_t count) { header('*', count); }
    /// Writes the header of a map. `count` keys must follow, each with its value.
    void map(std::size_t count) { is_resp3() ? header('%', count) : header('*', count * 2); }
    /// Writes the header of a set. `count` replies must follow.
    void set(std::size_t count) { header(is_resp3() ? '~' : '*', count); }
    /// Writes the header of a message that is not a reply to a request. `count` replies must follow.
    void push(std::size_t count) { header(is_resp3() ? '>' : '*', count); }
    /// Appends text that is already encoded.
    void literal(std::string_view text);

    [[nodiscard]] bool is_resp3() const noexcept { return version_ == protocol::resp3; }
    /// Changes the version for the replies that follow.
    void use(protocol version) noexcept { version_ = version; }

private:
    void line(char type, std::string_view text);
    void number(char type, std::int64_t value);
    void header(char type, std::size_t count) { number(type, static_cast<std::int64_t>(count)); }

    eddy::bytes_mut* into_;
    protocol version_;
};

}  // namespace mini_redis
