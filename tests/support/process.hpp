// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <eddy/net/socket_addr.hpp>

// Programs that a test runs. EDDY_EXAMPLES is the folder of the examples.

namespace support {

/// Returns the path of an example, or `name` itself if it is an absolute path.
inline std::string path_of(const std::string& name) {
    return name.starts_with('/') ? name : std::string(EDDY_EXAMPLES) + "/" + name;
}

/// A child process with its output on pipes. The destructor kills it unless wait() was called. The constructor throws
/// if the program does not exist, so that a test fails whose peer is not installed.
class process {
public:
    struct outcome {
        int code = -1;  // if negative, the signal that ended the process
        std::string out;
        std::string err;
    };

    explicit process(std::vector<std::string> command, std::optional<rlim_t> descriptors = {},
                     std::vector<std::string> environment = {}) {
        command.front() = path_of(command.front());
        if (::access(command.front().c_str(), X_OK) != 0)
            throw std::runtime_error(command.front() + " is missing: ./dev test installs the programs that tests use");
        int out[2];
        int err[2];
        if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");
        std::vector<char*> arguments;
        for (auto& word : command) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        std::vector<char*> variables;
        for (auto& word : environment) variables.push_back(word.data());
        for (char** word = environ; *word != nullptr; ++word) variables.push_back(*word);
        variables.push_back(nullptr);

        pid_ = ::fork();
        if (pid_ == 0) {  // only functions that are async-signal-safe
            ::dup2(::open("/dev/null", O_RDONLY), 0);
            ::dup2(out[1], 1);
            ::dup2(err[1], 2);
            for (int fd = 3; fd < 1024; ++fd) ::close(fd);
            if (descriptors) {
                const rlimit limit{*descriptors, *descriptors};
                ::setrlimit(RLIMIT_NOFILE, &limit);
            }
            ::execve(arguments[0], arguments.data(), variables.data());
            ::_exit(127);
        }
        ::close(out[1]);
        ::close(err[1]);
        out_ = out[0];
        err_ = err[0];
    }
    process(const process&) = delete;
    process& operator=(const process&) = delete;
    ~process() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        ::close(out_);
        ::close(err_);
    }

    /// Returns the next line of the standard output. Waits for up to 10 s.
    std::string line() {
        std::string got;
        for (char c = 0; wait_for(out_) && ::read(out_, &c, 1) == 1 && c != '\n';) got += c;
        return got;
    }

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    void signal(int number) const { ::kill(pid_, number); }

    outcome wait() {
        outcome ended;
        for (bool has_out = true, has_err = true; has_out || has_err;) {
            pollfd both[2] = {{has_out ? out_ : -1, POLLIN, 0}, {has_err ? err_ : -1, POLLIN, 0}};
            if (::poll(both, 2, 20'000) <= 0) {
                ::kill(pid_, SIGKILL);  // the code reports the signal
                break;
            }
            if (both[0].revents != 0) has_out = read_some(out_, ended.out);
            if (both[1].revents != 0) has_err = read_some(err_, ended.err);
        }
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        return ended;
    }

private:
    static bool wait_for(int fd) {
        pollfd one{fd, POLLIN, 0};
        return ::poll(&one, 1, 10'000) == 1;
    }
    static bool read_some(int fd, std::string& into) {
        char buffer[4096];
        const auto count = ::read(fd, buffer, sizeof buffer);
        if (count > 0) into.append(buffer, static_cast<std::size_t>(count));
        return count > 0;
    }

    pid_t pid_ = -1;
    int out_ = -1;
    int err_ = -1;
};

inline process::outcome run(std::vector<std::string> command) { return process(std::move(command)).wait(); }

/// Returns the address in the line that a server prints when it starts.
inline eddy::net::socket_addr addr_in(const std::string& line) {
    const std::string start = "listening on ";
    if (!line.starts_with(start)) throw std::runtime_error("the server printed: " + line);
    return eddy::net::socket_addr::parse(line.substr(start.size())).value();
}

}  // namespace support
