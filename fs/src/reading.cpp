// SPDX-License-Identifier: MIT
#include <eddy/fs/detail/reading.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <system_error>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/io/detail/io_checks.hpp>

#include "counters.hpp"
#include "job.hpp"
#include "open_file.hpp"
#include "sys/content_calls.hpp"

namespace eddy::fs::detail {
namespace {

/// The most bytes that a read takes from the page cache. Copying more would keep the worker for too long.
constexpr std::size_t most_cached = 256 * 1024;

/// The first buffers of a list, with at most a number of bytes.
class parts_within {
public:
    parts_within(read_parts all, std::size_t most) noexcept {
        for (const auto& part : all.first(std::min(all.size(), list_.size()))) {
            list_[count_++] = part.first(std::min(part.size(), most));
            most -= list_[count_ - 1].size();
        }
    }
    [[nodiscard]] read_parts get() const noexcept { return std::span(list_).first(count_); }

private:
    std::array<std::span<std::byte>, 16> list_;
    std::size_t count_ = 0;
};

/// Reads what the page cache has. Returns 0 if a job must read: nothing is there, or this may be the end of the file,
/// or there is an error, which the job will report.
std::size_t read_cached(open_file& from, read_parts into, std::uint64_t offset) noexcept {
    const open_file::use guard(from);
    if (!guard) return 0;
    const parts_within within(into, most_cached);
    const auto count = eddy::sys::read_cached(from.fd(), within.get(), offset);
    if (count && *count > 0) {
        detail::count(counter::cached_reads);
        return *count;
    }
    detail::count(counter::cold_reads);
    // EPERM, ENOSYS: a filter of system calls.
    if (!count &&
        (count.error() == std::errc::operation_not_supported || count.error() == std::errc::operation_not_permitted ||
         count.error() == std::errc::function_not_supported)) {
        from.cannot_read_cached();
    }
    return 0;
}

std::size_t copy_to(read_parts into, std::span<const std::byte> from) noexcept {
    std::size_t copied = 0;
    for (const auto& part : into) {
        const auto count = std::min(part.size(), from.size() - copied);
        if (count != 0) std::memcpy(part.data(), from.data() + copied, count);
        copied += count;
    }
    return copied;
}

}  // namespace

poll_result<result<std::size_t>> reading::poll(const std::shared_ptr<open_file>& from, context& cx, read_parts into,
                                               std::uint64_t offset) {
    using count_result = result<std::size_t>;
    if (!job_) {
        const auto size = eddy::detail::size_of_all(into);
        if (size == 0) return count_result(0);
        // The system takes an offset of -1 for the position of the descriptor.
        if (offset > last_offset)
            return count_result(std::unexpect, std::make_error_code(std::errc::invalid_argument), "read", from->path());
        if (from->reads_cached()) {
            if (!cx.consume_budget()) return not_ready;
            if (const auto count = read_cached(*from, into, offset); count != 0) {
                charge(cx, count);
                return count_result(count);
            }
            cx.refund_budget();
        }
        auto read = [from, offset, wanted = std::min(size, job_bytes::most),
                     bytes = std::move(spare_)](const call&) mutable -> eddy::result<job_output> {
            const open_file::use guard(*from);
            if (!guard) return std::unexpected(make_error_code(errc::closed));
            bytes.prepare(wanted, from->is_direct());
            const auto count = eddy::sys::read_some(from->fd(), bytes.all(), offset);
            if (!count) return std::unexpected(count.error());
            return job_output(std::move(bytes), *count);
        };
        job_.emplace(blocking(call("read", from->path()), std::move(read)));
    }
    auto output = job_->poll(cx);
    if (!output) return not_ready;
    job_.reset();
    if (!*output) return count_result(std::unexpect, output->error());
    const auto count = copy_to(into, (*output)->bytes.all().first((*output)->count));
    spare_ = std::move((*output)->bytes);
    return count_result(count);
}

}  // namespace eddy::fs::detail
