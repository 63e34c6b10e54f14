// SPDX-License-Identifier: MIT
#include <eddy/fs/detail/file_body.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include <eddy/detail/io_checks.hpp>
#include <eddy/error.hpp>
#include <eddy/fs/file_futures.hpp>

#include "counters.hpp"
#include "job.hpp"
#include "open_file.hpp"
#include "sys/files.hpp"

namespace eddy::fs::detail {
namespace {

using eddy::detail::size_of_all;
using count_result = result<std::size_t>;
using position_result = result<std::uint64_t>;

/// The most bytes that a read takes from the page cache. Copying more would keep the worker for too long.
constexpr std::size_t most_cached = 256 * 1024;
/// The most bytes of a job: its memory, and the time for which a dropped one continues.
constexpr std::size_t most_in_job = 1024 * 1024;
/// The bytes that are copied on a worker for a unit of the coop budget: a poll copies about 2 MiB.
constexpr std::size_t bytes_of_budget_unit = 16 * 1024;
constexpr std::uint64_t last_offset = std::numeric_limits<std::int64_t>::max();
/// Of O_DIRECT: at least the block size of all devices.
constexpr std::size_t direct_alignment = 4096;

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

void charge(context& cx, std::size_t bytes) noexcept {
    const auto units = static_cast<std::uint32_t>(std::min(bytes, most_cached) / bytes_of_budget_unit);
    cx.restore_budget(cx.budget() - std::min(cx.budget(), units));
}

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

/// Copies as many bytes as a job may have.
void copy_from(write_parts from, job_bytes& to, bool is_direct) {
    to.prepare(std::min(size_of_all(from), most_in_job), is_direct);
    auto left = to.all();
    for (const auto& part : from) {
        const auto count = std::min(part.size(), left.size());
        if (count != 0) std::memcpy(left.data(), part.data(), count);
        left = left.subspan(count);
    }
}

}  // namespace

// ---- The bytes of a job ----

void job_bytes::prepare(std::size_t size, bool is_direct) {
    if (size > capacity_) {
        const auto alignment = is_direct ? direct_alignment : alignof(std::max_align_t);
        bytes_ = {nullptr, deleter{alignment}};
        capacity_ = 0;
        bytes_.reset(static_cast<std::byte*>(::operator new[](size, std::align_val_t(alignment))));
        capacity_ = size;
    }
    size_ = size;
}

void job_bytes::deleter::operator()(std::byte* bytes) const noexcept {
    ::operator delete[](bytes, std::align_val_t(alignment));
}

// ---- One read ----

poll_result<count_result> reading::poll(const std::shared_ptr<open_file>& from, context& cx, read_parts into,
                                        std::uint64_t offset) {
    if (!job_) {
        const auto size = size_of_all(into);
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
        auto read = [from, offset, wanted = std::min(size, most_in_job),
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

// ---- One write ----

namespace {

eddy::result<eddy::sys::appended> write_some(open_file& to, std::span<const std::byte> from, std::uint64_t offset) {
    if (to.appends()) return eddy::sys::append_some(to.fd(), from);
    const auto count = eddy::sys::write_some(to.fd(), from, offset);
    if (!count) return std::unexpected(count.error());
    return eddy::sys::appended{*count, offset + *count};
}

/// Writes until an error: the system writes a part if the disk becomes full. Fails if no byte is written.
eddy::result<writing::done> write_most(open_file& to, job_bytes&& bytes, std::uint64_t offset) {
    std::size_t written = 0;
    std::error_code missing;
    while (written != bytes.all().size() && !missing) {
        const auto made = write_some(to, bytes.all().subspan(written), offset);
        if (!made || made->count == 0) {
            missing = made ? make_error_code(eddy::errc::write_zero) : made.error();
        } else {
            written += made->count;
            offset = made->end;
        }
    }
    if (written == 0 && missing) return std::unexpected(missing);
    return writing::done(std::move(bytes), written, offset, missing);
}

}  // namespace

void writing::start(const std::shared_ptr<open_file>& to, write_parts from, std::uint64_t offset) {
    copy_from(from, spare_, to->is_direct());
    auto write = [to, offset, bytes = std::move(spare_)](const call&) mutable -> eddy::result<done> {
        const open_file::use guard(*to);
        if (!guard) return std::unexpected(make_error_code(errc::closed));
        return write_most(*to, std::move(bytes), offset);
    };
    job_.emplace(blocking(call("write", to->path()), std::move(write)));
}

poll_result<result<writing::done>> writing::poll(context& cx) {
    auto output = job_->poll(cx);
    if (!output) return not_ready;
    job_.reset();
    if (*output) spare_ = std::move((*output)->bytes);
    return output;
}

bool writing::is_start_of(write_parts from) const noexcept {
    auto left = std::span<const std::byte>(spare_.all());
    for (const auto& part : from) {
        const auto count = std::min(part.size(), left.size());
        if (count != 0 && std::memcmp(part.data(), left.data(), count) != 0) return false;
        left = left.subspan(count);
    }
    return left.empty();
}

// ---- The stream ----

file_body::file_body(std::shared_ptr<open_file> opened, std::uint64_t position) noexcept
    : opened_(std::move(opened)), position_(position) {}
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
        const auto count = poll_writing(cx);
        if (!count) return not_ready;
        // An error may be that of a write of other bytes, whose future was dropped: it is reported here, too.
        const bool is_mine = ticket != nullptr || !*count || (!is_write_dropped_ && writing_.is_start_of(from));
        if (is_mine) {
            missing_.clear();
            return count;
        }
    }
    const auto idle = poll_idle(cx);
    if (!idle) return not_ready;
    if (!*idle) return count_result(std::unexpect, idle->error());
    if (size_of_all(from) == 0) return count_result(0);
    if (position_ > last_offset)
        return count_result(std::unexpect, fail(std::make_error_code(std::errc::file_too_large), "write"));
    writing_.start(opened_, from, position_);
    is_write_dropped_ = false;
    ++ticket_;
    if (ticket != nullptr) *ticket = ticket_;
    auto count = poll_writing(cx);
    if (count) missing_.clear();
    return count;
}

poll_result<count_result> file_body::poll_writing(context& cx) {
    const auto output = writing_.poll(cx);
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
        const auto count = poll_writing(cx);
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

namespace eddy::fs {

poll_result<result<std::size_t>> file_write_at::poll_with(context& cx, const detail::file_body& to) {
    using count_result = result<std::size_t>;
    if (!writing_.has_started()) {
        if (to.opened()->appends())
            return count_result(std::unexpect, to.fail(make_error_code(errc::append_only), "write"));
        if (offset_ > detail::last_offset)
            return count_result(std::unexpect, to.fail(std::make_error_code(std::errc::invalid_argument), "write"));
        if (eddy::detail::size_of_all(from_.parts()) == 0) return count_result(0);
        writing_.start(to.opened(), from_.parts(), offset_);
    }
    const auto output = writing_.poll(cx);
    if (!output) return not_ready;
    if (!*output) return count_result(std::unexpect, output->error());
    return count_result((*output)->count);
}

}  // namespace eddy::fs
