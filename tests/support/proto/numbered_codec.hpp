// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <system_error>

#include <eddy/bytes.hpp>
#include <eddy/proto.hpp>
#include <eddy/result.hpp>

namespace support {

/// A codec for messages that consist of a number (4 bytes), a size (1 byte) and a text. A text that begins with '!'
/// cannot be encoded: the error is std::errc::io_error.
struct numbered_codec {
    using message = eddy::proto::numbered<std::string>;

    eddy::result<std::optional<message>> decode(eddy::bytes_mut& from) {
        const auto bytes = from.chunk();
        if (bytes.size() < 5 || bytes.size() < 5 + std::to_integer<std::size_t>(bytes[4]))
            return std::optional<message>();
        const auto id = from.get_u32();
        const auto size = from.get_u8();
        const auto text = from.split_to(size);
        return std::optional(message(id, std::string(text.text())));
    }
    eddy::result<void> encode(const message& one, eddy::bytes_mut& into) {
        if (one.body.starts_with('!')) return std::unexpected(std::make_error_code(std::errc::io_error));
        into.put_u32(static_cast<std::uint32_t>(one.id));
        into.put_u8(static_cast<std::uint8_t>(one.body.size()));
        into.put(one.body);
        return {};
    }
};

}  // namespace support
