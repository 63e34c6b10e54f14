// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include <eddy/bytes.hpp>
#include <eddy/bytes_mut.hpp>
#include <eddy/result.hpp>

namespace eddy::codec {

/// No frames at all: bytes as they come, in pieces of any size.
/// The sink of framed::split() takes `bytes`; for text `split<std::string>()`.
class bytes_codec {
public:
    using sent_type = bytes;

    // NOLINTBEGIN(readability-convert-member-functions-to-static): a codec has members
    result<std::optional<bytes_mut>> decode(bytes_mut& from) {
        if (from.empty()) return std::optional<bytes_mut>();
        return std::optional(from.split());
    }
    result<void> encode(std::span<const std::byte> bytes, bytes_mut& into) {
        into.put(bytes);
        return {};
    }
    result<void> encode(std::string_view text, bytes_mut& into) {
        into.put(text);
        return {};
    }
    // NOLINTEND(readability-convert-member-functions-to-static)
};

}  // namespace eddy::codec
