// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <eddy/bytes/bytes_mut.hpp>

namespace mini_redis {

/// Appends replies, or their parts, to a buffer.
/// Lifetime: the buffer must outlive the writer.
class reply_writer {
public:
    explicit reply_writer(eddy::bytes_mut& into) noexcept : into_(&into) {}

    void status(std::string_view text) { line('+', text); }
    /// Writes an error. `text` begins with the kind, as in "ERR syntax error". Line breaks are replaced by blanks.
    void error(std::string_view text);
    void integer(std::int64_t value) { number(':', value); }
    void bulk(std::string_view bytes);
    void nil() { literal("$-1\r\n"); }
    /// Writes an array header. `count` replies must follow.
    void array(std::size_t count) { number('*', static_cast<std::int64_t>(count)); }
    /// Appends text that is already encoded.
    void literal(std::string_view text);

private:
    void line(char type, std::string_view text);
    void number(char type, std::int64_t value);

    eddy::bytes_mut* into_;
};

}  // namespace mini_redis
