// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/detail/small_algorithms.hpp>
#include <eddy/error.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// Finds the ends of delimited codec frames, and examines each byte only once. The rest of a frame that is too long is
/// discarded as it arrives, so the memory is bounded and the next frame is found.
/// Thread safety: not synchronized; distinct objects may be used on different threads.
class delimiter_search {
public:
    /// Returns the index of the next delimiter in `from`; nullopt if it has not arrived. A frame may have up to `most`
    /// bytes before its delimiter. `find(span)` returns the index of the first delimiter, or the size of the span.
    /// Errors: line_too_long, once for each frame, as soon as the limit is exceeded. The first part of the frame is
    /// discarded then.
    template <class Find>
    [[gnu::always_inline]] result<std::optional<std::size_t>> next(bytes_mut& from, std::size_t most,
                                                                   const Find& find) {
        for (;;) {
            const std::size_t begin = lesser(searched_, from.size());  // the user may have shortened the buffer
            const std::size_t end = is_dropping_ || from.size() <= most ? from.size() : most + 1;
            const std::size_t at = begin + find(std::span<const std::byte>(from.data() + begin, end - begin));
            if (at == end) [[unlikely]]
                return not_found(from, end, most);
            searched_ = 0;
            if (!std::exchange(is_dropping_, false)) return std::optional(at);
            from.advance(at + 1);
        }
    }

    /// Discards the current frame, including the part that has not arrived yet, because it is too long.
    [[nodiscard]] std::error_code drop(bytes_mut& from) noexcept {
        from.clear();
        searched_ = 0;
        is_dropping_ = true;
        return make_error_code(errc::line_too_long);
    }

    /// Resets the search at the end of the stream, and discards the rest of a frame that was too long.
    void end(bytes_mut& from) noexcept {
        searched_ = 0;
        if (std::exchange(is_dropping_, false)) from.clear();
    }

private:
    [[gnu::noinline]] result<std::optional<std::size_t>> not_found(bytes_mut& from, std::size_t end, std::size_t most) {
        if (!is_dropping_ && end <= most) {
            searched_ = end;
            return std::optional<std::size_t>();
        }
        from.advance(end);
        searched_ = 0;
        if (std::exchange(is_dropping_, true)) return std::optional<std::size_t>();
        return std::unexpected(make_error_code(errc::line_too_long));
    }

    std::size_t searched_ = 0;  // the number of bytes at the front of the buffer that contain no delimiter
    bool is_dropping_ = false;  // the bytes up to the next delimiter belong to a frame that is too long
};

}  // namespace eddy::detail
