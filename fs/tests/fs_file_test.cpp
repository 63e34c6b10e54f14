// SPDX-License-Identifier: MIT
// covers: P068
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/executors.hpp>
#include <support/file_contents.hpp>
#include <support/net.hpp>
#include <support/poll_once.hpp>
#include <support/temp_dir.hpp>

// fs::file, on an event loop and on a runtime.

namespace {

namespace fs = eddy::fs;
using support::contents_of;
using support::set_contents;
using support::text_of;

static_assert(eddy::io::vectored_read<fs::file>);
static_assert(eddy::io::vectored_write<fs::file>);
static_assert(eddy::io::async_seek<fs::file>);

/// Runs a coroutine, whose errors fail the test, on an event loop and on a runtime.
template <class F>
void on_each_executor(F test) {
    for (const unsigned workers : {0U, 2U}) {
        support::executor runs(workers);
        const auto done = runs.run(test());
        EXPECT_TRUE(done) << (workers == 0 ? "event loop: " : "runtime: ") << done.error().message();
    }
}

using checked = eddy::task<fs::result<void>>;

TEST(FsFile, WritesAndReadsAtThePosition) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto options = fs::open_options().read(true).write(true).create(true).truncate(true);
        auto file = co_await eddy::try_(options.open(dir / "a"));
        const auto written = co_await eddy::try_(file.write("hello, world"));
        EXPECT_EQ(written, 12U);
        EXPECT_EQ(contents_of(dir / "a"), "hello, world") << "without a flush";
        EXPECT_EQ(file.position(), 12U);
        const auto position = co_await eddy::try_(file.seek(eddy::io::seek_from::end(-5)));
        EXPECT_EQ(position, 7U);
        std::array<char, 32> buffer{};
        const auto count = co_await eddy::try_(file.read(std::span(buffer)));
        EXPECT_EQ(std::string_view(buffer.data(), count), "world");
        const auto end = co_await eddy::try_(file.read(std::span(buffer)));
        EXPECT_EQ(end, 0U);
        co_return {};
    });
}

TEST(FsFile, SeekReportsPositionsBeforeTheStart) {
    const support::temp_dir dir;
    set_contents(dir / "a", "0123456789");
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::open(dir / "a"));
        auto position = co_await eddy::try_(file.seek(eddy::io::seek_from::start(4)));
        position = co_await eddy::try_(file.seek(eddy::io::seek_from::current(3)));
        EXPECT_EQ(position, 7U);
        const auto before = co_await file.seek(eddy::io::seek_from::current(-8));
        EXPECT_EQ(before.error(), std::errc::invalid_argument);
        EXPECT_EQ(before.error().operation(), std::string("seek"));
        EXPECT_EQ(before.error().path(), dir / "a");
        const auto before_end = co_await file.seek(eddy::io::seek_from::end(-11));
        EXPECT_EQ(before_end.error(), std::errc::invalid_argument);
        EXPECT_EQ(file.position(), 7U);
        position = co_await eddy::try_(file.seek(eddy::io::seek_from::end(5)));
        EXPECT_EQ(position, 15U);
        std::array<char, 4> buffer{};
        const auto count = co_await eddy::try_(file.read(std::span(buffer)));
        EXPECT_EQ(count, 0U);
        co_return {};
    });
}

TEST(FsFile, WorksWithTheAlgorithmsOfIo) {
    const support::temp_dir dir;
    std::string text;
    for (int i = 0; i < 200'000; ++i) text += std::to_string(i) + "\n";
    set_contents(dir / "a", text);
    on_each_executor([&]() -> checked {
        auto from = co_await eddy::try_(fs::file::open(dir / "a"));
        auto to = co_await eddy::try_(fs::file::create(dir / "b"));
        auto copied = co_await eddy::io::copy(from, to);
        EXPECT_EQ(copied.value(), text.size());
        const auto same = contents_of(dir / "b") == text;
        EXPECT_TRUE(same);
        auto again = co_await eddy::try_(fs::file::create(dir / "b"));
        auto all = co_await eddy::io::write_all(again, text);
        EXPECT_TRUE(all);
        EXPECT_EQ(contents_of(dir / "b"), text);
        auto reader = co_await eddy::try_(fs::file::open(dir / "b"));
        auto lines = eddy::io::lines(eddy::io::buf_reader(std::move(reader)));
        std::size_t count = 0;
        while (auto line = co_await lines.next()) {
            EXPECT_EQ(line->value(), std::to_string(count++));
        }
        EXPECT_EQ(count, 200'000U);
        co_return {};
    });
}

TEST(FsFile, ReadsAndWritesAtOffsets) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto options = fs::open_options().read(true).write(true).create(true).truncate(true);
        auto file = co_await eddy::try_(options.open(dir / "a"));
        const std::string first = "abc", second = "def";
        const std::array parts{std::as_bytes(std::span(first)), std::as_bytes(std::span(second))};
        auto count = co_await eddy::try_(file.write_vectored_at(parts, 4));
        EXPECT_EQ(count, 6U);
        count = co_await eddy::try_(file.write_at("0123", 0));
        EXPECT_EQ(count, 4U);
        EXPECT_EQ(file.position(), 0U);
        EXPECT_EQ(contents_of(dir / "a"), "0123abcdef");
        std::array<std::byte, 2> left{};
        std::array<std::byte, 16> right{};
        const std::array<std::span<std::byte>, 2> into{left, right};
        count = co_await eddy::try_(file.read_vectored_at(into, 3));
        EXPECT_EQ(count, 7U);
        EXPECT_EQ(text_of(left), "3a");
        EXPECT_EQ(text_of(std::span(right).first(5)), "bcdef");
        count = co_await eddy::try_(file.read_vectored(into));
        EXPECT_EQ(count, 10U);
        co_return {};
    });
}

TEST(FsFile, OffsetsOutsideOfFilesAreRefused) {
    const support::temp_dir dir;
    set_contents(dir / "a", "0123456789");
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::open_options().read(true).write(true).open(dir / "a"));
        // -1 stands for the position of the descriptor in preadv2(2).
        for (const std::uint64_t offset : {~std::uint64_t{0}, std::uint64_t{1} << 63}) {
            std::array<char, 4> buffer{};
            const auto read = co_await file.read_at(std::span(buffer), offset);
            EXPECT_EQ(read.error(), std::errc::invalid_argument);
            const auto written = co_await file.write_at("x", offset);
            EXPECT_EQ(written.error(), std::errc::invalid_argument);
        }
        EXPECT_EQ(contents_of(dir / "a"), "0123456789");
        co_return {};
    });
}

TEST(FsFile, ReadsBeyondTwoGigabytes) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto options = fs::open_options().read(true).write(true).create(true).truncate(true);
        auto file = co_await eddy::try_(options.open(dir / "a"));
        const std::uint64_t far = (std::uint64_t{5} << 30) + 1;
        co_await eddy::try_(file.truncate(far + 4));  // sparse
        const auto written = co_await eddy::try_(file.write_at("far", far));
        EXPECT_EQ(written, 3U);
        const auto size = co_await eddy::try_(file.size());
        EXPECT_EQ(size, far + 4);
        std::array<char, 8> buffer{};
        const auto count = co_await eddy::try_(file.read_at(std::span(buffer), far));
        EXPECT_EQ(std::string_view(buffer.data(), count), std::string_view("far\0", 4));
        co_return {};
    });
}

TEST(FsFile, AppendsAtTheEndOfTheFile) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        set_contents(dir / "a", "one\n");
        auto file = co_await eddy::try_(fs::open_options().append(true).create(true).open(dir / "a"));
        auto count = co_await eddy::try_(file.write("two\n"));
        EXPECT_EQ(count, 4U);
        EXPECT_EQ(file.position(), 8U);
        std::ofstream(dir / "a", std::ios::app) << "three\n";
        count = co_await eddy::try_(file.write("four\n"));
        EXPECT_EQ(file.position(), 19U);
        EXPECT_EQ(contents_of(dir / "a"), "one\ntwo\nthree\nfour\n");
        // pwrite(2) would append on Linux, whatever the offset is.
        const auto at = co_await file.write_at("x", 0);
        EXPECT_EQ(at.error(), fs::errc::append_only);
        EXPECT_EQ(contents_of(dir / "a"), "one\ntwo\nthree\nfour\n");
        auto flagged = co_await eddy::try_(fs::open_options().write(true).custom_flags(O_APPEND).open(dir / "a"));
        count = co_await eddy::try_(flagged.write("five\n"));
        EXPECT_EQ(flagged.position(), 24U);
        EXPECT_EQ(contents_of(dir / "a"), "one\ntwo\nthree\nfour\nfive\n");
        co_return {};
    });
}

TEST(FsFile, ChangesSizePermissionsAndTimes) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        co_await eddy::try_(file.truncate(100));
        co_await eddy::try_(file.set_permissions(std::filesystem::perms(0640)));
        const fs::file_time then(std::chrono::seconds(-1) + std::chrono::nanoseconds(5));
        co_await eddy::try_(file.set_times(std::nullopt, then));
        co_await eddy::try_(file.sync_data());
        co_await eddy::try_(file.sync_all());
        const auto found = co_await eddy::try_(file.metadata());
        EXPECT_TRUE(found.is_regular());
        EXPECT_EQ(found.size, 100U);
        EXPECT_EQ(found.permissions, std::filesystem::perms(0640));
        EXPECT_EQ(found.modified, then);
        EXPECT_EQ(found.links, 1U);
        EXPECT_EQ(found.user, ::getuid());
        struct stat known{};
        EXPECT_EQ(::stat((dir / "a").c_str(), &known), 0);
        EXPECT_EQ(found.inode, known.st_ino);
        EXPECT_EQ(found.device, known.st_dev);
        co_await eddy::try_(file.advise(fs::access_pattern::sequential));
        const auto allocated = co_await file.allocate(0, 1 << 20);
        if (allocated || allocated.error() != std::errc::operation_not_supported) {
            EXPECT_TRUE(allocated);
            const auto size = co_await eddy::try_(file.size());
            EXPECT_EQ(size, 1U << 20);
        }
        co_return {};
    });
}

TEST(FsFile, TimesThatDoNotFitAreTheNearestOnes) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        // The years 1653 and 2286. Not all file systems keep them.
        for (const std::int64_t seconds : {-10'000'000'000, 10'000'000'000}) {
            std::array<timespec, 2> times{};
            times[0].tv_nsec = UTIME_OMIT;
            times[1].tv_sec = seconds;
            EXPECT_EQ(::futimens(file.native_handle(), times.data()), 0);
            struct stat known{};
            EXPECT_EQ(::fstat(file.native_handle(), &known), 0);
            if (known.st_mtime != seconds) continue;
            const auto found = co_await eddy::try_(file.metadata());
            EXPECT_EQ(found.modified, seconds < 0 ? fs::file_time::min() : fs::file_time::max());
            co_await eddy::try_(file.set_times(std::nullopt, found.modified));
            EXPECT_EQ(::fstat(file.native_handle(), &known), 0);
            EXPECT_EQ(known.st_mtime, seconds < 0 ? -9'223'372'037 : 9'223'372'036);
        }
        co_return {};
    });
}

TEST(FsFile, CloneHasItsOwnPosition) {
    const support::temp_dir dir;
    set_contents(dir / "a", "0123456789");
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::open(dir / "a"));
        std::array<char, 4> buffer{};
        auto count = co_await eddy::try_(file.read(std::span(buffer)));
        auto clone = co_await eddy::try_(file.try_clone());
        EXPECT_EQ(clone.position(), 4U);
        co_await eddy::try_(file.close());
        count = co_await eddy::try_(clone.read(std::span(buffer)));
        EXPECT_EQ(std::string_view(buffer.data(), count), "4567");
        EXPECT_EQ(clone.path(), dir / "a");
        co_return {};
    });
}

// covers: R122
TEST(FsFile, ShutdownOfABufferedWriterWritesItsBuffer) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        eddy::io::buf_writer writer(co_await eddy::try_(fs::file::create(dir / "a")), 64);
        const auto written = co_await eddy::io::write_all(writer, "few bytes");
        EXPECT_TRUE(written);
        auto text = co_await eddy::try_(fs::read_to_string(dir / "a"));
        EXPECT_EQ(text, "") << "they are in the buffer";
        const auto ended = co_await eddy::io::shutdown(writer);
        EXPECT_TRUE(ended);
        text = co_await eddy::try_(fs::read_to_string(dir / "a"));
        EXPECT_EQ(text, "few bytes");
        co_return {};
    });
}

TEST(FsFile, OperationsAfterCloseFail) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create_new(dir / "a"));
        const int fd = file.native_handle();
        co_await eddy::try_(file.close());
        EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
        std::array<char, 4> buffer{};
        const auto read = co_await file.read(std::span(buffer));
        EXPECT_EQ(read.error(), fs::errc::closed);
        const auto read_at = co_await file.read_at(std::span(buffer), 0);
        EXPECT_EQ(read_at.error(), fs::errc::closed);
        const auto written = co_await file.write("x");
        EXPECT_EQ(written.error(), fs::errc::closed);
        const auto size = co_await file.size();
        EXPECT_EQ(size.error(), fs::errc::closed);
        const auto again = co_await file.close();
        EXPECT_EQ(again.error(), fs::errc::closed);
        EXPECT_EQ(again.error().message(), "close " + (dir / "a") + ": the file was closed");
        EXPECT_EQ(::unlink((dir / "a").c_str()), 0);
        co_return {};
    });
}

TEST(FsFile, MovedFromFileIsMisuse) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        const auto moved = std::move(file);
        EXPECT_THROW(static_cast<void>(file.size()), eddy::misuse);  // NOLINT(bugprone-use-after-move)
        EXPECT_EQ(moved.path(), dir / "a");
        co_return {};
    });
}

// ---- Open ----

// covers: P069
TEST(FsOpenOptions, CombinationsAreThoseOfRust) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        const auto none = co_await fs::open_options().open(dir / "a");
        EXPECT_EQ(none.error(), fs::errc::no_access);
        EXPECT_EQ(none.error(), std::errc::invalid_argument);
        EXPECT_EQ(none.error().message(), "open " + (dir / "a") + ": choose read(true), write(true) or append(true)");
        const auto created = co_await fs::open_options().read(true).create(true).open(dir / "a");
        EXPECT_EQ(created.error(), fs::errc::needs_write);
        EXPECT_EQ(created.error(), std::errc::invalid_argument);
        const auto cut = co_await fs::open_options().append(true).truncate(true).open(dir / "a");
        EXPECT_EQ(cut.error(), fs::errc::append_truncate);
        EXPECT_EQ(cut.error(), std::errc::invalid_argument);
        const auto missing = co_await fs::open_options().write(true).open(dir / "a");
        EXPECT_EQ(missing.error().message(), "open " + (dir / "a") + ": No such file or directory");
        const auto fresh = co_await fs::open_options().append(true).create_new(true).open(dir / "a");
        EXPECT_TRUE(fresh);
        const auto twice = co_await fs::open_options().write(true).create_new(true).open(dir / "a");
        EXPECT_EQ(twice.error(), std::errc::file_exists);
        const auto secret = co_await fs::open_options()
                                .write(true)
                                .create(true)
                                .mode(std::filesystem::perms(0600))
                                .open(dir / "secret");
        EXPECT_TRUE(secret);
        EXPECT_EQ(std::filesystem::status(dir / "secret").permissions(), std::filesystem::perms(0600));
        EXPECT_EQ(::symlink("secret", (dir / "link").c_str()), 0);
        const auto link = co_await fs::open_options().read(true).no_follow(true).open(dir / "link");
        EXPECT_EQ(link.error(), std::errc::too_many_symbolic_link_levels);
        const auto appending = co_await fs::open_options().read(true).custom_flags(O_DIRECTORY).open(dir / "secret");
        EXPECT_EQ(appending.error(), std::errc::not_a_directory);
        for (const auto* name : {"a", "secret", "link"}) EXPECT_EQ(::unlink((dir / name).c_str()), 0);
        co_return {};
    });
}

TEST(FsOpenOptions, CustomFlagsDoNotChangeTheAccess) {
    const support::temp_dir dir;
    set_contents(dir / "a", "text");
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::open_options().read(true).custom_flags(O_RDWR).open(dir / "a"));
        EXPECT_EQ(::fcntl(file.native_handle(), F_GETFL) & O_ACCMODE, O_RDONLY);
        co_return {};
    });
}

#ifdef F_SETLEASE
int leased = -1;  // a file of which this process has a lease, until another open of it

// open(2) with O_NONBLOCK fails then.
TEST(FsOpenOptions, OpenWaitsForTheEndOfALease) {
    const support::temp_dir dir;
    set_contents(dir / "a", "text");
    struct sigaction gives_up{}, before{};
    gives_up.sa_handler = [](int) { ::fcntl(leased, F_SETLEASE, F_UNLCK); };
    ASSERT_EQ(::sigaction(SIGIO, &gives_up, &before), 0);
    leased = ::open((dir / "a").c_str(), O_RDWR | O_CLOEXEC);
    on_each_executor([&]() -> checked {
        // Not all file systems have leases.
        if (::fcntl(leased, F_SETLEASE, F_WRLCK) != 0) co_return {};
        auto file = co_await eddy::try_(fs::file::open(dir / "a"));
        EXPECT_EQ(::fcntl(leased, F_GETLEASE), F_UNLCK);
        co_return {};
    });
    ::close(leased);
    ::sigaction(SIGIO, &before, nullptr);
}
#endif

TEST(FsOpenOptions, BadPathsAreRefused) {
    on_each_executor([&]() -> checked {
        const auto empty = co_await fs::file::open("");
        EXPECT_EQ(empty.error(), eddy::errc::bad_path);
        const auto nul = co_await fs::file::open(std::string("/tmp/a\0b", 8));
        EXPECT_EQ(nul.error(), eddy::errc::bad_path);
        co_return {};
    });
}

TEST(FsOpenOptions, DirectoriesAreRefused) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        const auto reader = co_await fs::file::open(dir / ".");
        EXPECT_EQ(reader.error(), fs::errc::directory);
        EXPECT_EQ(reader.error(), std::errc::is_a_directory);
        EXPECT_EQ(reader.error().message(), "open " + (dir / ".") + ": this is a directory: use fs::open_dir()");
        const auto writer = co_await fs::open_options().write(true).open(dir / ".");
        EXPECT_EQ(writer.error(), fs::errc::directory);
        const auto temporary = co_await fs::open_options().write(true).create(true).open(dir / ".");
        EXPECT_EQ(temporary.error(), fs::errc::directory);
        co_return {};
    });
}

TEST(FsFile, ReadIntoAnEmptyContainerIsMisuse) {
    const support::temp_dir dir;
    set_contents(dir / "a", "text");
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::open(dir / "a"));
        std::vector<char> none;
        std::string empty;
        EXPECT_THROW(static_cast<void>(file.read(none)), eddy::misuse);
        EXPECT_THROW(static_cast<void>(file.read_at(empty, 0)), eddy::misuse);
        none.resize(4);
        const auto count = co_await eddy::try_(file.read(none));
        EXPECT_EQ(count, 4U);
        empty.resize(2);
        const auto rest = co_await eddy::try_(file.read_at(empty, 2));
        EXPECT_EQ(rest, 2U);
        EXPECT_EQ(empty, "xt");
        co_return {};
    });
}

TEST(FsOpenOptions, SpecialFilesAreRefusedWithTheRightType) {
    const support::temp_dir dir;
    ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string socket_path = dir / "socket";
    ASSERT_LT(socket_path.size(), sizeof address.sun_path);
    socket_path.copy(address.sun_path, socket_path.size());
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    on_each_executor([&]() -> checked {
        const auto reader = co_await fs::file::open(dir / "fifo");
        EXPECT_EQ(reader.error(), fs::errc::fifo);
        const auto writer = co_await fs::open_options().write(true).open(dir / "fifo");
        EXPECT_EQ(writer.error(), fs::errc::fifo) << "without a reader, open(2) says ENXIO";
        EXPECT_EQ(writer.error().message(),
                  "open " + (dir / "fifo") + ": this is a FIFO: open it with net::pipe::open_options");
        const auto listener = co_await fs::file::open(dir / "socket");
        EXPECT_EQ(listener.error(), fs::errc::socket);
        const auto null = co_await fs::file::open("/dev/null");
        EXPECT_EQ(null.error(), fs::errc::device);
        const auto terminal = co_await fs::open_options().read(true).write(true).open("/dev/ptmx");
        EXPECT_FALSE(terminal);
        co_return {};
    });
    ::close(socket);
}

#ifdef __linux__
TEST(FsOpenOptions, DirectReadsCopyToBuffersOfAnyAlignment) {
    const support::temp_dir dir;
    set_contents(dir / "a", std::string(8192, 'd'));
    on_each_executor([&]() -> checked {
        for (const bool is_custom : {false, true}) {
            auto options = fs::open_options().read(true).write(true).direct(!is_custom);
            auto file = co_await options.custom_flags(is_custom ? O_DIRECT : 0).open(dir / "a");
            if (!file && file.error() == std::errc::invalid_argument) co_return {};  // a file system without O_DIRECT
            EXPECT_TRUE(file);
            std::vector<char> buffer(4097);
            const auto count = co_await eddy::try_(file->read_at(std::span(buffer).subspan(1), 4096));
            EXPECT_EQ(count, 4096U);
            EXPECT_EQ(buffer[4096], 'd');
            const auto written = co_await eddy::try_(file->write_at(std::span(buffer).subspan(1), 8192));
            EXPECT_EQ(written, 4096U);
            const auto crooked = co_await file->read_at(std::span(buffer).first(100), 0);
            EXPECT_TRUE(!crooked || *crooked == 100) << "file systems may accept it";
        }
        co_return {};
    });
}
#endif

// ---- Locks ----

TEST(FsLock, ExcludesOtherOpenFilesOfThisProcess) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto options = fs::open_options().read(true).write(true).create(true);
        auto first = co_await eddy::try_(options.open(dir / "a"));
        auto second = co_await eddy::try_(options.open(dir / "a"));
        {
            auto lock = co_await eddy::try_(first.lock());
            const auto refused = co_await eddy::try_(second.try_lock(fs::lock_kind::shared));
            EXPECT_FALSE(refused);
            // POSIX locks would vanish here.
            auto third = co_await eddy::try_(options.open(dir / "a"));
            co_await eddy::try_(third.close());
            const auto still = co_await eddy::try_(second.try_lock());
            EXPECT_FALSE(still);
        }
        auto shared = co_await eddy::try_(second.try_lock(fs::lock_kind::shared));
        EXPECT_TRUE(shared);
        const auto both = co_await eddy::try_(first.try_lock(fs::lock_kind::shared));
        EXPECT_TRUE(both);
        co_return {};
    });
}

TEST(FsLock, WaitsUntilTheLockIsReleased) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto options = fs::open_options().read(true).write(true).create(true);
        auto first = co_await eddy::try_(options.open(dir / "a"));
        auto second = co_await eddy::try_(options.open(dir / "a"));
        std::optional<fs::file_lock> lock(co_await eddy::try_(first.lock()));
        auto waits = second.lock();
        auto dropped = co_await eddy::time::timeout(std::chrono::milliseconds(1), std::move(waits));
        EXPECT_FALSE(dropped);
        lock.reset();
        auto got = co_await eddy::try_(second.lock());
        static_cast<void>(got);
        const auto excluded = co_await eddy::try_(first.try_lock());
        EXPECT_FALSE(excluded);
        co_return {};
    });
}

// The attempts themselves are blocking work, for some microseconds.
TEST(FsLock, WaitIsShownAsThatForALock) {
    const support::temp_dir dir;
    support::executor runs(0);
    const auto done = runs.run([&]() -> checked {
        auto options = fs::open_options().read(true).write(true).create(true);
        auto first = co_await eddy::try_(options.open(dir / "a"));
        auto second = co_await eddy::try_(options.open(dir / "a"));
        std::optional<fs::file_lock> lock(co_await eddy::try_(first.lock()));
        auto waiting = eddy::spawn(second.lock());
        const auto text = "waits for a file lock of descriptor " + std::to_string(second.native_handle()) + "\n";
        while (!eddy::dump_tasks().contains(text)) co_await eddy::yield_now();
        lock.reset();
        const auto got = co_await waiting;
        EXPECT_TRUE(got.value());
        co_return {};
    }());
    EXPECT_TRUE(done);
}

TEST(FsLock, IsReleasedWithItsLastGuard) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto options = fs::open_options().read(true).write(true).create(true);
        auto file = co_await eddy::try_(options.open(dir / "a"));
        auto clone = co_await eddy::try_(file.try_clone());
        auto other = co_await eddy::try_(options.open(dir / "a"));
        std::optional<fs::file_lock> lock(co_await eddy::try_(file.lock(fs::lock_kind::shared)));
        lock = co_await eddy::try_(file.lock());  // destroys the guard before
        auto excluded = co_await eddy::try_(other.try_lock());
        EXPECT_FALSE(excluded);
        {
            const auto again = co_await eddy::try_(file.try_lock());
            EXPECT_TRUE(again);
            const auto through_clone = co_await eddy::try_(clone.try_lock());
            EXPECT_TRUE(through_clone);
        }
        excluded = co_await eddy::try_(other.try_lock());
        EXPECT_FALSE(excluded);
        lock.reset();
        const auto free = co_await eddy::try_(other.try_lock());
        EXPECT_TRUE(free);
        co_return {};
    });
}

TEST(FsLock, FileMayBeMovedWhileItWaits) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto options = fs::open_options().read(true).write(true).create(true);
        auto first = co_await eddy::try_(options.open(dir / "a"));
        auto second = co_await eddy::try_(options.open(dir / "a"));
        std::optional<fs::file_lock> lock(co_await eddy::try_(first.lock()));
        auto waits = second.lock();
        const auto moved = std::move(second);
        const auto is_ready = co_await support::poll_once(waits);
        EXPECT_FALSE(is_ready);
        lock.reset();
        auto got = co_await eddy::try_(std::move(waits));
        static_cast<void>(got);
        const auto excluded = co_await eddy::try_(first.try_lock());
        EXPECT_FALSE(excluded);
        co_return {};
    });
}

// ---- The ways of a read ----

/// Returns whether the page cache has the beginning of a file, and the system can tell.
bool is_cached(int fd) {
#ifdef RWF_NOWAIT
    std::array<char, 1> byte{};
    const iovec into{byte.data(), byte.size()};
    return ::preadv2(fd, &into, 1, 0, RWF_NOWAIT) == 1;
#else
    static_cast<void>(fd);
    return false;
#endif
}

#ifdef __linux__
TEST(FsMetrics, CachedReadsNeedNoJob) {
    const support::temp_dir dir;
    set_contents(dir / "a", std::string(4096, 'x'));
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::open(dir / "a"));
        std::vector<char> buffer(1000);
        // Not in the cache: the first read is a job, and may make it so.
        auto count = co_await eddy::try_(file.read_at(std::span(buffer), 0));
        EXPECT_EQ(count, 1000U);
        const bool is_cached_before = is_cached(file.native_handle());
        const auto before = fs::metrics();
        for (int i = 0; i < 100; ++i) {
            count = co_await eddy::try_(file.read_at(std::span(buffer), 0));
            EXPECT_EQ(count, 1000U);
        }
        const auto after = fs::metrics();
        // Otherwise the file system cannot tell, or the page was dropped meanwhile.
        if (is_cached_before && is_cached(file.native_handle())) {
            EXPECT_EQ(after.cached_reads - before.cached_reads, 100U);
            EXPECT_EQ(after.jobs, before.jobs);
        } else {
            EXPECT_EQ(after.cached_reads - before.cached_reads + after.jobs - before.jobs, 100U);
        }
        co_return {};
    });
}
#endif

TEST(FsFile, CachedReadsTakeTheCoopBudget) {
    const support::temp_dir dir;
    set_contents(dir / "a", std::string(64 * 1024, 'x'));
    support::executor runs(0);
    const auto done = runs.run([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::open(dir / "a"));
        bool has_ended = false;
        std::size_t reads = 0;
        auto reader = [&]() -> checked {
            std::vector<char> buffer(64 * 1024);
            while (!has_ended) {
                const auto count = co_await eddy::try_(file.read_at(std::span(buffer), 0));
                EXPECT_EQ(count, buffer.size());
                ++reads;
            }
            co_return {};
        };
        auto ender = [&]() -> eddy::task<void> {
            co_await eddy::yield_now();
            has_ended = true;
        };
        const bool is_cached_before = is_cached(file.native_handle());
        const auto jobs = fs::metrics().jobs;
        auto both = co_await eddy::join(reader(), ender());
        auto& [read, ended] = both;
        EXPECT_TRUE(read);
        // 5 of 128 units for each, so at most 26 in a poll.
        EXPECT_LE(reads, 60U);
        if (is_cached_before && is_cached(file.native_handle())) {
            EXPECT_GE(reads, 20U) << "in one poll";
            EXPECT_EQ(fs::metrics().jobs, jobs);
        }
        co_return {};
    }());
    EXPECT_TRUE(done);
}

/// A limit of the size of files, until the end of the scope: a write beyond it fails, and one across it is short.
class file_size_limit {
public:
    explicit file_size_limit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit now{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &now);
    }
    file_size_limit(const file_size_limit&) = delete;
    file_size_limit& operator=(const file_size_limit&) = delete;
    ~file_size_limit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }

private:
    rlimit before_{};
    void (*handler_)(int);
};

TEST(FsFile, WriteOfWhichOnlyAPartFitsIsShort) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        const file_size_limit limit(5000);
        const std::string text(4000, 'x');
        auto count = co_await eddy::try_(file.write(text));
        EXPECT_EQ(count, 4000U);
        count = co_await eddy::try_(file.write(text));
        EXPECT_EQ(count, 1000U);
        EXPECT_EQ(file.position(), 5000U);
        const auto none = co_await file.write(text);
        EXPECT_EQ(none.error(), std::errc::file_too_large);
        EXPECT_EQ(file.position(), 5000U);
        EXPECT_EQ(contents_of(dir / "a"), std::string(5000, 'x'));
        co_return {};
    });
}

}  // namespace
