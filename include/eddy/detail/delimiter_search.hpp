// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include <eddy/bytes_mut.hpp>
#include <eddy/error.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// Finds where frames end that a delimiter ends, without looking at a byte twice. Of a frame that is too long the rest
/// is dropped as it comes, so that what is kept is bounded, and the next frame is found.
class delimiter_search {
public:
    /// Where in `from` the next delimiter lies; nothing if it has not come. `most` bytes may be before it. `find`
    /// answers the first delimiter in a span, or its size. Errors: line_too_long, at once when it is known. The front
    /// of the frame is gone then.
    template <class Find>
    [[gnu::always_inline]] result<std::optional<std::size_t>> next(bytes_mut& from, std::size_t most,
                                                                   const Find& find) {
        for (;;) {
            const std::size_t begin = std::min(searched_, from.size());  // a buffer may have been changed
            const std::size_t end = is_dropping_ || from.size() <= most ? from.size() : most + 1;
            const std::size_t at = begin + find(std::span<const std::byte>(from.data() + begin, end - begin));
            if (at == end) [[unlikely]]
                return not_found(from, end, most);
            searched_ = 0;
            if (!std::exchange(is_dropping_, false)) return std::optional(at);
            from.advance(at + 1);
        }
    }

    /// Drops what has come of a frame, and what will come of it: it is too long.
    [[nodiscard]] std::error_code drop(bytes_mut& from) noexcept {
        from.clear();
        searched_ = 0;
        is_dropping_ = true;
        return make_error_code(errc::line_too_long);
    }

    /// At the end of the bytes: drops what belongs to a frame that was too long.
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

    std::size_t searched_ = 0;
    bool is_dropping_ = false;
};

}  // namespace eddy::detail
