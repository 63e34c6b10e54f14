// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include <eddy/detail/export.hpp>

namespace eddy::fs::detail {

using read_parts = std::span<const std::span<std::byte>>;
using write_parts = std::span<const std::span<const std::byte>>;

/// The bytes of a job, which owns them: those that it has read, or those to write. The next job of the same stream gets
/// the memory: pages that the system has just mapped cost more than the copy.
class EDDY_API job_bytes {
public:
    /// The most bytes of a job: its memory, and the time for which a dropped one continues.
    static constexpr std::size_t most = 1024 * 1024;

    job_bytes() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    job_bytes(job_bytes&& other) noexcept
        : bytes_(std::move(other.bytes_)),
          size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)) {}
    job_bytes& operator=(job_bytes&& other) noexcept {
        bytes_ = std::move(other.bytes_);
        size_ = std::exchange(other.size_, 0);
        capacity_ = std::exchange(other.capacity_, 0);
        return *this;
    }

    /// Makes room for `size` bytes, with an alignment that O_DIRECT accepts if `is_direct`. Their values are
    /// unspecified.
    void prepare(std::size_t size, bool is_direct);

    /// Makes room for the bytes, or for as many of them as a job may have, and copies them.
    void copy_from(write_parts from, bool is_direct);

    [[nodiscard]] std::span<std::byte> all() const noexcept { return {bytes_.get(), size_}; }

private:
    struct deleter {
        std::size_t alignment = 0;
        void operator()(std::byte* bytes) const noexcept;
    };
    std::unique_ptr<std::byte[], deleter> bytes_{nullptr, deleter()};
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace eddy::fs::detail
