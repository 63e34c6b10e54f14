// SPDX-License-Identifier: MIT
#include <eddy/fs/detail/file_sender.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/fs/detail/file_body.hpp>
#include <eddy/fs/file.hpp>
#include <eddy/io/interest.hpp>

#include "counters.hpp"
#include "open_file.hpp"
#include "sys/content_calls.hpp"
#include "sys/send_file.hpp"

namespace eddy::fs::detail {
namespace {

using count_result = result<std::size_t>;
using eddy::detail::direction;
using eddy::detail::io_socket;

constexpr std::size_t chunk_size = 64 * 1024;
/// The most bytes of a call of sendfile(2), which keeps the worker for the time of the transfer.
constexpr std::size_t most_sent = 1024 * 1024;
/// The kernel reads ahead in order, and by default in pieces of 128 KiB. So if the last byte of such a step is in the
/// cache, those before it usually are, too.
constexpr std::size_t cache_step = 128 * 1024;

bool is_cached(int fd, std::uint64_t offset) noexcept {
    std::byte byte{};
    const std::array into{std::span(&byte, 1)};
    const auto count = eddy::sys::read_cached(fd, into, offset);
    return count && *count == 1;
}

/// Returns how many bytes sendfile(2) can probably send without waiting for the disk.
std::size_t cached_bytes(const open_file& from, std::uint64_t offset, std::size_t most) noexcept {
    // The last byte of a step that ends after the file is not in the cache.
    if (const auto end = from.first_size(); offset < end)
        most = static_cast<std::size_t>(std::min<std::uint64_t>(most, end - offset));
    if (!is_cached(from.fd(), offset)) return 0;
    std::size_t cached = 0;
    while (cached != most) {
        const auto next = std::min(most, cached + cache_step);
        if (!is_cached(from.fd(), offset + next - 1)) break;
        cached = next;
    }
    return cached;
}

/// Returns whether sendfile(2) cannot be used for these descriptors: the file system has no such function, or a filter
/// of system calls forbids it.
bool is_refusal(std::error_code why) noexcept {
    return why == std::errc::invalid_argument || why == std::errc::operation_not_supported ||
           why == std::errc::function_not_supported || why == std::errc::operation_not_permitted;
}

/// An io_socket as a writer.
struct socket_writer {
    io_socket& to;
    poll_result<eddy::result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) const {
        return to.poll_write(cx, nullptr, from);
    }
};

}  // namespace

file_sender::file_sender(const file& from, std::uint64_t offset, std::uint64_t size)
    : from_(from.body()->opened()), offset_(offset), left_(size) {}
file_sender::file_sender(file_sender&& other) noexcept = default;
file_sender::~file_sender() = default;

error file_sender::fail(std::error_code code) const { return {code, "send", from_->path()}; }

bool file_sender::may_send_to(const io_socket& to) const noexcept {
    return can_send_ && to.kind() != eddy::detail::descriptor_kind::pipe && from_->reads_cached();
}

poll_result<count_result> file_sender::poll_send(context& cx, io_socket& to) {
    while (left_ != 0 && chunk().empty() && !is_reading() && may_send_to(to)) {
        if (is_blocked_) {
            const auto ready = to.poll_ready(direction::write, cx);
            if (!ready) return not_ready;
            if (!*ready) return count_result(std::unexpect, fail(ready->error()));
            is_blocked_ = false;
        }
        if (!cx.consume_budget()) return not_ready;
        const auto count = send_cached(to);
        if (count && *count != 0) {
            charge(cx, *count);
            detail::count(counter::sent_bytes, *count);
            offset_ += *count;
            left_ -= *count;
            return take(*count);
        }
        cx.refund_budget();
        if (count) break;
        if (count.error() == std::errc::operation_would_block) {
            is_blocked_ = true;
        } else if (is_refusal(count.error())) {
            can_send_ = false;
        } else {
            to.check_not_empty(cx.where());
            return count_result(std::unexpect, fail(count.error()));
        }
    }
    socket_writer writer{to};
    return poll_copy(cx, writer);
}

/// Sends what is in the cache. Returns 0 if nothing is there, and at the end of the file.
eddy::result<std::size_t> file_sender::send_cached(io_socket& to) const {
    const open_file::use guard(*from_);
    if (!guard) return std::unexpected(make_error_code(errc::closed));
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(left_, most_sent));
    const auto cached = cached_bytes(*from_, offset_, most);
    if (cached == 0) return 0;
    auto send = [&] { return eddy::sys::send_file(to.fd(), from_->fd(), offset_, cached); };
    return to.try_io(io::interest::writable, send);
}

poll_result<count_result> file_sender::poll_read(context& cx, std::span<std::byte> into) {
    const auto there = poll_fill(cx);
    if (!there || !*there || **there == 0) return there;
    const auto count = std::min(into.size(), chunk().size());
    std::memcpy(into.data(), chunk().data(), count);
    begin_ += count;
    detail::count(counter::copied_bytes, count);
    return take(count);
}

/// Reads a chunk if there is none. Returns how many bytes of it were not sent.
poll_result<count_result> file_sender::poll_fill(context& cx) {
    if (!chunk().empty()) return count_result(chunk().size());
    if (left_ == 0) return count_result(0);
    if (!chunk_) chunk_ = std::make_unique_for_overwrite<std::byte[]>(chunk_size);
    const std::array into{
        std::span(chunk_.get(), static_cast<std::size_t>(std::min<std::uint64_t>(left_, chunk_size)))};
    auto count = reading_.poll(from_, cx, into, offset_);
    has_failed_to_read_ = count && !*count;
    if (!count || !*count) return count;
    begin_ = 0;
    end_ = **count;
    offset_ += end_;
    left_ -= end_;
    return count;
}

count_result file_sender::take(std::size_t count) noexcept {
    sent_ += count;
    return count;
}

/// Removes what was written from the chunk.
poll_result<count_result> file_sender::take_sent(const poll_result<eddy::result<std::size_t>>& count) {
    if (!count) return not_ready;
    if (!*count) return count_result(std::unexpect, fail(count->error()));
    if (**count == 0) return count_result(std::unexpect, fail(make_error_code(eddy::errc::write_zero)));
    begin_ += **count;
    detail::count(counter::copied_bytes, **count);
    return take(**count);
}

}  // namespace eddy::fs::detail
