// SPDX-License-Identifier: MIT
#include <eddy/codec/bytes_codec.hpp>

namespace eddy::codec {

// NOLINTBEGIN(readability-convert-member-functions-to-static): part of the codec interface

result<std::optional<bytes_mut>> bytes_codec::decode(bytes_mut& from) {
    if (from.empty()) return std::optional<bytes_mut>();
    return std::optional(from.split());
}

result<void> bytes_codec::encode(std::span<const std::byte> bytes, bytes_mut& into) {
    into.put(bytes);
    return {};
}

result<void> bytes_codec::encode(std::string_view text, bytes_mut& into) {
    into.put(text);
    return {};
}

// NOLINTEND(readability-convert-member-functions-to-static)

}  // namespace eddy::codec
