// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include <eddy/net.hpp>
#include <eddy/task.hpp>

#include "support/net.hpp"

// Handlers and clients of eddy::net::serve().

namespace support {

/// Sends back all bytes of a connection.
template <class Stream>
eddy::task<void> echo(Stream stream) {
    while (auto data = co_await stream.receive()) {
        if (data->empty()) break;
        if (!co_await stream.write_all(*data)) break;
    }
}

/// Connects to `to`, sends a byte, and returns whether the server has echoed the byte.
inline eddy::task<bool> ask(eddy::net::socket_addr to) {
    auto stream = co_await eddy::net::tcp_stream::connect(to);
    if (!stream || !co_await stream->write_all(bytes_of("x"))) co_return false;
    std::array<std::byte, 1> back{};
    const auto read = co_await stream->read_exact(back);
    co_return read.has_value();
}

}  // namespace support
