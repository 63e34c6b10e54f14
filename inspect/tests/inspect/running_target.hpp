// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <utility>

#include <gtest/gtest.h>

/// A running program that prints a line when it is ready, with its input, output and errors on pipes.
class running_target {
public:
    explicit running_target(const std::string& program, const std::string& folder = ".", const char* argument = nullptr,
                            const char* option = nullptr) {
        int in[2];
        int out[2];
        EXPECT_EQ(pipe2(in, O_CLOEXEC), 0);
        EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
        id_ = fork();
        if (id_ == 0) {  // only functions that are async-signal-safe
            dup2(in[0], 0);
            dup2(out[1], 1);
            dup2(out[1], 2);                            // reports about itself, too
            prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);  // for kernel.yama.ptrace_scope=1; exec keeps it
            const rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
            setrlimit(RLIMIT_CORE, &limit);
            if (chdir(folder.c_str()) == 0) execl(program.c_str(), program.c_str(), argument, option, nullptr);
            _exit(127);
        }
        close(in[0]);
        close(out[1]);
        in_ = in[1];
        char line[6];
        EXPECT_EQ(read(out[0], line, sizeof line), 6) << program << " has not started";
        out_ = out[0];
    }
    running_target(const running_target&) = delete;
    running_target& operator=(const running_target&) = delete;
    ~running_target() {
        end(SIGKILL);
        close(in_);
        close(out_);
    }

    [[nodiscard]] pid_t id() const { return id_; }
    void end(int signal) {
        if (id_ == 0) return;
        kill(id_, signal);
        waitpid(std::exchange(id_, 0), nullptr, 0);
    }

private:
    pid_t id_;
    int in_;
    int out_;
};
