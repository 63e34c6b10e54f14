// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/bytes_mut.hpp>
#include <eddy/codec/decoder.hpp>
#include <eddy/detail/toll.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/io/read_buf.hpp>

namespace eddy::detail {

// Where reading frames stands.
//
//              no frame in the buffer              bytes have come, or the end
//     may_have_frame_ -------------> has to read ---------------------------> may_have_frame_
//          |  ^                                                     (at the end decode_eof is asked)
//   error  v  | asked again
//       ends_now_: answers "no item" once, and after an error at the end of the bytes reads before it decodes
//
class frame_reader {
public:
    frame_reader(std::size_t capacity, std::source_location where) : frame_reader(bytes_mut(), capacity, where) {}
    frame_reader(bytes_mut&& buffer, std::size_t capacity, std::source_location where = std::source_location::current())
        : buffer_(std::move(buffer)), capacity_(capacity), may_have_frame_(!buffer_.empty()) {
        if (capacity == 0) throw misuse("frames are read into a buffer, which needs room for at least one byte", where);
    }

    template <class R, class D>
    auto poll_next(context& cx, R& from, D& decoder) -> poll_result<std::optional<typename decoded_by<D>::item_type>> {
        using item = typename decoded_by<D>::item_type;
        using error = typename decoded_by<D>::error_type;
        using answer = poll_result<std::optional<item>>;
        if (std::exchange(ends_now_, false)) return std::nullopt;
        for (;;) {
            if (may_have_frame_ && !reads_first_) {
                const std::size_t size_before = buffer_.size();
                auto frame = at_end_ ? frame_finder::find_eof(decoder, buffer_) : frame_finder::find(decoder, buffer_);
                if (!frame) [[unlikely]] {
                    ends_now_ = !(at_end_ ? detail::goes_on_at_end(decoder, frame.error(), size_before, buffer_.size())
                                          : detail::goes_on_after(decoder, frame.error()));
                    // What is half here may have got its other half, if it is asked again.
                    reads_first_ = ends_now_ && at_end_;
                    return std::optional<item>(std::in_place, std::unexpect, std::move(frame).error());
                }
                if (*frame) return answer(std::in_place, std::in_place, std::in_place, std::move(**frame));
                may_have_frame_ = false;
                if (at_end_) return std::nullopt;
            }
            toll cost(cx);
            const auto count = poll_fill(cx, from);
            if (!count) return not_ready;
            if (!*count) {
                ends_now_ = true;
                return std::optional<item>(std::in_place, std::unexpect, error(count->error()));
            }
            reads_first_ = false;
            const bool was_at_end = std::exchange(at_end_, **count == 0);
            if (at_end_ && was_at_end && !may_have_frame_) return std::nullopt;
            may_have_frame_ = true;
            if (!cost.is_paid()) return not_ready;  // its bytes are kept
        }
    }

    /// From now on another decoder is asked, to which what is in the buffer may be a frame.
    void decoder_has_changed() noexcept { may_have_frame_ = may_have_frame_ || !buffer_.empty(); }

    [[nodiscard]] bytes_mut& buffer() noexcept { return buffer_; }
    [[nodiscard]] const bytes_mut& buffer() const noexcept { return buffer_; }

private:
    /// There is always room: so 0 is the end, and nothing else.
    template <class R>
    poll_result<result<std::size_t>> poll_fill(context& cx, R& from) {
        // A read into the last few bytes of a block would cost as much as one into an empty one.
        constexpr std::size_t least_room = 1024;
        if (buffer_.capacity() - buffer_.size() < std::min(least_room, capacity_)) buffer_.reserve(capacity_);
        return poll_read_buf(from, cx, buffer_);
    }

    bytes_mut buffer_;
    std::size_t capacity_;
    bool may_have_frame_;
    bool at_end_ = false;       // the last read gave nothing
    bool ends_now_ = false;     // an error was given
    bool reads_first_ = false;  // that was at the end
};

}  // namespace eddy::detail
