// SPDX-License-Identifier: MIT
#include <eddy/codec/lines_codec.hpp>

#include <cstring>
#include <span>

#include <eddy/detail/utf8.hpp>
#include <eddy/error.hpp>

namespace eddy::codec {
namespace {

std::size_t find_line_end(std::span<const std::byte> in) noexcept {
    if (in.empty()) return 0;  // memchr(3) takes no null pointer
    const void* const at = std::memchr(in.data(), '\n', in.size());
    return at == nullptr ? in.size() : static_cast<std::size_t>(static_cast<const std::byte*>(at) - in.data());
}

/// With room for "\r", which does not count.
std::size_t with_return(std::size_t limit) noexcept { return limit == io::no_limit ? limit : limit + 1; }

}  // namespace

result<std::optional<std::string>> lines_codec::decode(bytes_mut& from) {
    const auto end = search_.next(from, with_return(max_length_), find_line_end);
    if (!end) return std::unexpected(end.error());
    if (!*end) return std::optional<std::string>();
    auto line = checked(from.text().substr(0, **end));
    from.advance(**end + 1);
    return line;
}

result<std::optional<std::string>> lines_codec::decode_eof(bytes_mut& from) {
    auto line = decode(from);
    if (!line || *line) return line;
    search_.end(from);
    // A "\r" alone is half an end, and no line. It stays: more may come.
    if (from.empty() || from == "\r") return line;
    line = checked(from.text());
    from.clear();
    return line;
}

result<std::optional<std::string>> lines_codec::checked(std::string_view line) const {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > max_length_) return std::unexpected(make_error_code(errc::line_too_long));
    if (!detail::is_utf8(line)) return std::unexpected(make_error_code(errc::invalid_utf8));
    return result<std::optional<std::string>>(std::in_place, std::in_place, line);
}

result<void> lines_codec::encode(std::string_view line, bytes_mut& into) {
    into.reserve(line.size() + 1);
    into.put(line);
    into.put_u8('\n');
    return {};
}

}  // namespace eddy::codec
