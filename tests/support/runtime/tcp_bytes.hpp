// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <eddy/net/tcp_stream.hpp>
#include <eddy/task/task.hpp>

#include "support/net.hpp"

// Test data for TCP streams.

namespace support {

/// Returns bytes whose period is not a multiple of any buffer size.
inline std::string pattern(std::size_t size, unsigned seed = 1) {
    std::string made(size, '\0');
    std::uint32_t state = seed;
    for (char& c : made) {
        state = state * 1664525u + 1013904223u;
        c = static_cast<char>(state >> 24);
    }
    return made;
}

/// Reads until the stream ends, and returns all bytes.
inline eddy::task<std::string> read_to_end(eddy::net::tcp_stream& stream, std::size_t at_once = 4096) {
    std::string got;
    std::vector<std::byte> buffer(at_once);
    for (;;) {
        const auto count = co_await stream.read(buffer);
        if (!count || *count == 0) co_return got;
        got += text_of(std::span(buffer).first(*count));
    }
}

}  // namespace support
