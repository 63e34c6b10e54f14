// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/fs/detail/job_bytes.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/fs/operation.hpp>
#include <eddy/future/future.hpp>

namespace eddy::fs::detail {

class open_file;  // what the jobs of a file share

/// One read at a position. The page cache is tried first, on this thread; a job reads what is not there.
class EDDY_API reading {
public:
    /// Errors: see read(2); errc::closed.
    poll_result<result<std::size_t>> poll(const std::shared_ptr<open_file>& from, context& cx, read_parts into,
                                          std::uint64_t offset);
    [[nodiscard]] bool has_job() const noexcept { return job_.has_value(); }
    void drop_job() noexcept { job_.reset(); }

    static constexpr auto wait_shape() { return inspect::waits_as(&reading::job_); }

private:
    struct job_output {
        job_bytes bytes;
        std::size_t count;
        job_output(job_bytes&& read, std::size_t size) noexcept : bytes(std::move(read)), count(size) {}
    };
    std::optional<operation<job_output>> job_;
    job_bytes spare_;
};

}  // namespace eddy::fs::detail
