// SPDX-License-Identifier: MIT
#include <eddy/fs/detail/file_body.hpp>

#include <utility>

#include <eddy/error.hpp>
#include <eddy/io/detail/io_checks.hpp>

#include "job.hpp"
#include "open_file.hpp"
#include "sys/storage_calls.hpp"

namespace eddy::fs::detail {
namespace {

using count_result = result<std::size_t>;
using position_result = result<std::uint64_t>;

}  // namespace

file_body::file_body(std::shared_ptr<open_file> opened, std::uint64_t position) noexcept
    : opened_(std::move(opened)),
      position_(position),
      guard_(
          "two operations use one fs::file at the same time: use read_at() or write_at(), which any number of tasks "
          "may await, give each task a try_clone(), or let one task use the file for all") {}
file_body::~file_body() = default;

error file_body::fail(std::error_code code, const char* operation) const {
    return error(code, operation, opened_->path());
}

poll_result<count_result> file_body::poll_read(context& cx, read_parts into) {
    const auto at = poll_seek_complete(cx);
    if (!at) return not_ready;
    if (!*at) return count_result(std::unexpect, at->error());
    auto count = reading_.poll(opened_, cx, into, position_);
    if (count && *count) position_ += **count;
    return count;
}

poll_result<count_result> file_body::poll_write(context& cx, write_parts from, std::uint64_t* ticket) {
    if (writing_.has_started() && (ticket == nullptr || *ticket == ticket_)) {
        const auto count = take(writing_.poll(cx));
        if (!count) return not_ready;
        // The error may belong to a write of other bytes whose future was dropped: it is reported here, too.
        const bool is_mine = ticket != nullptr || !*count || (!is_write_dropped_ && writing_.is_start_of(from));
        if (is_mine) {
            missing_.clear();
            return count;
        }
    }
    const auto idle = poll_idle(cx);
    if (!idle) return not_ready;
    if (!*idle) return count_result(std::unexpect, idle->error());
    if (eddy::detail::size_of_all(from) == 0) return count_result(0);
    if (position_ > last_offset)
        return count_result(std::unexpect, fail(std::make_error_code(std::errc::file_too_large), "write"));
    is_write_dropped_ = false;
    ++ticket_;
    if (ticket != nullptr) *ticket = ticket_;
    auto count = take(writing_.start(cx, opened_, from, position_));
    if (count) missing_.clear();
    return count;
}

poll_result<count_result> file_body::take(const poll_result<result<writing::done>>& output) {
    if (!output) return not_ready;
    if (!*output) {
        // Of a dropped write that was not begun, and so was not made.
        if (is_write_dropped_ && output->error() == eddy::errc::runtime_shutdown) return count_result(0);
        return count_result(std::unexpect, output->error());
    }
    position_ = (*output)->end;
    missing_ = (*output)->missing;
    return count_result((*output)->count);
}

poll_result<result<void>> file_body::poll_write_complete(context& cx) {
    if (writing_.has_started()) {
        const auto count = take(writing_.poll(cx));
        if (!count) return not_ready;
        if (!*count) return result<void>(std::unexpect, count->error());
    }
    if (const auto why = std::exchange(missing_, {})) return result<void>(std::unexpect, fail(why, "write"));
    return result<void>();
}

void file_body::drop_write(std::uint64_t ticket) noexcept {
    if (!writing_.has_started() || ticket != ticket_) return;
    is_write_dropped_ = true;
    writing_.abort();
}

poll_result<result<void>> file_body::poll_idle(context& cx) {
    reading_.drop_job();
    const auto at = poll_seek_complete(cx);
    if (!at) return not_ready;
    if (!*at) return result<void>(std::unexpect, at->error());
    return result<void>();
}

eddy::result<void> file_body::start_seek(io::seek_from to) noexcept {
    if (to.from() == io::seek_from::origin::start && to.offset() < 0)
        return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    forget_seek();
    seek_ = to;
    return {};
}

void file_body::forget_seek() noexcept {
    seek_.reset();
    seek_job_.reset();
}

poll_result<position_result> file_body::poll_seek_complete(context& cx) {
    const auto written = poll_write_complete(cx);
    if (!written) return not_ready;
    if (!*written) {
        forget_seek();
        return position_result(std::unexpect, written->error());
    }
    if (!seek_) return position_result(position_);
    reading_.drop_job();
    std::uint64_t base = 0;
    if (seek_->from() == io::seek_from::origin::current) base = position_;
    if (seek_->from() == io::seek_from::origin::end) {
        if (!seek_job_) {
            auto size = [from = opened_](const call&) -> eddy::result<std::uint64_t> {
                const open_file::use guard(*from);
                if (!guard) return std::unexpected(make_error_code(errc::closed));
                return eddy::sys::size_of(from->fd());
            };
            seek_job_.emplace(blocking(call("seek", opened_->path()), std::move(size)));
        }
        const auto size = seek_job_->poll(cx);
        if (!size) return not_ready;
        seek_job_.reset();
        if (!*size) {
            seek_.reset();
            return position_result(std::unexpect, size->error());
        }
        base = **size;
    }
    // Both are at most 2^63 - 1, so the sum of two's complements tells if it is before the start or too large.
    const auto to = static_cast<std::int64_t>(base + static_cast<std::uint64_t>(seek_->offset()));
    seek_.reset();
    if (to < 0) return position_result(std::unexpect, fail(std::make_error_code(std::errc::invalid_argument), "seek"));
    position_ = static_cast<std::uint64_t>(to);
    return position_result(position_);
}

}  // namespace eddy::fs::detail
