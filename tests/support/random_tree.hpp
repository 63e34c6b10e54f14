// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>

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

/// Creates random trees: directories, files of several sizes, symbolic links (also to nothing, and out of the tree),
/// hard links and FIFOs, with random modes and times.
class random_tree {
public:
    explicit random_tree(std::uint64_t seed) : dice_(seed) {}

    /// Creates the directory `path` with about `count` entries, in up to `levels` levels.
    void make(const std::string& path, int count, int levels = 4) {
        ::mkdir(path.c_str(), 0700);
        for (int left = count; left > 0;) {
            const std::string name = path + "/" + name_of(left);
            --left;
            if (levels > 1 && number(5) == 0) {
                const int below = number(left + 1);
                make(name, below, levels - 1);
                left -= below;
            } else {
                make_entry(name, path);
            }
        }
        ::chmod(path.c_str(), static_cast<mode_t>(0700 | number(0100)));
        set_time(path);
    }

private:
    void make_entry(const std::string& name, const std::string& folder) {
        switch (number(8)) {
        case 0: check(::symlink(number(2) == 0 ? "nothing" : "/etc", name.c_str())); return;
        case 1: check(::mkfifo(name.c_str(), 0600)); return;
        case 2:
            if (!last_file_.empty() && last_file_.starts_with(folder + "/")) {
                check(::link(last_file_.c_str(), name.c_str()));
                return;
            }
            [[fallthrough]];
        default: break;
        }
        put_file(name, content());
        ::chmod(name.c_str(), static_cast<mode_t>(0400 | number(0400)));
        set_time(name);
        last_file_ = name;
    }

    std::string content() {
        static constexpr std::array<std::size_t, 5> sizes = {0, 1, 4096, 70'000, 300'000};
        std::string text(sizes[static_cast<std::size_t>(number(5))], 'x');
        for (std::size_t i = 0; i < text.size(); i += 97) text[i] = static_cast<char>(number(256));
        return text;
    }

    std::string name_of(int number_in_folder) {
        static constexpr std::array<const char*, 5> kinds = {"file", "with space", "\xc3\xa9t\xc3\xa9", ".hidden",
                                                             "x\ny"};
        return kinds[static_cast<std::size_t>(number(5))] + std::to_string(number_in_folder);
    }

    void set_time(const std::string& path) {
        const timespec when{1'000'000'000 + number(500'000'000), number(1'000'000'000)};
        const std::array<timespec, 2> both = {when, when};
        check(::utimensat(AT_FDCWD, path.c_str(), both.data(), 0));
    }

    /// Returns a number below `limit`.
    int number(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(dice_); }

    static void check(int answer) {
        if (answer != 0) throw std::runtime_error("cannot make a random tree");
    }

    std::mt19937_64 dice_;
    std::string last_file_;
};

}  // namespace support
