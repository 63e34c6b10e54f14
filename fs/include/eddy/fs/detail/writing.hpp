// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/fs/detail/job_bytes.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/fs/operation.hpp>
#include <eddy/future/future.hpp>

namespace eddy::fs::detail {

class open_file;  // what the jobs of a file share

/// One write, whose job owns a copy of the bytes.
class EDDY_API writing {
public:
    /// What a write has done.
    struct done {
        job_bytes bytes;  ///< of a job
        std::size_t count;
        std::uint64_t end;        ///< the position behind the bytes
        std::error_code missing;  ///< why further bytes were not written; none if all were
        done(job_bytes&& written, std::size_t size, std::uint64_t position, std::error_code why) noexcept
            : bytes(std::move(written)), count(size), end(position), missing(why) {}
    };
    /// Writes at `offset`, or at the end of a file that was opened for appending: at once on the thread of the task if
    /// that only copies to the page cache, or else by a job, for which poll() waits. If it is not ready, and there is
    /// no job, the coop budget was used up: call it again.
    poll_result<result<done>> start(context& cx, const std::shared_ptr<open_file>& to, write_parts from,
                                    std::uint64_t offset);
    /// Whether there is a job.
    [[nodiscard]] bool has_started() const noexcept { return job_.has_value(); }
    /// Preconditions: has_started(). When it is ready, that ends.
    poll_result<result<done>> poll(context& cx);
    /// Prevents the write if its job has not begun. Its result then is errc::runtime_shutdown.
    void abort() noexcept { job_->abort(); }
    /// Returns whether the bytes that were written last are the first ones of `from`.
    /// Preconditions: poll() was ready, without an error.
    [[nodiscard]] bool is_start_of(write_parts from) const noexcept;

private:
    std::optional<operation<done>> job_;
    job_bytes spare_;
};

}  // namespace eddy::fs::detail
