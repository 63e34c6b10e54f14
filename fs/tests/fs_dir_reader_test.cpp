// SPDX-License-Identifier: MIT
// Entries of directories whose file system does not store their types.
// runs: once, asan, faults
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/file_contents.hpp>
#include <support/fs/file_faults.hpp>
#include <support/fs/on_loop.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using std::filesystem::file_type;
using support::on_loop;
using types = std::map<std::string, file_type>;

/// Returns the entries of a directory, or the first error.
fs::result<types> types_in(const std::string& path) {
    return on_loop([](std::string of) -> eddy::task<fs::result<types>> {
        types all;
        const auto dir = co_await eddy::try_(fs::open_dir(of));
        auto entries = dir.entries();
        while (auto entry = co_await eddy::try_(entries.try_next())) all.emplace(entry->name, entry->type);
        co_return all;
    }(path));
}

TEST(FsDirReader, TypesAreAskedIfTheDirectoryHasNone) {
    const support::temp_dir dir;
    support::set_contents(dir / "file", "");
    std::filesystem::create_directory(dir / "directory");
    std::filesystem::create_symlink("directory", dir / "link");
    ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = dir / "socket";
    ASSERT_LT(path.size(), sizeof address.sun_path);
    path.copy(address.sun_path, path.size());
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(socket);
    types expected = {{"file", file_type::regular},
                      {"directory", file_type::directory},
                      {"link", file_type::symlink},
                      {"fifo", file_type::fifo},
                      {"socket", file_type::socket}};
    // Not everybody may create devices.
    if (::mknod((dir / "null").c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0) expected["null"] = file_type::character;
    if (::mknod((dir / "disk").c_str(), S_IFBLK | 0600, makedev(7, 0)) == 0) expected["disk"] = file_type::block;
    EXPECT_EQ(types_in(dir / ".").value(), expected);
    const support::untyped_entries untyped;
    EXPECT_EQ(types_in(dir / ".").value(), expected);
}

TEST(FsDirReader, EntryRemovedBeforeItsTypeIsKnownIsLeftOut) {
    const support::temp_dir dir;
    for (const auto* name : {"a", "b"}) support::set_contents(dir / name, "");
    const support::untyped_entries untyped;
    const support::observed_file_calls observed([&](std::string_view function) {
        if (function == "fstatat") std::filesystem::remove(dir / "a");
    });
    // If "b" is the first entry, "a" is removed before it is read.
    EXPECT_EQ(types_in(dir / ".").value(), (types{{"b", file_type::regular}}));
}

TEST(FsDirReader, TypeThatCannotBeAskedIsAnError) {
    const support::temp_dir dir;
    support::set_contents(dir / "a", "");
    const support::untyped_entries untyped;
    const support::refused_file_call refused("fstatat", EIO);
    EXPECT_EQ(types_in(dir / ".").error().message(), "read " + (dir / ".") + ": Input/output error");
}

}  // namespace
