// SPDX-License-Identifier: MIT
#include <eddy/codec/any_delimiter_codec.hpp>

#include <algorithm>

#include <eddy/error.hpp>

namespace eddy::codec {

any_delimiter_codec::any_delimiter_codec(std::string_view delimiters, std::string_view written, std::size_t max_length)
    : written_(written), max_length_(max_length) {
    for (const char delimiter : delimiters) is_delimiter_[static_cast<unsigned char>(delimiter)] = true;
}

result<std::optional<bytes>> any_delimiter_codec::decode(bytes_mut& from) {
    const auto find = [this](std::span<const std::byte> in) {
        const auto is_delimiter = [this](std::byte b) { return is_delimiter_[std::to_integer<std::size_t>(b)]; };
        return static_cast<std::size_t>(std::ranges::find_if(in, is_delimiter) - in.begin());
    };
    const auto end = search_.next(from, max_length_, find);
    if (!end) return std::unexpected(end.error());
    if (!*end) return std::optional<bytes>();
    auto frame = from.split_to(**end);
    from.advance(1);
    return std::optional(std::move(frame).freeze());
}

result<std::optional<bytes>> any_delimiter_codec::decode_eof(bytes_mut& from) {
    auto frame = decode(from);
    if (!frame || *frame) return frame;
    search_.end(from);
    if (from.empty()) return frame;
    return std::optional(from.split().freeze());
}

result<void> any_delimiter_codec::encode(std::span<const std::byte> frame, bytes_mut& into) {
    into.reserve(frame.size() + written_.size());
    into.put(frame);
    into.put(written_);
    return {};
}

result<void> any_delimiter_codec::encode(std::string_view frame, bytes_mut& into) {
    return encode(std::as_bytes(std::span(frame)), into);
}

}  // namespace eddy::codec
