// SPDX-License-Identifier: MIT
#include <eddy/codec/lines_codec.hpp>

namespace eddy::codec {

auto lines_codec::find_eof(bytes_mut& from) -> result<std::optional<found_line>> {
    auto line = find(from);
    if (!line || *line) return line;
    search_.end(from);
    // A "\r" alone is half an end, and no line. It stays: more may come.
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
    // The search leaves room for a "\r", which does not count.
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
