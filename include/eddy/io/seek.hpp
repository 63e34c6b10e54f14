// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include <eddy/detail/io_checks.hpp>
#include <eddy/io/async_seek.hpp>
#include <eddy/io/operation.hpp>

namespace eddy::io {

template <class S>
class seek_op {
public:
    using output_type = result<std::uint64_t>;

    seek_op(S& object, seek_from to) noexcept : object_(&object), to_(to) {}

    poll_result<output_type> poll(context& cx) {
        if (!has_begun_) {
            // What was begun before, by an operation that was dropped, ends first.
            if (!object_->poll_seek_complete(cx)) return not_ready;
            if (auto begun = object_->start_seek(to_); !begun) return output_type(std::unexpect, begun.error());
            has_begun_ = true;
        }
        return object_->poll_seek_complete(cx);
    }

private:
    S* object_;
    seek_from to_;
    bool has_begun_ = false;
};

/// Goes to another place, and gives it, counted from the beginning. A place behind the end is none that is refused
/// here. Errors: invalid_argument for a place before the beginning; those of the object. Cancel safety: if it is
/// dropped the place may have been changed; the next operation is in no doubt which it is.
template <class S>
[[nodiscard]] auto seek(S&& object, seek_from to) {
    if constexpr (detail::check_borrowed<S>() && detail::check_seekable<S>()) {
        return operation<seek_op<std::remove_reference_t<S>>>(std::in_place, object, to);
    } else {
        return detail::broken_future();
    }
}

/// Goes to the beginning. Otherwise as seek().
template <class S>
[[nodiscard]] auto rewind(S&& object) {
    return eddy::io::seek(std::forward<S>(object), seek_from::start(0));
}

/// Gives the place, counted from the beginning. Otherwise as seek().
template <class S>
[[nodiscard]] auto stream_position(S&& object) {
    return eddy::io::seek(std::forward<S>(object), seek_from::current(0));
}

}  // namespace eddy::io
