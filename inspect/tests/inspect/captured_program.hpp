// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

/// A running program, with what it has printed.
class captured_program {
public:
    captured_program(const std::string& program, const std::string& argument, const std::string& option)
        : option_(option) {
        int out[2];
        int err[2];
        EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
        EXPECT_EQ(pipe2(err, O_CLOEXEC), 0);
        id_ = fork();
        if (id_ == 0) {  // only functions that are async-signal-safe
            dup2(out[1], STDOUT_FILENO);
            dup2(err[1], STDERR_FILENO);
            execl(program.c_str(), program.c_str(), argument.c_str(), option.c_str(), nullptr);
            _exit(127);
        }
        close(out[1]);
        close(err[1]);
        ends_ = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
    }
    captured_program(const captured_program&) = delete;
    captured_program& operator=(const captured_program&) = delete;
    ~captured_program() {
        kill(id_, SIGKILL);
        waitpid(id_, nullptr, 0);
        for (const pollfd& one : ends_)
            if (one.fd >= 0) close(one.fd);
    }

    [[nodiscard]] const std::string& option() const { return option_; }
    [[nodiscard]] const std::string& output() const { return texts_[0]; }
    [[nodiscard]] const std::string& errors() const { return texts_[1]; }
    [[nodiscard]] bool has_ended() const { return ends_[0].fd < 0 && ends_[1].fd < 0; }
    [[nodiscard]] std::vector<pollfd>& ends() { return ends_; }

    /// Waits for a part of the output (0) or of the errors (1).
    void read_some(std::size_t which) {
        char part[4096];
        const ssize_t size = read(ends_[which].fd, part, sizeof part);
        if (size > 0) texts_[which].append(part, static_cast<std::size_t>(size));
        if (size == 0) close(std::exchange(ends_[which].fd, -1));
    }

private:
    std::string option_;
    pid_t id_;
    std::vector<pollfd> ends_;
    std::string texts_[2];
};
