// SPDX-License-Identifier: MIT
// runs: asan
#include <eddy/prelude.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <support/net.hpp>
#include <support/runtime/receiving.hpp>
#include <support/self_assignment.hpp>
#include <support/temp_dir.hpp>

namespace {

using namespace std::chrono_literals;
namespace pipe = eddy::net::pipe;
using support::bytes_of;
using support::read_some;
using support::within;

eddy::task<std::size_t> count_all(pipe::receiver rx) {
    std::vector<std::byte> into(10'000);
    for (std::size_t total = 0;;) {
        const auto count = co_await rx.read(into);
        if (!count || *count == 0) co_return total;
        total += *count;
    }
}

eddy::task<bool> write_many(pipe::sender tx, std::size_t total) {
    const std::vector<std::byte> bytes(total, std::byte{'p'});
    const auto written = co_await tx.write_all(bytes);
    co_return written.has_value();
}

std::string fifo_in(const support::temp_dir& dir) {
    auto path = dir / "fifo";
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    return path;
}

// covers: P062
TEST(Pipe, CarriesBytesAndEnds) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    auto [tx, rx] = pipe::make().value();
    EXPECT_NE(::fcntl(tx.native_handle(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(rx.native_handle(), F_GETFD) & FD_CLOEXEC, 0);
    within(core, tx.write_all(bytes_of("hello"))).value();
    EXPECT_EQ(within(core, read_some(rx)), "hello");
    const std::array<std::span<const std::byte>, 2> parts{bytes_of("vec"), bytes_of("tored")};
    EXPECT_EQ(within(core, tx.write_vectored(parts)).value(), 8u);
    EXPECT_EQ(within(core, rx.receive()).value().size(), 8u);
    EXPECT_TRUE(within(core, tx.flush()));
    {
        const auto dropped = std::move(tx);
    }
    EXPECT_EQ(within(core, read_some(rx)), "");
}

// covers: P062
TEST(Pipe, ReaderAndWriterWaitForEachOther) {
    eddy::core core;
    auto [tx, rx] = pipe::make().value();
    constexpr std::size_t size = 2'000'000;
    auto both = eddy::join(write_many(std::move(tx), size), count_all(std::move(rx)));
    const auto done = within(core, std::move(both));
    EXPECT_TRUE(done.first);
    EXPECT_EQ(done.second, size);
}

// ---- shutdown() ----

TEST(Pipe, ShutdownEndsTheStream) {
    const support::leaves_no_descriptor guard;
    for (const bool is_registered : {false, true}) {
        eddy::core core;
        auto [tx, rx] = pipe::make().value();
        if (is_registered) {
            EXPECT_TRUE(within(core, tx.writable()).value().is_writable());
        }
        const int fd = tx.native_handle();
        within(core, tx.write_all(bytes_of("last"))).value();
        EXPECT_TRUE(within(core, eddy::io::shutdown(tx)));
        EXPECT_EQ(within(core, read_some(rx)), "last");
        EXPECT_EQ(within(core, read_some(rx)), "");
        EXPECT_EQ(tx.native_handle(), fd);
        EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
        EXPECT_EQ(within(core, tx.write(bytes_of("x"))).error(), std::errc::broken_pipe);
        EXPECT_EQ(tx.try_write(bytes_of("x")).error(), std::errc::broken_pipe);
        EXPECT_TRUE(within(core, tx.writable()).value().is_error());
        auto moved = std::move(tx);
        EXPECT_TRUE(within(core, moved.shutdown())) << "a second call";
        EXPECT_TRUE(within(core, moved.flush()));
        EXPECT_EQ(within(core, moved.write(bytes_of("x"))).error(), std::errc::broken_pipe);
    }
}

TEST(Pipe, ShutdownWithoutADescriptorLeavesThePipe) {
    eddy::core core;
    auto [tx, rx] = pipe::make().value();
    EXPECT_TRUE(within(core, tx.writable()));
    {
        const support::descriptor_limit full(0);
        EXPECT_EQ(within(core, tx.shutdown()).error(), std::errc::too_many_files_open);
    }
    within(core, tx.write_all(bytes_of("more"))).value();
    EXPECT_EQ(within(core, read_some(rx)), "more");
    EXPECT_TRUE(within(core, tx.shutdown()));
    EXPECT_EQ(within(core, read_some(rx)), "");
    const support::descriptor_limit full(0);
    EXPECT_TRUE(within(core, tx.shutdown())) << "a second call does nothing";
}

// The driver does not watch the old file any more, which has another descriptor.
TEST(Pipe, ShutdownEndsOneOfSeveralSenders) {
    eddy::core core;
    auto [tx, rx] = pipe::make().value();
    auto other = pipe::sender::from_native(::dup(tx.native_handle())).value();
    const std::vector<std::byte> large(100'000);
    while (tx.try_write(large)) {
    }
    auto first = eddy::select(tx.writable(), eddy::yield_now());
    EXPECT_EQ(within(core, std::move(first)).index(), 1u);  // it is registered
    EXPECT_TRUE(within(core, tx.shutdown()));
    eddy::drop(std::move(tx));
    std::vector<std::byte> into(100'000);
    while (rx.try_read(into)) {
    }
    EXPECT_TRUE(within(core, other.writable()).value().is_writable());  // a tick with an event of the old file
    within(core, other.write_all(bytes_of("more"))).value();
    EXPECT_EQ(within(core, read_some(rx)), "more");
    EXPECT_TRUE(within(core, other.shutdown()));
    EXPECT_EQ(within(core, read_some(rx)), "");
}

TEST(Pipe, ShutdownWakesTasksThatWait) {
    eddy::core core;
    auto [tx, rx] = pipe::make().value();
    const std::vector<std::byte> large(100'000);
    while (tx.try_write(large)) {
    }
    const auto write = [&]() -> eddy::task<std::error_code> {
        const auto written = co_await tx.write_all(large);
        co_return written ? std::error_code() : written.error();
    };
    const auto end = [&]() -> eddy::task<bool> {
        co_await eddy::yield_now();
        const auto ended = co_await tx.shutdown();
        co_return ended.has_value();
    };
    auto all =
        eddy::join(write(), tx.ready(eddy::io::interest::writable), tx.ready(eddy::io::interest::readable), end());
    const auto [written, ready, other_way, is_ended] = within(core, std::move(all));
    EXPECT_EQ(written, std::errc::broken_pipe);
    EXPECT_TRUE(ready.value().is_error());
    EXPECT_TRUE(other_way.value().is_error());
    EXPECT_TRUE(is_ended);
}

TEST(Pipe, ShutdownWorksAfterTheLoopHasEnded) {
    auto [tx, rx] = pipe::make().value();
    {
        eddy::core core;
        EXPECT_TRUE(within(core, tx.writable()));
    }
    eddy::core core;
    EXPECT_TRUE(within(core, tx.shutdown()));
    EXPECT_EQ(within(core, read_some(rx)), "");
}

TEST(Pipe, CopyInBothDirectionsEndsTheOther) {
    eddy::core core;
    auto from = pipe::make().value();
    auto to = pipe::make().value();
    auto back = pipe::make().value();
    auto none = pipe::make().value();
    within(core, from.tx.write_all(bytes_of("text"))).value();
    eddy::drop(std::move(from.tx));
    auto near = eddy::io::join(std::move(from.rx), std::move(none.tx));
    auto far = eddy::io::join(std::move(back.rx), std::move(to.tx));
    const auto receive = [&]() -> eddy::task<std::size_t> {
        const auto count = co_await count_all(std::move(to.rx));
        eddy::drop(std::move(back.tx));  // the end of the other direction
        co_return count;
    };
    auto both = eddy::join(eddy::io::copy_bidirectional(near, far), receive());
    const auto [copied, received] = within(core, std::move(both));
    EXPECT_TRUE(copied);
    EXPECT_EQ(received, 4u);
}

// covers: P062
TEST(Pipe, TryFormsNeverWait) {
    eddy::core core;
    auto [tx, rx] = pipe::make().value();
    std::array<std::byte, 64> into{};
    EXPECT_EQ(rx.try_read(into).error(), std::errc::operation_would_block);
    EXPECT_EQ(tx.try_write(bytes_of("x")).value(), 1u);
    EXPECT_TRUE(within(core, rx.readable()).value().is_readable());
    EXPECT_EQ(rx.try_read(into).value(), 1u);
    EXPECT_EQ(rx.try_read(into).error(), std::errc::operation_would_block);
    EXPECT_TRUE(within(core, tx.writable()));
    const std::vector<std::byte> large(100'000);
    while (tx.try_write(large)) {
    }
    EXPECT_EQ(tx.try_write(bytes_of("x")).error(), std::errc::operation_would_block);
}

/// Restores the default action of SIGPIPE, which ends the process, for its lifetime.
class default_sigpipe {
public:
    default_sigpipe() : before_(std::signal(SIGPIPE, SIG_DFL)) {}
    default_sigpipe(const default_sigpipe&) = delete;
    default_sigpipe& operator=(const default_sigpipe&) = delete;
    ~default_sigpipe() { static_cast<void>(std::signal(SIGPIPE, before_)); }

private:
    void (*before_)(int);
};

// covers: P062
TEST(Pipe, WriteWithoutReaderFailsWithoutSignal) {
    const default_sigpipe fatal;
    eddy::core core;
    auto [tx, rx] = pipe::make().value();
    {
        const auto dropped = std::move(rx);
    }
    EXPECT_EQ(within(core, tx.write(bytes_of("x"))).error(), std::errc::broken_pipe);
    const std::array<std::span<const std::byte>, 2> parts{bytes_of("x"), bytes_of("y")};
    EXPECT_EQ(within(core, tx.write_vectored(parts)).error(), std::errc::broken_pipe);
    sigset_t pending;
    sigpending(&pending);
    EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    EXPECT_EQ(sigismember(&blocked, SIGPIPE), 0);
}

TEST(PipeDeathTest, FailedWriteLeavesNoPendingSigpipe) {
    EXPECT_EXIT(
        {
            sigset_t broken;
            sigemptyset(&broken);
            sigaddset(&broken, SIGPIPE);
            std::signal(SIGPIPE, SIG_DFL);
            pthread_sigmask(SIG_BLOCK, &broken, nullptr);
            auto ends = pipe::make();
            static_cast<void>(pipe::receiver(std::move(ends->rx)));
            const auto count = ends->tx.try_write(bytes_of("x"));
            const bool is_reported = !count && count.error() == std::errc::broken_pipe;
            pthread_sigmask(SIG_UNBLOCK, &broken, nullptr);
            std::_Exit(is_reported ? EXIT_SUCCESS : EXIT_FAILURE);
        },
        ::testing::ExitedWithCode(EXIT_SUCCESS), "");
}

TEST(PipeDeathTest, FailedWriteKeepsEarlierPendingSigpipe) {
    EXPECT_EXIT(
        {
            sigset_t broken;
            sigemptyset(&broken);
            sigaddset(&broken, SIGPIPE);
            pthread_sigmask(SIG_BLOCK, &broken, nullptr);
            ::raise(SIGPIPE);
            auto ends = pipe::make();
            static_cast<void>(pipe::receiver(std::move(ends->rx)));
            static_cast<void>(ends->tx.try_write(bytes_of("x")));
            sigset_t pending;
            sigpending(&pending);
            std::_Exit(sigismember(&pending, SIGPIPE) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
        },
        ::testing::ExitedWithCode(EXIT_SUCCESS), "");
}

// covers: R004
TEST(Pipe, DroppedReaderEndsWaitingWrite) {
    eddy::core core;
    auto [tx, rx] = pipe::make().value();
    const auto leave = [](pipe::receiver mine) -> eddy::task<void> {
        co_await eddy::yield_now();
        const auto dropped = std::move(mine);
    };
    auto both = eddy::join(write_many(std::move(tx), 1'000'000), leave(std::move(rx)));
    EXPECT_FALSE(within(core, std::move(both)).first);
}

// ---- FIFOs ----

// covers: P062
TEST(Pipe, FifoConnectsReaderAndWriter) {
    const support::temp_dir dir;
    eddy::core core;
    const auto path = fifo_in(dir);
    EXPECT_EQ(pipe::open_sender(path).error(), std::errc::no_such_device_or_address) << "the FIFO has no reader yet";
    auto rx = pipe::open_receiver(path).value();
    auto tx = pipe::open_sender(path).value();
    auto both = eddy::join(read_some(rx), tx.write_all(bytes_of("fifo")));
    EXPECT_EQ(within(core, std::move(both)).first, "fifo");
    {
        const auto dropped = std::move(tx);
    }
    EXPECT_EQ(within(core, read_some(rx)), "");
    auto again = pipe::open_sender(path).value();
    auto more = eddy::join(read_some(rx), again.write_all(bytes_of("again")));
    EXPECT_EQ(within(core, std::move(more)).first, "again") << "a FIFO can be opened again";
}

// covers: P062
TEST(Pipe, FifoOpenedReadWriteNeverEnds) {
    const support::temp_dir dir;
    eddy::core core;
    const auto path = fifo_in(dir);
    auto rx = pipe::open_options().read_write(true).open_receiver(path).value();
    for (int i = 0; i < 2; ++i) {
        auto tx = pipe::open_sender(path).value();
        within(core, tx.write_all(bytes_of("x"))).value();
        EXPECT_EQ(within(core, read_some(rx)), "x");
    }
    auto limited = eddy::select(read_some(rx), eddy::yield_now());
    EXPECT_EQ(within(core, std::move(limited)).index(), 1u);
    EXPECT_TRUE(pipe::open_options().read_write(true).open_sender(path));
}

// covers: P062
TEST(Pipe, OpenRefusesOtherFiles) {
    const support::leaves_no_descriptor guard;
    const support::temp_dir dir;
    const auto path = dir / "file";
    std::ofstream(path) << "text";
    EXPECT_EQ(pipe::open_receiver(path).error(), eddy::errc::not_a_pipe);
    EXPECT_EQ(pipe::open_sender(path).error(), std::errc::invalid_argument);
    EXPECT_TRUE(pipe::open_options().unchecked(true).open_receiver(path));
    EXPECT_EQ(pipe::open_receiver(dir / "nothing").error(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(pipe::open_receiver("").error(), eddy::errc::bad_path);
    EXPECT_EQ(pipe::open_receiver(std::string_view("a\0b", 3)).error(), eddy::errc::bad_path);
}

// covers: P062
TEST(Pipe, FromNativeAndIntoNativeKeepDescriptor) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    std::array<int, 2> fds{};
    ASSERT_EQ(::pipe2(fds.data(), O_NONBLOCK | O_CLOEXEC), 0);
    auto rx = pipe::receiver::from_native(fds[0]).value();
    auto tx = pipe::sender::from_native(fds[1]).value();
    EXPECT_EQ(pipe::sender::from_native(::dup(fds[0])).error(), std::errc::permission_denied);
    EXPECT_EQ(pipe::receiver::from_native(::dup(fds[1])).error(), std::errc::permission_denied);
    within(core, tx.write_all(bytes_of("x"))).value();
    EXPECT_EQ(within(core, read_some(rx)), "x");
    const auto parts = within(core, std::move(tx).into_native()).value();
    EXPECT_EQ(parts.native_handle, fds[1]);
    ::close(fds[1]);
    ASSERT_EQ(::pipe(fds.data()), 0);
    EXPECT_EQ(pipe::receiver::from_native(fds[0]).error(), eddy::errc::blocking_descriptor);
    ::close(fds[1]);
    auto socket = support::raw_socket::listening();
    socket.set_nonblocking();
    EXPECT_EQ(pipe::receiver::from_native(socket.release()).error(), eddy::errc::not_a_pipe);
}

TEST(Pipe, SelfAssignmentKeepsDescriptor) {
    auto [tx, rx] = pipe::make().value();
    support::assign_to_itself(rx);
    support::assign_to_itself(tx);
    EXPECT_EQ(tx.try_write(bytes_of("x")).value(), 1u);
    std::array<std::byte, 4> into{};
    EXPECT_EQ(rx.try_read(into).value(), 1u);
}

TEST(Pipe, LoopShutdownEndsPendingRead) {
    auto [tx, rx] = pipe::make().value();
    {
        eddy::core core;
        auto limited = eddy::select(read_some(rx), eddy::yield_now());
        EXPECT_EQ(within(core, std::move(limited)).index(), 1u);
    }
    eddy::core core;
    std::array<std::byte, 4> into{};
    EXPECT_EQ(within(core, rx.read(into)).error(), eddy::errc::runtime_shutdown);
}

}  // namespace
