// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>

// Trees of directories, and programs that say what is in them.

namespace support {

/// Runs a command of the shell and returns its standard output. Throws if it fails.
inline std::string output_of(const std::string& command) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"), &::pclose);
    if (!pipe) throw std::runtime_error("popen");
    std::string text;
    std::array<char, 4096> buffer{};
    while (const auto count = std::fread(buffer.data(), 1, buffer.size(), pipe.get()))
        text.append(buffer.data(), count);
    return text;
}

/// Creates a file with `content`.
inline void put_file(const std::string& path, const std::string& content) {
    std::ofstream file(path, std::ios::binary);
    file << content;
    if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

/// Creates random trees: directories (also empty ones), files of several sizes (also with holes), symbolic links (also
/// to nothing, and out of the tree), FIFOs, sockets and second names of all of these, with odd names, random modes and
/// times. Only root gets directories and files that their owner may not read.
class random_tree {
public:
    explicit random_tree(std::uint64_t seed) : dice_(seed) {}

    /// Creates the directory `path` with about `count` entries, in up to `levels` levels.
    void make(const std::string& path, int count, int levels = 4) {
        check(::mkdir(path.c_str(), 0700));
        for (int left = count; left > 0;) {
            const std::string name = path + "/" + name_of(left);
            --left;
            if (levels > 1 && number(5) == 0) {
                const int below = number(left + 1);
                make(name, below, levels - 1);
                left -= below;
            } else {
                make_entry(name);
            }
        }
        check(::chmod(path.c_str(), random_mode(0700)));
        set_times(path);
    }

private:
    void make_entry(const std::string& name) {
        if (number(8) == 0 && !last_.empty())
            return check(::linkat(AT_FDCWD, last_.c_str(), AT_FDCWD, name.c_str(), 0));
        last_ = name;
        switch (number(8)) {
        case 0: check(::symlink(number(2) == 0 ? "nothing" : "/etc", name.c_str())); break;
        case 1:
            check(::mknod(name.c_str(), static_cast<mode_t>((number(2) == 0 ? S_IFIFO : S_IFSOCK) | 0600), 0));
            break;
        default:
            put_file(name, content());
            if (number(4) == 0) check(::truncate(name.c_str(), 200'000 + number(200'000)));  // a hole at the end
            check(::chmod(name.c_str(), random_mode(0400)));
        }
        set_times(name);
    }

    std::string content() {
        static constexpr std::array<std::size_t, 5> sizes = {0, 1, 4096, 70'000, 300'000};
        std::string text(sizes[static_cast<std::size_t>(number(5))], 'x');
        for (std::size_t i = 0; i < text.size(); i += 97) text[i] = static_cast<char>(number(256));
        return text;
    }

    std::string name_of(int number_in_folder) {
        static const std::array<std::string, 8> kinds = {"file", "with space", "\xc3\xa9t\xc3\xa9",  ".hidden", "x\ny",
                                                         "-rf",  "\xff\xfe",   std::string(255, 'l')};
        const auto end = std::to_string(number_in_folder);
        return kinds[static_cast<std::size_t>(number(8))].substr(0, longest_name - end.size()) + end;
    }

    mode_t random_mode(int of_owner) {
        const int least = ::geteuid() == 0 && number(8) == 0 ? 0 : of_owner;
        return static_cast<mode_t>(least | number(010000));
    }

    /// Sets a time of access that is in the future, so that a read does not change it (see relatime in mount(8)).
    void set_times(const std::string& path) {
        const timespec accessed{4'000'000'000 + number(100'000'000), number(1'000'000'000)};
        const timespec modified{1'000'000'000 + number(500'000'000), number(1'000'000'000)};
        const std::array<timespec, 2> both = {accessed, modified};
        check(::utimensat(AT_FDCWD, path.c_str(), both.data(), AT_SYMLINK_NOFOLLOW));
    }

    /// Returns a number below `limit`.
    int number(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(dice_); }

    static void check(int answer) {
        if (answer != 0) throw std::system_error(errno, std::generic_category(), "cannot make a random tree");
    }

    static constexpr std::size_t longest_name = 255;

    std::mt19937_64 dice_;
    std::string last_;  // the entry that may get a second name
};

}  // namespace support
