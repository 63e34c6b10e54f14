// SPDX-License-Identifier: MIT
#include <eddy/codec/lines_codec.hpp>

namespace eddy::codec {

auto lines_codec::find_eof(bytes_mut& from) -> result<std::optional<found_line>> {
    auto line = find(from);
    if (!line || *line) return line;
    search_.end(from);
    // A lone "\r" is the first half of a line end, and not a line. It stays in the buffer: more bytes may follow.
    if (from.empty() || from == "\r") return line;
    half_ended_ = from.text().ends_with('\r');
    return checked(from, from.size(), from.size());
}

void lines_codec::drop_other_half(bytes_mut& from) {
    if (from.empty()) return;
    half_ended_ = false;
    if (from.text().starts_with('\n')) from.advance(1);
}

auto lines_codec::unfinished(bytes_mut& from) -> result<std::optional<found_line>> {
    // The search allows one byte more than max_length_, for a "\r", which does not count.
    if (from.size() > max_length_ && !from.text().ends_with('\r')) return std::unexpected(search_.drop(from));
    return std::optional<found_line>();
}

auto lines_codec::refused(bytes_mut& from, std::size_t with_end, errc why) -> result<std::optional<found_line>> {
    from.advance(with_end);
    return std::unexpected(make_error_code(why));
}

result<std::optional<std::string>> lines_codec::decode(bytes_mut& from) {
    return detail::made_frame<std::string>(find(from));
}

result<std::optional<std::string>> lines_codec::decode_eof(bytes_mut& from) {
    return detail::made_frame<std::string>(find_eof(from));
}

result<void> lines_codec::encode(std::string_view line, bytes_mut& into) {
    into.reserve(line.size() + 1);
    into.put(line);
    into.put_u8('\n');
    return {};
}

}  // namespace eddy::codec
