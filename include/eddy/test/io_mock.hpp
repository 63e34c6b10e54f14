// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/result.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/waker.hpp>

namespace eddy::detail {

enum class mock_step_kind : unsigned char { read, write, wait, read_error, write_error };

/// One step of the script of an io_mock.
struct mock_step {
    mock_step_kind kind;
    std::string bytes;
    std::error_code error;
    time::duration pause;

    explicit mock_step(mock_step_kind what) noexcept : kind(what), pause(0) {}
};

/// What is written into a script that runs: from the handle, on any thread, to the mock.
class EDDY_API mock_inbox {
public:
    void add(mock_step&& step);
    /// Nothing more comes.
    void close();

    /// Moves what has come behind the script.
    void take(std::deque<mock_step>& script);
    void copy_to(std::deque<mock_step>& script) const;
    /// True if more may come: then whoever waits with this waker is woken, for a reader or a writer each.
    [[nodiscard]] bool wait_for_more(context& cx, bool writes);
    [[nodiscard]] bool is_empty() const;

private:
    struct waiting {
        std::optional<waker> reader;
        std::optional<waker> writer;
        void wake() &&;
    };

    mutable std::mutex lock_;
    std::deque<mock_step> steps_;
    waiting waiting_;
    bool is_closed_ = false;
};

/// How a script is written: by a builder, or by the handle of one that runs.
template <class Self>
class mock_script {
public:
    /// Bytes that come from the other side, in one or several reads. A literal with a NUL in it needs its size:
    /// "\0\1"sv. No bytes are no step.
    Self& read(std::string_view bytes) { return add_bytes(mock_step_kind::read, bytes); }
    /// Bytes that must be written next. No bytes are no step.
    Self& write(std::string_view bytes) { return add_bytes(mock_step_kind::write, bytes); }
    /// Nothing is read or written for so long: with a paused clock that takes no time.
    template <class Rep, class Period>
    Self& wait(std::chrono::duration<Rep, Period> pause) {
        mock_step step(mock_step_kind::wait);
        step.pause = time::round_up(pause);
        return add(std::move(step));
    }
    /// A read, or a write, that fails.
    Self& read_error(std::error_code error) { return add_error(mock_step_kind::read_error, error); }
    Self& read_error(std::errc error) { return read_error(std::make_error_code(error)); }
    Self& write_error(std::error_code error) { return add_error(mock_step_kind::write_error, error); }
    Self& write_error(std::errc error) { return write_error(std::make_error_code(error)); }

private:
    Self& add_bytes(mock_step_kind kind, std::string_view bytes) {
        // A read or write of nothing would be the end, or a writer that takes no more.
        if (bytes.empty()) return static_cast<Self&>(*this);
        mock_step step(kind);
        step.bytes = bytes;
        return add(std::move(step));
    }
    Self& add_error(mock_step_kind kind, std::error_code error) {
        mock_step step(kind);
        step.error = error;
        return add(std::move(step));
    }
    Self& add(mock_step&& step) {
        auto& self = static_cast<Self&>(*this);
        self.append(std::move(step));
        return self;
    }
};

}  // namespace eddy::detail

namespace eddy::test {

class io_builder;
struct io_mock_with_handle;

/// A connection whose other side is a script: what is read there, what must be written, and what fails. Made by
/// io_builder.
///
/// What is to be read comes when all that the script has before it is over. What is written is compared, byte by byte
/// and in any pieces, with the next writes of the script, also if there is something to be read before them. At the end
/// of the script a read gives the end; with a handle (io_builder::build_with_handle) both wait until more is written
/// into it, or that is gone. Errors: those of the script. Throws misuse, with the place of the await, for bytes that
/// are written and were not expected; the text says where they differ. Thread safety: as any object.
class EDDY_API io_mock {
public:
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from);
    poll_result<result<void>> poll_flush(context&) { return result<void>(); }
    poll_result<result<void>> poll_shutdown(context&);

    /// Whether the script is over: all was read and written.
    [[nodiscard]] bool is_done() const { return script_.empty() && (!more_ || more_->is_empty()); }
    /// Whether the writer was shut down.
    [[nodiscard]] bool is_shut_down() const noexcept { return is_shut_down_; }
    /// For the end of a test. Throws misuse if the script is not over, and says what is left.
    void assert_done(std::source_location where = std::source_location::current()) const;

private:
    friend class io_builder;

    using step_kind = detail::mock_step_kind;
    using step = detail::mock_step;

    explicit io_mock(std::deque<step> script, std::shared_ptr<detail::mock_inbox> more = {})
        : script_(std::move(script)), more_(std::move(more)) {}

    /// True when no pause is next.
    bool poll_pauses(context& cx);
    /// The next step that concerns writing. None: only what is to be read, or nothing, is left.
    [[nodiscard]] step* next_write() noexcept;
    void end_of(const step& over);

    std::deque<step> script_;
    std::shared_ptr<detail::mock_inbox> more_;   // there if it has a handle
    std::unique_ptr<time::sleep_future> pause_;  // begun; it does not move when this does
    std::optional<waker> reader_;                // waits until something else has happened
    std::optional<waker> writer_;
    bool is_shut_down_ = false;
};

/// Writes more into the script of an io_mock that runs, behind what it has: see io_builder::build_with_handle(). The
/// script has no end before this is gone. Thread safety: another thread than the mock's may have it.
class io_mock_handle : public detail::mock_script<io_mock_handle> {
public:
    io_mock_handle(io_mock_handle&&) noexcept = default;
    io_mock_handle& operator=(io_mock_handle&& other) noexcept {
        std::swap(to_, other.to_);
        return *this;
    }
    ~io_mock_handle() {
        if (to_) to_->close();
    }

private:
    friend class io_builder;
    friend class detail::mock_script<io_mock_handle>;

    explicit io_mock_handle(std::shared_ptr<detail::mock_inbox> to) noexcept : to_(std::move(to)) {}
    void append(detail::mock_step&& step) {
        if (!to_)
            throw misuse("the handle of an io_mock was used after it had been moved from: use the one it was moved to");
        to_->add(std::move(step));
    }

    std::shared_ptr<detail::mock_inbox> to_;
};

/// Writes the script of an io_mock:
///     auto peer =
///     test::io_builder().read("PING\r\n").write("PONG\r\n").wait(1s).read_error(std::errc::connection_reset).build();
class io_builder : public detail::mock_script<io_builder> {
public:
    [[nodiscard]] io_mock build() const { return io_mock(script_); }
    /// The same, and a handle by which the script goes on while it runs:
    ///     auto [peer, script] = test::io_builder().read("PING\r\n").build_with_handle();
    ///     ...
    ///     script.write("PONG\r\n");
    [[nodiscard]] io_mock_with_handle build_with_handle() const;

private:
    friend class detail::mock_script<io_builder>;
    void append(detail::mock_step&& step) { script_.push_back(std::move(step)); }

    std::deque<detail::mock_step> script_;
};

/// What io_builder::build_with_handle() gives.
struct io_mock_with_handle {
    io_mock mock;
    io_mock_handle handle;

    io_mock_with_handle(io_mock&& peer, io_mock_handle&& script) noexcept
        : mock(std::move(peer)), handle(std::move(script)) {}
};

inline io_mock_with_handle io_builder::build_with_handle() const {
    auto more = std::make_shared<detail::mock_inbox>();
    return {io_mock(script_, more), io_mock_handle(more)};
}

}  // namespace eddy::test
