// SPDX-License-Identifier: MIT
#include <eddy/io.hpp>
#include <eddy/io/standard.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

#include "support/choppy_io.hpp"
#include "support/polling.hpp"
#include "support/runtime.hpp"
#include "support/system.hpp"

namespace {

namespace io = eddy::io;
using eddy::task;
using eddy::detail::blocking_input;
using eddy::detail::blocking_output;
using support::as_text;

static_assert(io::async_buf_read<io::standard_input> && io::async_write<io::standard_output> &&
              io::async_write<io::standard_error>);

/// Redirects a standard descriptor to another one for its lifetime.
class redirected {
public:
    redirected(int which, int to) : which_(which), before_(::dup(which)) {
        std::fflush(nullptr);
        ::dup2(to, which);
    }
    redirected(const redirected&) = delete;
    redirected& operator=(const redirected&) = delete;
    ~redirected() {
        ::dup2(before_, which_);
        ::close(before_);
    }

private:
    int which_;
    int before_;
};

void say(const support::owned_fd& to, std::string_view text) {
    ASSERT_EQ(::write(to.native_handle(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}
std::string heard(const support::owned_fd& from) {
    std::string all(200'000, '\0');
    const auto count = ::read(from.native_handle(), all.data(), all.size());
    all.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return all;
}

/// Runs `work` on an event loop and on a runtime.
template <class Fn>
void on_both(Fn work) {
    {
        eddy::core loop;
        loop.run(work());
    }
    support::make_runtime(1).block_on(work());
}

// covers: P050
TEST(IoStandard, InputIsReadLineByLine) {
    on_both([]() -> task<void> {
        auto pipe = support::make_pipe();
        const redirected in(0, pipe.reader.native_handle());
        auto lines = io::lines(io::standard_input());
        say(pipe.writer, "one\ntwo\nthr");
        auto line = co_await lines.next();
        EXPECT_EQ(line->value(), "one");
        line = co_await lines.next();
        EXPECT_EQ(line->value(), "two");
        say(pipe.writer, "ee");
        pipe.writer.close();
        line = co_await lines.next();
        EXPECT_EQ(line->value(), "three");
        line = co_await lines.next();
        EXPECT_FALSE(line);
    });
}

// covers: P050
TEST(IoStandard, FlushedOutputIsWritten) {
    on_both([]() -> task<void> {
        const auto pipe = support::make_pipe();
        const redirected out(1, pipe.writer.native_handle());
        const redirected error(2, pipe.writer.native_handle());
        io::standard_output to;
        const auto written = co_await io::write_all(to, "hello ");
        EXPECT_TRUE(written);
        const auto more = co_await io::write_all(to, "world");
        EXPECT_TRUE(more);
        const auto flushed = co_await io::flush(to);
        EXPECT_TRUE(flushed);
        EXPECT_EQ(heard(pipe.reader), "hello world");
        io::standard_error complaints;
        const auto third = co_await io::write_all(complaints, "!");
        EXPECT_TRUE(third);
        const auto ended = co_await io::shutdown(complaints);
        EXPECT_TRUE(ended);
        EXPECT_EQ(heard(pipe.reader), "!");
    });
}

// covers: P050
TEST(IoStandard, DroppedReadLosesNoByte) {
    support::make_runtime(1).block_on([]() -> task<void> {
        auto pipe = support::make_pipe();
        blocking_input from(pipe.reader.native_handle());
        std::array<std::byte, 8> some{};
        auto either = eddy::select(io::read(from, some), eddy::yield_now());
        const auto first = co_await either;
        EXPECT_EQ(first.index(), 1u);
        say(pipe.writer, "kept");
        const auto count = co_await io::read(from, some);
        EXPECT_EQ(count, 4u);
        EXPECT_EQ(as_text(std::span(some).first(4)), "kept");
    }());
}

// covers: R097
TEST(IoStandard, ReadContinuesAfterEndOfFile) {
    support::make_runtime(1).block_on([]() -> task<void> {
        std::string name = testing::TempDir() + "eddy_io_standard_XXXXXX";
        const support::owned_fd file(::mkstemp(name.data()));
        ::unlink(name.c_str());
        blocking_input from(file.native_handle());
        std::string text;
        const auto nothing = co_await io::read_to_string(from, text);
        EXPECT_EQ(nothing, 0u);
        EXPECT_EQ(::pwrite(file.native_handle(), "more", 4, 0), 4);
        const auto more = co_await io::read_to_string(from, text);
        EXPECT_EQ(more, 4u);
        EXPECT_EQ(text, "more");
    }());
}

// covers: P050
TEST(IoStandard, OutputWaitsForReader) {
    support::make_runtime(1).block_on([]() -> task<void> {
        const auto pipe = support::make_pipe();
        blocking_output to(pipe.writer.native_handle());
        const std::string large(1'000'000, 'x');
        auto writing = eddy::spawn([](blocking_output& out, const std::string& text) -> task<void> {
            const auto written = co_await io::write_all(out, text);
            EXPECT_TRUE(written);
            const auto flushed = co_await io::flush(out);
            EXPECT_TRUE(flushed);
        }(to, large));
        std::size_t got = 0;
        while (got < large.size()) {
            got += heard(pipe.reader).size();
            co_await eddy::yield_now();
        }
        const auto done = co_await writing;
        EXPECT_TRUE(done);
        EXPECT_EQ(got, large.size());
    }());
}

// covers: P050
TEST(IoStandard, ErrorsAreReportedByNextCall) {
    support::make_runtime(1).block_on([]() -> task<void> {
        auto pipe = support::make_pipe();
        blocking_output to(pipe.reader.native_handle());  // the read end cannot be written
        const auto taken = co_await io::write_all(to, "lost");
        EXPECT_TRUE(taken);
        const auto flushed = co_await io::flush(to);
        EXPECT_EQ(flushed.error(), std::errc::bad_file_descriptor);
        const auto again = co_await io::flush(to);
        EXPECT_TRUE(again) << "an error is reported once";
        blocking_input from(pipe.writer.native_handle());
        std::array<std::byte, 8> some{};
        const auto read = co_await io::read(from, some);
        EXPECT_EQ(read.error(), std::errc::bad_file_descriptor);
    }());
}

// covers: P050
TEST(IoStandard, UseWithoutRuntimeThrowsMisuse) {
    io::standard_output to;
    io::standard_input from;
    std::array<std::byte, 8> some{};
    support::expect_misuse_here([&] { static_cast<void>(eddy::wait(io::write_all(to, "never written"))); });
    support::expect_misuse_here([&] { static_cast<void>(eddy::wait(io::read(from, some))); });
    const auto in_coroutine = [](io::standard_input& input) -> task<unsigned> {
        unsigned line = 0;
        try {
            line = std::source_location::current().line() + 1;
            co_await io::lines(std::ref(input)).next();
        } catch (const eddy::misuse& wrong) {
            co_return wrong.where().line() - line;
        }
        co_return 1;
    };
    EXPECT_EQ(eddy::wait(in_coroutine(from)), 0u);
}

}  // namespace
