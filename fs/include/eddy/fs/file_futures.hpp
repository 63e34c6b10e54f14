// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <span>
#include <utility>

#include <eddy/fs/detail/file_body.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/fs/operation.hpp>
#include <eddy/future/detail/operation_guard.hpp>
#include <eddy/io/detail/io_future.hpp>

// The futures of fs::file.

namespace eddy::fs {

namespace detail {

/// The buffers of a future: one, or a list that the caller owns.
template <class Byte>
class buffers {
public:
    explicit buffers(std::span<Byte> one) noexcept : one_(one) {}
    explicit buffers(std::span<const std::span<Byte>> list) noexcept : list_(list), has_list_(true) {}

    [[nodiscard]] std::span<const std::span<Byte>> parts() const noexcept {
        return has_list_ ? list_ : std::span(&one_, 1);
    }

private:
    std::span<Byte> one_;
    std::span<const std::span<Byte>> list_;
    bool has_list_ = false;
};

/// The base of the futures of fs::file. `Self` has `poll_with(cx, file_body&)`.
template <class Self, class Output>
class file_future : public eddy::detail::io_future<Self, result<Output>> {
protected:
    explicit file_future(file_body* file) noexcept : file_(file) {}
    [[nodiscard]] file_body* body() const noexcept { return file_; }

private:
    friend eddy::detail::io_future<Self, result<Output>>;
    poll_result<result<Output>> advance(context& cx) { return static_cast<Self&>(*this).poll_with(cx, *file_); }

    file_body* file_;
};

/// The base of the futures that use the position of the file.
/// Errors: throws `misuse` if another operation of the file is in flight.
template <class Self, class Output>
class stream_future : public file_future<Self, Output> {
protected:
    using file_future<Self, Output>::file_future;

    void begin_poll(const context& cx) { hold_.enter(&this->body()->guard(), cx); }
    void end_poll(bool is_ready, const context& cx) noexcept { hold_.end_poll(is_ready, cx); }
    /// Returns whether a poll was not ready, and no other operation has taken the place of this one.
    [[nodiscard]] bool is_in_flight() const noexcept { return hold_.is_held(); }

private:
    eddy::detail::operation_hold hold_;
};

/// What an operation does after an error of a dropped write.
enum class at_error : bool { ends, continues };

}  // namespace detail

/// The future of fs::file::read() and read_vectored().
class [[nodiscard("an operation does nothing until it is awaited"), gnu::warn_unused]] file_read
    : public detail::stream_future<file_read, std::size_t> {
public:
    file_read(detail::file_body* from, detail::buffers<std::byte> into) noexcept : stream_future(from), into_(into) {}
    file_read(file_read&& other) noexcept = default;
    ~file_read() {
        if (is_in_flight()) body()->drop_read();
    }

private:
    friend eddy::detail::io_future<file_read, result<std::size_t>>;
    friend file_future;
    poll_result<result<std::size_t>> poll_with(context& cx, detail::file_body& from) {
        return from.poll_read(cx, into_.parts());
    }

    detail::buffers<std::byte> into_;
};

/// The future of fs::file::write() and write_vectored().
class [[nodiscard("an operation does nothing until it is awaited"), gnu::warn_unused]] file_write
    : public detail::stream_future<file_write, std::size_t> {
public:
    file_write(detail::file_body* to, detail::buffers<const std::byte> from) noexcept
        : stream_future(to), from_(from) {}
    file_write(file_write&& other) noexcept : stream_future(static_cast<stream_future&&>(other)), from_(other.from_) {}
    ~file_write() {
        if (ticket_ != 0) body()->drop_write(ticket_);
    }

private:
    friend eddy::detail::io_future<file_write, result<std::size_t>>;
    friend file_future;
    poll_result<result<std::size_t>> poll_with(context& cx, detail::file_body& to) {
        auto answer = to.poll_write(cx, from_.parts(), &ticket_);
        if (answer) ticket_ = 0;
        return answer;
    }

    detail::buffers<const std::byte> from_;
    std::uint64_t ticket_ = 0;
};

/// The future of fs::file::seek().
class [[nodiscard("an operation does nothing until it is awaited"), gnu::warn_unused]] file_seek
    : public detail::stream_future<file_seek, std::uint64_t> {
public:
    file_seek(detail::file_body* object, io::seek_from to) noexcept : stream_future(object), to_(to) {}

private:
    friend eddy::detail::io_future<file_seek, result<std::uint64_t>>;
    friend file_future;
    poll_result<result<std::uint64_t>> poll_with(context& cx, detail::file_body& object) {
        if (!has_begun_) {
            const auto before = object.poll_seek_complete(cx);
            if (!before || !*before) return before;
            if (auto begun = object.start_seek(to_); !begun)
                return result<std::uint64_t>(std::unexpect, object.fail(begun.error(), "seek"));
            has_begun_ = true;
        }
        return object.poll_seek_complete(cx);
    }

    io::seek_from to_;
    bool has_begun_ = false;
};

/// The future of fs::file::read_at() and read_vectored_at().
class [[nodiscard("an operation does nothing until it is awaited"), gnu::warn_unused]] file_read_at
    : public detail::file_future<file_read_at, std::size_t> {
public:
    file_read_at(detail::file_body* from, detail::buffers<std::byte> into, std::uint64_t offset) noexcept
        : file_future(from), into_(into), offset_(offset) {}

private:
    friend file_future;
    poll_result<result<std::size_t>> poll_with(context& cx, const detail::file_body& from) {
        return reading_.poll(from.opened(), cx, into_.parts(), offset_);
    }

    detail::buffers<std::byte> into_;
    std::uint64_t offset_;
    detail::reading reading_;
};

/// The future of fs::file::write_at() and write_vectored_at().
class [[nodiscard("an operation does nothing until it is awaited"), gnu::warn_unused]] EDDY_API file_write_at
    : public detail::file_future<file_write_at, std::size_t> {
public:
    file_write_at(detail::file_body* to, detail::buffers<const std::byte> from, std::uint64_t offset) noexcept
        : file_future(to), from_(from), offset_(offset) {}

private:
    friend file_future;
    poll_result<result<std::size_t>> poll_with(context& cx, const detail::file_body& to);

    detail::buffers<const std::byte> from_;
    std::uint64_t offset_;
    detail::writing writing_;
};

/// The future of the other operations of fs::file. It begins when a write of the stream whose future was dropped has
/// ended; the error of that write becomes its own. Only `at_error::continues` then begins nevertheless.
/// Errors: throws `misuse` if another operation of the file is in flight.
template <class T>
class [[nodiscard("an operation does nothing until it is awaited"), gnu::warn_unused]] file_operation
    : public future_ops<file_operation<T>> {
public:
    using output_type = result<T>;

    /// `file` is null if the operation may begin at any time.
    file_operation(detail::file_body* file, operation<T> then, detail::at_error what = detail::at_error::ends) noexcept
        : file_(file), then_(std::move(then)), at_error_(what) {}

    poll_result<output_type> poll(context& cx) {
        if (file_ != nullptr) hold_.enter(&file_->guard(), cx);
        return eddy::detail::poll_entered(hold_, cx, [&] { return poll_in_turn(cx); });
    }

    /// Same as operation::run_here().
    /// Preconditions: the future was not polled, and no write of the stream was dropped.
    output_type run_here(const std::source_location& where = std::source_location::current()) && {
        return std::move(then_).run_here(where);
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&file_operation::then_); }

private:
    poll_result<output_type> poll_in_turn(context& cx) {
        if (!has_begun_ && file_ != nullptr) {
            const auto idle = file_->poll_idle(cx);
            if (!idle) return not_ready;
            if (!*idle && at_error_ == detail::at_error::ends) return output_type(std::unexpect, idle->error());
            if (!*idle) earlier_ = idle->error();
        }
        has_begun_ = true;
        auto output = then_.poll(cx);
        if (output && earlier_) return output_type(std::unexpect, *std::move(earlier_));
        return output;
    }

    detail::file_body* file_;
    operation<T> then_;
    std::optional<error> earlier_;
    const detail::at_error at_error_;
    bool has_begun_ = false;
    eddy::detail::operation_hold hold_;
};

}  // namespace eddy::fs
