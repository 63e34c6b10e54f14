// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>

#include <eddy/task/task.hpp>

#include "support/net.hpp"

namespace support {

/// Reads at most 64 bytes once. Returns the bytes, or the error message.
template <class Reader>
eddy::task<std::string> read_some(Reader& reader) {
    std::array<std::byte, 64> into{};
    const auto count = co_await reader.read(into);
    if (!count) co_return "error: " + count.error().message();
    co_return text_of(std::span(into).first(*count));
}

/// Receives a datagram of at most 64 bytes. Returns the bytes, or the error message.
template <class Socket>
eddy::task<std::string> recv_some(Socket& socket) {
    std::array<std::byte, 64> into{};
    const auto count = co_await socket.recv(into);
    if (!count) co_return "error: " + count.error().message();
    co_return text_of(std::span(into).first(*count));
}

}  // namespace support
