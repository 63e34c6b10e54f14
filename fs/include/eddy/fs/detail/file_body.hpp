// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>

#include <eddy/detail/export.hpp>
#include <eddy/fs/detail/job_bytes.hpp>
#include <eddy/fs/detail/reading.hpp>
#include <eddy/fs/detail/writing.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/fs/operation.hpp>
#include <eddy/future/detail/operation_guard.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/async_seek.hpp>
#include <eddy/result.hpp>

namespace eddy::fs::detail {

/// What an fs::file has, at a fixed address: the futures refer to it.
class EDDY_API file_body : eddy::detail::immovable {
public:
    explicit file_body(std::shared_ptr<open_file> opened, std::uint64_t position = 0) noexcept;
    ~file_body();

    [[nodiscard]] const std::shared_ptr<open_file>& opened() const noexcept { return opened_; }
    [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
    [[nodiscard]] error fail(std::error_code code, const char* operation) const;
    /// Of the operations of the stream and of the whole file: one at a time, because each of them first completes a
    /// write whose future was dropped.
    [[nodiscard]] eddy::detail::operation_guard& guard() noexcept { return guard_; }

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
    poll_result<result<std::size_t>> take(const poll_result<result<writing::done>>& output);
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
    eddy::detail::operation_guard guard_;
};

}  // namespace eddy::fs::detail
