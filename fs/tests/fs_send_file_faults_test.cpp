// SPDX-License-Identifier: MIT
// runs: once, asan, faults
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/executors.hpp>
#include <support/file_contents.hpp>
#include <support/fs/file_faults.hpp>
#include <support/net.hpp>
#include <support/poll_once.hpp>
#include <support/temp_dir.hpp>

// fs::send_file() if bytes are not in the page cache, and if sendfile(2) fails.

namespace {

namespace fs = eddy::fs;
using checked = eddy::task<fs::result<void>>;

/// A file whose bytes fit into the buffers of a connection, so that one thread can send and receive them.
class sample {
public:
    sample() {
        for (int i = 0; i < 8'000; ++i) text += std::to_string(i);
        support::set_contents(path, text);
    }

    support::temp_dir dir;
    std::string path = dir / "file";
    std::string text;
    support::connection pair;
};

void run(auto test) {
    support::executor runs(0);
    const auto done = runs.run(test());
    EXPECT_TRUE(done) << done.error().message();
}

TEST(FsSendFileFaults, ColdBytesAreReadOnAnotherThread) {
    sample file;
    run([&]() -> checked {
        auto opened = co_await eddy::try_(fs::file::open(file.path));
        const auto before = fs::metrics();
        const support::refused_file_call cold("preadv2", EAGAIN);
        support::held_file_call disk("pread");
        auto sending = fs::send_file(file.pair.stream, opened, fs::file_range(0, file.text.size()));
        const auto is_ready = co_await support::poll_once(sending);
        EXPECT_FALSE(is_ready) << "the event loop does not wait for the disk";
        disk.wait_until_held();
        disk.release();
        const auto sent = co_await eddy::try_(std::move(sending));
        EXPECT_EQ(sent, file.text.size());
        EXPECT_TRUE(file.pair.peer.receive(file.text.size()) == file.text);
        const auto after = fs::metrics();
        EXPECT_EQ(after.sent_bytes, before.sent_bytes);
        EXPECT_EQ(after.copied_bytes - before.copied_bytes, file.text.size());
        co_return {};
    });
}

TEST(FsSendFileFaults, DropWhileTheDiskReadsSendsNothing) {
    sample file;
    run([&]() -> checked {
        auto opened = co_await eddy::try_(fs::file::open(file.path));
        const support::refused_file_call cold("preadv2", EAGAIN);
        support::held_file_call disk("pread");
        {
            auto dropped = fs::send_file(file.pair.stream, opened);
            const auto is_ready = co_await support::poll_once(dropped);
            EXPECT_FALSE(is_ready);
            disk.wait_until_held();
            EXPECT_EQ(dropped.sent(), 0U);
        }
        disk.release();
        const auto sent = co_await eddy::try_(fs::send_file(file.pair.stream, opened, fs::file_range(10, 20)));
        EXPECT_EQ(sent, 20U);
        EXPECT_EQ(file.pair.peer.receive(20), file.text.substr(10, 20));
        co_return {};
    });
}

TEST(FsSendFileFaults, CopiesIfSendfileIsRefused) {
    for (const int error : {EINVAL, ENOSYS, EPERM}) {
        sample file;
        run([&]() -> checked {
            auto opened = co_await eddy::try_(fs::file::open(file.path));
            const auto before = fs::metrics();
            const support::refused_file_call refused("sendfile", error);
            const auto sent = co_await eddy::try_(fs::send_file(file.pair.stream, opened));
            EXPECT_EQ(sent, file.text.size());
            EXPECT_TRUE(file.pair.peer.receive(file.text.size()) == file.text);
            EXPECT_EQ(fs::metrics().copied_bytes - before.copied_bytes, file.text.size());
            co_return {};
        });
    }
}

/// Reads a byte, and returns whether the page cache was asked in vain: then sendfile(2) is not used.
eddy::task<fs::result<bool>> is_cold(fs::file& file) {
    const auto before = fs::metrics().cached_reads;
    std::array<char, 1> byte{};
    const auto count = co_await eddy::try_(file.read_at(std::span(byte), 0));
    EXPECT_EQ(count, 1U);
    co_return fs::metrics().cached_reads == before;
}

template <class T>
std::string message_of(const fs::result<T>& done) {
    return done ? "no error" : done.error().message();
}

TEST(FsSendFileFaults, ErrorsHaveThePath) {
    sample file;
    run([&]() -> checked {
        auto opened = co_await eddy::try_(fs::file::open(file.path));
        const bool only_copies = co_await eddy::try_(is_cold(opened));
        {
            const support::refused_file_call failing("sendfile", EIO);
            const auto failed = co_await fs::send_file(file.pair.stream, opened);
            EXPECT_EQ(message_of(failed), only_copies ? "no error" : "send " + file.path + ": Input/output error");
        }
        const support::refused_file_call cold("preadv2", EAGAIN);
        const support::refused_file_call failing("pread", EIO);
        const auto failed = co_await fs::send_file(file.pair.stream, opened);
        EXPECT_EQ(message_of(failed), "read " + file.path + ": Input/output error");
        co_return {};
    });
}

}  // namespace
