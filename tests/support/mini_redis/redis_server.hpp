// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/net/socket_addr.hpp>

#include <support/net.hpp>
#include <support/process.hpp>

// mini_redis as a process, and requests to it.

namespace support {

/// A server on a free port. `descriptors` is its limit of open descriptors.
class redis_server {
public:
    explicit redis_server(const std::vector<std::string>& options = {}, std::optional<rlim_t> descriptors = {})
        : process_(command(options), descriptors), addr_(addr_in(process_.line())), driver_(process_.line()) {}

    [[nodiscard]] const eddy::net::socket_addr& addr() const noexcept { return addr_; }
    [[nodiscard]] raw_socket connect() const { return raw_socket::connected(addr_); }
    /// Waits for the end of the process and returns its outcome.
    [[nodiscard]] process::outcome wait() { return process_.wait(); }
    /// Sends the signal, waits for the end of the process and returns its outcome.
    [[nodiscard]] process::outcome end(int signal = SIGTERM) {
        process_.signal(signal);
        return process_.wait();
    }
    /// Returns the resident memory of the process in bytes.
    [[nodiscard]] std::size_t memory() const {
        std::ifstream statm("/proc/" + std::to_string(process_.pid()) + "/statm");
        std::size_t pages = 0;
        statm >> pages >> pages;  // the second number is the resident size
        return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    }
    /// Returns the line in which the server prints its driver and the reason for this driver.
    [[nodiscard]] const std::string& driver() const noexcept { return driver_; }
    void signal(int number) const { process_.signal(number); }

private:
    static std::vector<std::string> command(const std::vector<std::string>& options) {
        std::vector<std::string> all{"mini_redis_server", "127.0.0.1:0"};
        all.insert(all.end(), options.begin(), options.end());
        return all;
    }

    process process_;
    eddy::net::socket_addr addr_;
    std::string driver_;
};

inline void expect_answer(const raw_socket& to, std::string_view request, std::string_view answer) {
    to.send(request);
    EXPECT_EQ(to.receive(answer.size()), answer) << request;
}

/// Returns the value of the INFO line that starts with `name`.
inline std::string info(const redis_server& server, const std::string& name) {
    const auto asking = server.connect();
    asking.send("INFO\r\nQUIT\r\n");
    const auto text = asking.receive(100'000);
    const auto at = text.find("\n" + name + ":");
    if (at == text.npos) return "none";
    const auto begin = at + name.size() + 2;
    return text.substr(begin, text.find('\r', begin) - begin);
}

inline bool comes_to_have(const redis_server& server, const std::string& name, const std::string& value) {
    return comes_true([&] { return info(server, name) == value; });
}

}  // namespace support
