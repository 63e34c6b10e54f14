// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/future.hpp>
#include <eddy/result.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/waker.hpp>

namespace eddy::test {

class io_builder;

/// A connection whose other side is a script: what is read there, what must be written, and what fails. Made by io_builder.
///
/// What is to be read comes when all that the script has before it is over. What is written is compared, byte by byte and in any
/// pieces, with the next writes of the script, also if there is something to be read before them. At the end of the script a
/// read gives the end.
/// Errors: those of the script. Throws misuse, with the place of the await, for bytes that are written and were not expected; the
/// text says where they differ.
/// Thread safety: as any object.
class io_mock {
public:
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from);
    poll_result<result<void>> poll_flush(context&) { return result<void>(); }
    poll_result<result<void>> poll_shutdown(context&);

    /// Whether the script is over: all was read and written.
    [[nodiscard]] bool is_done() const noexcept { return script_.empty(); }
    /// Whether the writer was shut down.
    [[nodiscard]] bool is_shut_down() const noexcept { return is_shut_down_; }
    /// For the end of a test. Throws misuse if the script is not over, and says what is left.
    void assert_done(std::source_location where = std::source_location::current()) const;

private:
    friend class io_builder;

    enum class step_kind { read, write, wait, read_error, write_error };
    struct step {
        step_kind kind;
        std::string bytes;
        std::error_code error;
        time::duration pause;

        explicit step(step_kind what) noexcept : kind(what), pause(0) {}
    };

    explicit io_mock(std::deque<step> script) : script_(std::move(script)) {}

    /// True when no pause is next.
    bool poll_pauses(context& cx);
    /// The next step that concerns writing. None: only what is to be read, or nothing, is left.
    [[nodiscard]] step* next_write() noexcept;
    void end_of(const step& over);

    std::deque<step> script_;
    std::unique_ptr<time::sleep_future> pause_;  // begun; it does not move when this does
    std::optional<waker> reader_;                // waits until something else has happened
    std::optional<waker> writer_;
    bool is_shut_down_ = false;
};

/// Writes the script of an io_mock:
///     auto peer = test::io_builder().read("PING\r\n").write("PONG\r\n").wait(1s).read_error(std::errc::connection_reset).build();
class io_builder {
public:
    /// Bytes that come from the other side, in one or several reads.
    io_builder& read(std::string_view bytes) { return add(io_mock::step_kind::read, bytes); }
    /// Bytes that must be written next.
    io_builder& write(std::string_view bytes) { return add(io_mock::step_kind::write, bytes); }
    /// Nothing is read or written for so long: with a paused clock that takes no time.
    template <class Rep, class Period>
    io_builder& wait(std::chrono::duration<Rep, Period> pause) {
        add(io_mock::step_kind::wait, std::string_view()).script_.back().pause = time::round_up(pause);
        return *this;
    }
    /// A read, or a write, that fails.
    io_builder& read_error(std::error_code error) { return add(io_mock::step_kind::read_error, error); }
    io_builder& read_error(std::errc error) { return read_error(std::make_error_code(error)); }
    io_builder& write_error(std::error_code error) { return add(io_mock::step_kind::write_error, error); }
    io_builder& write_error(std::errc error) { return write_error(std::make_error_code(error)); }

    [[nodiscard]] io_mock build() const { return io_mock(script_); }

private:
    io_builder& add(io_mock::step_kind kind, std::string_view bytes) {
        script_.emplace_back(kind).bytes = bytes;
        return *this;
    }
    io_builder& add(io_mock::step_kind kind, std::error_code error) {
        script_.emplace_back(kind).error = error;
        return *this;
    }

    std::deque<io_mock::step> script_;
};

}  // namespace eddy::test
