// SPDX-License-Identifier: MIT
#pragma once

#ifdef __linux__  // renameat2(2)
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace support {

/// A process that gives each pair of paths a turn, again and again, as fast as it can, while the object exists.
class renaming_process {
public:
    enum class turn : unsigned char {
        exchange,    // the two paths
        to_and_fro,  // renames the first path to the second one, and back
    };

    renaming_process(std::vector<std::array<std::string, 2>> pairs, turn each) : pairs_(std::move(pairs)) {
        const pid_t parent = ::getpid();
        pid_ = ::fork();
        if (pid_ != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // the parent may be killed, too
        if (::getppid() != parent) ::_exit(1);
        const unsigned flags = each == turn::exchange ? RENAME_EXCHANGE : RENAME_NOREPLACE;
        for (;;) {  // only functions that are async-signal-safe
            for (const auto& pair : pairs_) {
                ::renameat2(AT_FDCWD, pair[0].c_str(), AT_FDCWD, pair[1].c_str(), flags);
                if (each == turn::to_and_fro) ::renameat2(AT_FDCWD, pair[1].c_str(), AT_FDCWD, pair[0].c_str(), flags);
            }
        }
    }
    renaming_process(const renaming_process&) = delete;
    renaming_process& operator=(const renaming_process&) = delete;
    ~renaming_process() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

private:
    std::vector<std::array<std::string, 2>> pairs_;
    pid_t pid_ = -1;
};

}  // namespace support
#endif
