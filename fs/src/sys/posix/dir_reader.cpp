// SPDX-License-Identifier: MIT
#include "sys/dir_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

using std::filesystem::file_type;

/// Returns the type in a directory entry; `none` if the file system does not store it there.
file_type stored_type(const dirent& entry) noexcept {
    switch (entry.d_type) {
    case DT_REG: return file_type::regular;
    case DT_DIR: return file_type::directory;
    case DT_LNK: return file_type::symlink;
    case DT_FIFO: return file_type::fifo;
    case DT_SOCK: return file_type::socket;
    case DT_CHR: return file_type::character;
    case DT_BLK: return file_type::block;
    default: return file_type::none;
    }
}

/// Asks for the type. Returns `not_found` if the entry is gone.
result<file_type> asked_type(int dir, const char* name) noexcept {
    struct stat status{};
    if (retry_interrupted([&] { return ::fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW); }) == 0)
        return type_of_mode(status.st_mode);
    if (errno == ENOENT) return file_type::not_found;
    return std::unexpected(last_error());
}

/// Opens a directory another time, so that the readers have a position each.
result<unique_fd> open_again(int dir) {
    constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK;
    auto opened = own_or_error(retry_interrupted([&] { return ::openat(dir, ".", flags); }));
#if defined(__linux__)
    // With the right to read it, but not to search it, the name "." cannot be used.
    if (!opened && opened.error() == std::errc::permission_denied) {
        const auto path = "/proc/self/fd/" + std::to_string(dir);
        opened = own_or_error(retry_interrupted([&] { return ::open(path.c_str(), flags); }));
    }
#endif
    return opened;
}

}  // namespace

file_type type_of_mode(unsigned mode) noexcept {
    switch (mode & S_IFMT) {
    case S_IFREG: return file_type::regular;
    case S_IFDIR: return file_type::directory;
    case S_IFLNK: return file_type::symlink;
    case S_IFIFO: return file_type::fifo;
    case S_IFSOCK: return file_type::socket;
    case S_IFCHR: return file_type::character;
    case S_IFBLK: return file_type::block;
    default: return file_type::unknown;
    }
}

result<dir_reader> dir_reader::open(int dir) {
    auto again = open_again(dir);
    if (!again) return std::unexpected(again.error());
    DIR* opened = nullptr;
    do {
        opened = ::fdopendir(again->get());
    } while (opened == nullptr && errno == EINTR);
    if (opened == nullptr) return std::unexpected(last_error());
    static_cast<void>(again->release());  // closedir(3) closes it
    return dir_reader(stream(opened));
}

result<bool> dir_reader::read_until(std::vector<named_entry>& into, std::size_t end) {
    while (into.size() < end) {
        errno = 0;  // readdir(3): the only way to tell an error from the end
        const dirent* const entry = ::readdir(stream_.get());
        if (entry == nullptr && errno == EINTR) continue;  // network file systems
        if (entry == nullptr && errno != 0) return std::unexpected(last_error());
        if (entry == nullptr) return false;
        const std::string_view name(entry->d_name);
        if (name == "." || name == "..") continue;
        auto type = stored_type(*entry);
        if (type == file_type::none) {
            const auto asked = asked_type(::dirfd(stream_.get()), entry->d_name);
            if (!asked) return std::unexpected(asked.error());
            type = *asked;
        }
        if (type != file_type::not_found) into.emplace_back(std::string(name), type);
    }
    return true;
}

}  // namespace eddy::sys
