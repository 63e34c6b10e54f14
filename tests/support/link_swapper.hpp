// SPDX-License-Identifier: MIT
#pragma once

#ifdef __linux__  // exchanges two names
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "support/random_tree.hpp"
#include "support/temp_dir.hpp"

namespace support {

/// A process that exchanges the directories of a tree with symbolic links that lead out of the tree, as fast as it can,
/// while the object exists.
class link_swapper {
public:
    link_swapper() {
        for (const auto* name : {"tree", "links", "outside"}) std::filesystem::create_directory(temp_ / name);
        for (int i = 0; i < directories; ++i) {
            const auto name = std::to_string(i);
            std::filesystem::create_directories(temp_ / ("tree/" + name + "/below"));
            std::filesystem::create_directories(temp_ / ("outside/below"));
            for (int file = 0; file < files; ++file) {
                put_file(temp_ / ("tree/" + name + "/" + std::to_string(file)), "tree");
                put_file(temp_ / ("tree/" + name + "/below/" + std::to_string(file)), "tree");
            }
            std::filesystem::create_directory_symlink(temp_ / "outside", temp_ / ("links/" + name));
            pairs_.push_back({temp_ / ("tree/" + name), temp_ / ("links/" + name)});
        }
        for (const std::string folder : {"outside/", "outside/below/"}) {
            for (int file = 0; file < files; ++file) put_file(temp_ / (folder + std::to_string(file)), "outside");
            put_file(temp_ / (folder + "outside"), "outside");  // no name in the tree
        }
        const pid_t parent = ::getpid();
        pid_ = ::fork();
        if (pid_ != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // the parent may be killed, too
        if (::getppid() != parent) ::_exit(1);
        for (;;) {  // only functions that are async-signal-safe
            for (const auto& pair : pairs_)
                ::renameat2(AT_FDCWD, pair[0].c_str(), AT_FDCWD, pair[1].c_str(), RENAME_EXCHANGE);
        }
    }
    link_swapper(const link_swapper&) = delete;
    link_swapper& operator=(const link_swapper&) = delete;
    ~link_swapper() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

    [[nodiscard]] std::string tree() const { return temp_ / "tree"; }
    [[nodiscard]] std::string operator/(std::string_view name) const { return temp_ / name; }

    /// Returns whether nothing outside of the tree was removed, added or written.
    [[nodiscard]] bool outside_is_whole() const {
        const auto command =
            "cd " + (temp_ / "outside") + " && find . -type f -printf x | wc -c && cat [0-9]* outside below/*";
        return output_of(command) == std::to_string(files_outside) + "\n" + text_of_all();
    }

private:
    static constexpr int directories = 30;
    static constexpr int files = 5;
    static constexpr int files_outside = 2 * (files + 1);

    static std::string text_of_all() {
        std::string text;
        for (int i = 0; i < files_outside; ++i) text += "outside";
        return text;
    }

    temp_dir temp_;
    std::vector<std::array<std::string, 2>> pairs_;
    pid_t pid_ = -1;
};

}  // namespace support
#endif
