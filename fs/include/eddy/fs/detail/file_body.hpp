// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/fs/operation.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/async_seek.hpp>
#include <eddy/result.hpp>

namespace eddy::fs::detail {

class open_file;  // what the jobs of a file share

using read_parts = std::span<const std::span<std::byte>>;
using write_parts = std::span<const std::span<const std::byte>>;

/// The bytes of a job, which owns them: those that it has read, or those to write. The next job of the same stream gets
/// the memory: pages that the system has just mapped cost more than the copy.
class EDDY_API job_bytes {
public:
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

/// One read at a position. The page cache is tried first, on this thread; a job reads what is not there.
class EDDY_API reading {
public:
    /// Errors: those of read(2); errc::closed.
    poll_result<result<std::size_t>> poll(const std::shared_ptr<open_file>& from, context& cx, read_parts into,
                                          std::uint64_t offset);
    [[nodiscard]] bool has_job() const noexcept { return job_.has_value(); }
    void drop_job() noexcept { job_.reset(); }

private:
    struct job_output {
        job_bytes bytes;
        std::size_t count;
        job_output(job_bytes&& read, std::size_t size) noexcept : bytes(std::move(read)), count(size) {}
    };
    std::optional<operation<job_output>> job_;
    job_bytes spare_;
};

/// One write, whose job owns a copy of the bytes.
class EDDY_API writing {
public:
    /// What a write has done.
    struct done {
        job_bytes bytes;
        std::size_t count;
        std::uint64_t end;        ///< the position behind the bytes
        std::error_code missing;  ///< why further bytes were not written; none if all were
        done(job_bytes&& written, std::size_t size, std::uint64_t position, std::error_code why) noexcept
            : bytes(std::move(written)), count(size), end(position), missing(why) {}
    };
    /// Starts to write at `offset`, or at the end of a file that was opened for appending.
    void start(const std::shared_ptr<open_file>& to, write_parts from, std::uint64_t offset);
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

/// What an fs::file has, at a fixed address: the futures refer to it.
class EDDY_API file_body : eddy::detail::immovable {
public:
    explicit file_body(std::shared_ptr<open_file> opened, std::uint64_t position = 0) noexcept;
    ~file_body();

    [[nodiscard]] const std::shared_ptr<open_file>& opened() const noexcept { return opened_; }
    [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
    [[nodiscard]] error fail(std::error_code code, const char* operation) const;

    // ---- The stream. Errors name the operation that has failed, which may be an earlier one. ----
    poll_result<result<std::size_t>> poll_read(context& cx, read_parts into);
    /// `ticket` is 0 at the first poll of a write, and identifies it afterwards. Null for a caller that has no place
    /// for it: then a repeated write is recognized by its bytes.
    poll_result<result<std::size_t>> poll_write(context& cx, write_parts from, std::uint64_t* ticket);
    eddy::result<void> start_seek(io::seek_from to) noexcept;
    poll_result<result<std::uint64_t>> poll_seek_complete(context& cx);
    /// Completes a write whose future was dropped, and a seek. Returns the error of the write.
    poll_result<result<void>> poll_idle(context& cx);
    void drop_read() noexcept { reading_.drop_job(); }
    void drop_write(std::uint64_t ticket) noexcept;

private:
    poll_result<result<std::size_t>> poll_writing(context& cx);
    poll_result<result<void>> poll_write_complete(context& cx);
    void forget_seek() noexcept;

    std::shared_ptr<open_file> opened_;
    std::uint64_t position_;
    reading reading_;
    writing writing_;
    std::uint64_t ticket_ = 0;  // of the last write
    bool is_write_dropped_ = false;
    std::error_code missing_;  // of the last write, until its caller has the count, or an operation reports it
    std::optional<io::seek_from> seek_;  // to the end: needs the size
    std::optional<operation<std::uint64_t>> seek_job_;
};

}  // namespace eddy::fs::detail
