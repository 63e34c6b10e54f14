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
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/result.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::detail {

/// The kind of a step.
enum class mock_step_kind : unsigned char { read, write, wait, read_error, write_error };

/// One step of the script of an io_mock.
struct mock_step {
    mock_step_kind kind;
    std::string bytes;
    std::error_code error;
    time::duration pause;

    explicit mock_step(mock_step_kind what) noexcept : kind(what), pause(0) {}
};

/// The steps that a handle adds to a script that is running.
/// Thread safety: any thread.
class EDDY_API mock_inbox {
public:
    /// Adds a step and wakes the waiting tasks.
    void add(mock_step&& step);
    /// Ends the script after the steps that were added, and wakes the waiting tasks.
    void close();

    /// Moves the added steps to the end of `script`.
    void take(std::deque<mock_step>& script);
    /// Copies the added steps to the end of `script`.
    void copy_to(std::deque<mock_step>& script) const;
    /// Returns true if more steps can be added. Then it stores the waker of `cx`, which the next step wakes. There is
    /// one waker for a reader and one for a writer.
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

/// The functions that add steps to a script: a base of the builder and of the handle.
template <class Self>
class mock_script {
public:
    /// Adds bytes that are read, in one or several reads. Empty `bytes` add no step. A literal that contains a NUL
    /// needs its size: "\0\1"sv.
    Self& read(std::string_view bytes) { return add_bytes(mock_step_kind::read, bytes); }
    /// Adds bytes that must be written next. Empty `bytes` add no step.
    Self& write(std::string_view bytes) { return add_bytes(mock_step_kind::write, bytes); }
    /// Adds a pause, during which reads and writes wait. With a paused clock it takes no real time.
    template <class Rep, class Period>
    Self& wait(std::chrono::duration<Rep, Period> pause) {
        mock_step step(mock_step_kind::wait);
        step.pause = time::round_up(pause);
        return add(std::move(step));
    }
    /// Add a read or a write that fails with `error`.
    Self& read_error(std::error_code error) { return add_error(mock_step_kind::read_error, error); }
    Self& read_error(std::errc error) { return read_error(std::make_error_code(error)); }
    Self& write_error(std::error_code error) { return add_error(mock_step_kind::write_error, error); }
    Self& write_error(std::errc error) { return write_error(std::make_error_code(error)); }

private:
    Self& add_bytes(mock_step_kind kind, std::string_view bytes) {
        // An empty step would look like end of file, or like a writer that takes no bytes.
        // SAFETY: Self derives from this mixin, so *this is the base of a Self.
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
        // SAFETY: as above.
        auto& self = static_cast<Self&>(*this);
        self.append(std::move(step));
        return self;
    }
};

}  // namespace eddy::detail

namespace eddy::test {

class io_builder;
struct io_mock_with_handle;

/// A connection whose peer is a script: bytes that are read, bytes that must be written, pauses and errors. Made by
/// io_builder.
///
/// Bytes are read when all previous steps of the script are done. Written bytes are compared with the next write steps
/// of the script, in pieces of any size; read steps before them are skipped. At the end of the script, a read returns
/// end of file. With a handle (io_builder::build_with_handle()), reads and writes wait there until a step is added or
/// the handle is destroyed.
/// Errors: any error of the script. Throws misuse, with the source location of the await, for unexpected written bytes.
/// The message says where they differ.
class EDDY_API io_mock {
public:
    /// The functions of a reader and a writer. A flush and a shutdown are always ready.
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from);
    poll_result<result<void>> poll_flush(context&) { return result<void>(); }
    poll_result<result<void>> poll_shutdown(context&);

    /// Returns whether all steps of the script are done.
    [[nodiscard]] bool is_done() const { return script_.empty() && (!more_ || more_->is_empty()); }
    /// Returns whether the writer was shut down.
    [[nodiscard]] bool is_shut_down() const noexcept { return is_shut_down_; }
    /// Checks at the end of a test that the script is done.
    /// Errors: throws misuse with the number of steps left and the next step.
    void assert_done(std::source_location where = std::source_location::current()) const;

private:
    friend class io_builder;

    using step_kind = detail::mock_step_kind;
    using step = detail::mock_step;

    explicit io_mock(std::deque<step> script, std::shared_ptr<detail::mock_inbox> more = {})
        : script_(std::move(script)), more_(std::move(more)) {}

    /// Returns true if the next step is not a pause.
    bool poll_pauses(context& cx);
    /// Returns the next step that concerns writing, a pause included; null if there are only read steps or none.
    [[nodiscard]] step* next_write() noexcept;
    /// Removes a finished step, and wakes the tasks that wait for the following steps.
    void end_of(const step& over);

    std::deque<step> script_;
    std::shared_ptr<detail::mock_inbox> more_;   // not null if there is a handle
    std::unique_ptr<time::sleep_future> pause_;  // the current pause; must not be moved with this object
    std::optional<waker> reader_;                // waits until another step is done
    std::optional<waker> writer_;
    bool is_shut_down_ = false;
};

/// Adds steps to the script of a running io_mock. See io_builder::build_with_handle(). The script has no end until the
/// handle is destroyed.
/// Thread safety: may be used on another thread than the mock.
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

/// Builds the script of an io_mock:
///     auto peer =
///     test::io_builder().read("PING\r\n").write("PONG\r\n").wait(1s).read_error(std::errc::connection_reset).build();
class io_builder : public detail::mock_script<io_builder> {
public:
    /// Makes a mock with a copy of the script.
    [[nodiscard]] io_mock build() const { return io_mock(script_); }
    /// Makes a mock and a handle that adds steps while the mock is in use:
    ///     auto [peer, script] = test::io_builder().read("PING\r\n").build_with_handle();
    ///     ...
    ///     script.write("PONG\r\n");
    [[nodiscard]] io_mock_with_handle build_with_handle() const;

private:
    friend class detail::mock_script<io_builder>;
    void append(detail::mock_step&& step) { script_.push_back(std::move(step)); }

    std::deque<detail::mock_step> script_;
};

/// The result of io_builder::build_with_handle().
struct io_mock_with_handle {
    /// The mock, and the handle that adds steps to it.
    io_mock mock;
    io_mock_handle handle;

    /// Takes ownership of the mock and of the handle.
    io_mock_with_handle(io_mock&& peer, io_mock_handle&& script) noexcept
        : mock(std::move(peer)), handle(std::move(script)) {}
};

inline io_mock_with_handle io_builder::build_with_handle() const {
    auto more = std::make_shared<detail::mock_inbox>();
    return {io_mock(script_, more), io_mock_handle(more)};
}

}  // namespace eddy::test
