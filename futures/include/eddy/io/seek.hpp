// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/async_seek.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>

namespace eddy::io {

/// The future of seek().
template <class S>
class [[nodiscard("an operation does nothing until it is awaited")]] seek_future
    : public detail::reading_future<seek_future<S>, result<std::uint64_t>, S> {
public:
    using output_type = result<std::uint64_t>;

    seek_future(S& object, seek_from to) noexcept : seek_future::reading_future(object), to_(to) {}

private:
    friend typename seek_future::io_future;
    poll_result<output_type> advance(context& cx) {
        S& object = this->from();
        if (!has_begun_) {
            // First completes a seek that a dropped operation has begun.
            auto before = object.poll_seek_complete(cx);
            if (!before || !*before) return before;
            if (auto begun = object.start_seek(to_); !begun) return output_type(std::unexpect, begun.error());
            has_begun_ = true;
        }
        return object.poll_seek_complete(cx);
    }

    seek_from to_;
    bool has_begun_ = false;
};

/// Changes the position and returns it, in bytes from the start. Does not reject a position after the end.
/// Errors: invalid_argument for a position before the start; the errors of the object; the error of a seek in progress,
/// after which the position does not change.
/// Cancel safety: not safe. The position may have changed. The next seek first completes one that is in progress.
/// Lifetime: the future borrows the object.
template <class S>
[[nodiscard]] auto seek(S&& object, seek_from to) {
    constexpr bool fits = detail::check_borrowed<S>() && detail::check_seekable<S>();
    return detail::make_if<fits, seek_future<std::remove_reference_t<S>>>(object, to);
}

/// Seeks to the start. Otherwise same as seek().
/// Errors, cancel safety: same as seek().
template <class S>
[[nodiscard]] auto rewind(S&& object) {
    return eddy::io::seek(std::forward<S>(object), seek_from::start(0));
}

/// Returns the position, in bytes from the start.
/// Errors: any error of the object.
/// Cancel safety: same as seek(). The position itself does not change.
template <class S>
[[nodiscard]] auto stream_position(S&& object) {
    return eddy::io::seek(std::forward<S>(object), seek_from::current(0));
}

}  // namespace eddy::io
