// SPDX-License-Identifier: MIT
#include <eddy/io/standard.hpp>

#include <algorithm>

#include <eddy/bytes/detail/byte_window.hpp>
#include <eddy/error.hpp>
#include <eddy/io/detail/read_filled.hpp>
#include <eddy/task/spawn_blocking.hpp>

#include "sys/blocking_file.hpp"

namespace eddy::detail {
namespace {

/// Polls a job. When it is ready, returns its result and moves its buffer to `buffer`.
poll_result<result<std::size_t>> poll_job(std::optional<join_handle<blocking_done>>& job, context& cx,
                                          std::vector<std::byte>& buffer) {
    auto done = job->poll(cx);
    if (!done) return not_ready;
    job.reset();
    // The job did not run: it was cancelled, or there was no thread for it.
    if (!*done) {
        const auto& error = done->error();
        return result<std::size_t>(
            std::unexpect, error.is_cancelled() ? make_error_code(errc::runtime_shutdown) : error.to_error_code());
    }
    buffer = std::move((*done)->buffer);
    return std::move((*done)->count);
}

}  // namespace

poll_result<result<std::span<const std::byte>>> blocking_input::poll_fill_buf(context& cx) {
    if (begin_ != end_) return ok(left());
    if (!job_) {
        buffer_.resize(blocking_buffer);
        auto read = [fd = fd_, buffer = std::move(buffer_)]() mutable {
            auto count = sys::read_blocking(fd, buffer);
            return blocking_done(std::move(buffer), count);
        };
        begin_ = end_ = 0;
        job_.emplace(spawn_blocking(std::move(read), cx.where()));
    }
    const auto count = poll_job(job_, cx, buffer_);
    if (!count) return not_ready;
    if (!*count) return result<std::span<const std::byte>>(std::unexpect, count->error());
    end_ = **count;  // 0 is the end for now; a terminal may deliver more later
    return ok(left());
}

poll_result<result<std::size_t>> blocking_input::poll_read(context& cx, std::span<std::byte> into) {
    if (into.empty()) return ok(std::size_t{0});
    return poll_read_filled(*this, cx, into);
}

void blocking_input::consume(std::size_t count) {
    if (count > end_ - begin_) throw_out_of_window("standard_input::consume", count, end_ - begin_);
    begin_ += count;
}

poll_result<result<std::size_t>> blocking_output::poll_write(context& cx, std::span<const std::byte> from) {
    if (from.empty()) return ok(std::size_t{0});
    const auto idle = poll_flush(cx);
    if (!idle) return not_ready;
    if (!*idle) return result<std::size_t>(std::unexpect, idle->error());
    const std::size_t count = std::min(from.size(), blocking_buffer);
    buffer_.assign(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
    auto write = [fd = fd_, buffer = std::move(buffer_)]() mutable {
        const auto written = sys::write_all_blocking(fd, buffer);
        auto moved = written ? ok(buffer.size()) : result<std::size_t>(std::unexpect, written.error());
        return blocking_done(std::move(buffer), moved);
    };
    job_.emplace(spawn_blocking(std::move(write), cx.where()));
    return ok(count);
}

poll_result<result<void>> blocking_output::poll_flush(context& cx) {
    if (!job_) return ok();
    const auto count = poll_job(job_, cx, buffer_);
    if (!count) return not_ready;
    if (!*count) return result<void>(std::unexpect, count->error());
    return ok();
}

}  // namespace eddy::detail
