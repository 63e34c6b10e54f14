// SPDX-License-Identifier: MIT
#include <eddy/fs/detail/writing.hpp>

#include <algorithm>
#include <cstring>
#include <span>
#include <system_error>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/task/spawn_blocking.hpp>

#include "counters.hpp"
#include "job.hpp"
#include "open_file.hpp"
#include "sys/content_calls.hpp"

namespace eddy::fs::detail {
namespace {

eddy::result<eddy::sys::appended> write_some(open_file& to, std::span<const std::byte> from, std::uint64_t offset) {
    if (to.appends()) return eddy::sys::append_some(to.fd(), from);
    const auto count = eddy::sys::write_some(to.fd(), from, offset);
    if (!count) return std::unexpected(count.error());
    return eddy::sys::appended{*count, offset + *count};
}

/// The most bytes that the thread of a task writes: about 50 us. Other futures of the task wait meanwhile.
constexpr std::size_t most_in_place = 256 * 1024;

/// Writes until an error: the system writes a part if the disk becomes full. Fails if no byte is written.
eddy::result<writing::done> write_most(open_file& to, write_parts from, std::uint64_t offset) {
    const open_file::use guard(to);
    if (!guard) return std::unexpected(make_error_code(errc::closed));
    std::size_t written = 0;
    for (auto part : from) {
        while (!part.empty()) {
            const auto made = write_some(to, part, offset);
            if (!made || made->count == 0) {
                const auto missing = made ? make_error_code(eddy::errc::write_zero) : made.error();
                if (written == 0) return std::unexpected(missing);
                return writing::done(job_bytes(), written, offset, missing);
            }
            written += made->count;
            offset = made->end;
            part = part.subspan(made->count);
        }
    }
    return writing::done(job_bytes(), written, offset, std::error_code());
}

}  // namespace

poll_result<result<writing::done>> writing::start(context& cx, const std::shared_ptr<open_file>& to, write_parts from,
                                                  std::uint64_t offset) {
    const auto size = eddy::detail::size_of_all(from);
    if (to->writes_cached() && size <= most_in_place && eddy::detail::in_place_scope::is_cheap()) {
        if (!cx.consume_budget()) return not_ready;
        count(counter::cached_writes);
        charge(cx, size);
        const eddy::detail::in_place_scope scope(cx.where());
        auto written = write_most(*to, from, offset);
        if (!written) return result<done>(std::unexpect, written.error(), "write", to->path());
        return result<done>(std::in_place, *std::move(written));
    }
    spare_.copy_from(from, to->is_direct());
    auto write = [to, offset, bytes = std::move(spare_)](const call&) mutable -> eddy::result<done> {
        const std::span<const std::byte> all = bytes.all();
        auto written = write_most(*to, {&all, 1}, offset);
        if (written) written->bytes = std::move(bytes);
        return written;
    };
    job_.emplace(blocking(call("write", to->path()), std::move(write)));
    return poll(cx);
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

}  // namespace eddy::fs::detail
