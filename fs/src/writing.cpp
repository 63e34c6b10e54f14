// SPDX-License-Identifier: MIT
#include <eddy/fs/detail/writing.hpp>

#include <algorithm>
#include <cstring>
#include <span>
#include <system_error>
#include <utility>

#include <eddy/error.hpp>

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
    spare_.copy_from(from, to->is_direct());
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

}  // namespace eddy::fs::detail
