// SPDX-License-Identifier: MIT
#include <eddy/process/hand_over.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

#include <eddy/future/select.hpp>
#include <eddy/future/try.hpp>
#include <eddy/io/async_fd.hpp>
#include <eddy/io/owned_fd.hpp>
#include <eddy/net/service_manager.hpp>
#include <eddy/process/child.hpp>
#include <eddy/time/sleep.hpp>

#include "running_process.hpp"
#include "sys/inherited.hpp"
#include "sys/notices.hpp"
#include "sys/notify_sockets.hpp"
#include "sys/processes.hpp"
#include "sys/this_process.hpp"

namespace eddy::process {
namespace {

constexpr std::string_view ready_message = "READY=1";

/// Whether a name may be one of LISTEN_FDNAMES, which are separated by colons: sd_listen_fds_with_names(3).
bool is_good_name(std::string_view name) noexcept {
    constexpr std::size_t longest = 255;
    const auto is_good = [](char c) { return c >= ' ' && c < 127 && c != ':'; };
    return !name.empty() && name.size() <= longest && std::ranges::all_of(name, is_good);
}

/// The socket that the successor tells that it is ready.
class notice_socket {
public:
    static eddy::result<notice_socket> make() {
        auto socket = eddy::sys::make_notice_socket();
        if (!socket) return std::unexpected(socket.error());
        auto name = eddy::sys::name_of_notice_socket(socket->get());
        if (!name) return std::unexpected(name.error());
        return notice_socket(io::owned_fd(socket->release()), *std::move(name));
    }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    /// Waits for the message, and closes the socket.
    task<eddy::result<void>> wait_until_ready(int process) && {
        auto watched = io::async_fd<io::owned_fd>::make(std::move(fd_), io::interest::readable);
        if (!watched) co_return std::unexpected(watched.error().to_error_code());
        for (bool is_ready = false; !is_ready;) {
            const auto text = co_await watched->async_io(io::interest::readable, [&](const io::owned_fd& from) {
                return eddy::sys::receive_notice(from.native_handle(), process);
            });
            if (!text) co_return std::unexpected(text.error());
            is_ready = has_line(*text, ready_message);
        }
        co_return eddy::ok();
    }

private:
    notice_socket(io::owned_fd fd, std::string name) noexcept : fd_(std::move(fd)), name_(std::move(name)) {}

    static bool has_line(std::string_view text, std::string_view line) noexcept {
        while (!text.empty()) {
            const auto end = std::min(text.find('\n'), text.size());
            if (text.substr(0, end) == line) return true;
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        return false;
    }

    io::owned_fd fd_;
    std::string name_;
};

/// The number of the process in which a task hands over; 0 if there is none. A process that is forked from it may hand
/// over, too.
constinit std::atomic<std::uint32_t> handing_over{0};
/// The last successor that has taken over. The reaper keeps it while it runs. Only a sole_hand_over uses it.
constinit std::weak_ptr<detail::running_process> last_successor;

/// The right of a task to hand over. Two successors would serve at the same time, and neither would know of the other.
class sole_hand_over {
public:
    sole_hand_over() noexcept {
        const auto self = eddy::sys::process_id();
        auto before = handing_over.load(std::memory_order_relaxed);  // relaxed: the exchange reads it again
        // acquire: pairs with the release of the destructor, so that the last successor is seen.
        while (before != self &&
               !handing_over.compare_exchange_weak(before, self, std::memory_order_acquire, std::memory_order_relaxed))
            continue;
        is_mine_ = before != self;
    }
    sole_hand_over(const sole_hand_over&) = delete;
    sole_hand_over& operator=(const sole_hand_over&) = delete;
    ~sole_hand_over() {
        if (is_mine_) handing_over.store(0, std::memory_order_release);  // pairs with the constructor
    }

    /// Returns why this process may not hand over now; "" if it may.
    [[nodiscard]] std::string refusal() const {
        if (!is_mine_) return "another hand_over() of this process has not ended";
        if (eddy::detail::is_awaited_by_predecessor())
            return "the predecessor of this process waits for it: call net::notify_ready() before";
        const auto known = last_successor.lock();
        if (!known || known->find_fork() || known->exit().is_set()) return {};
        return "process " + std::to_string(known->id()) + " has taken over, and runs";
    }

private:
    bool is_mine_ = false;
};

/// Adds the sockets and the bytes to the command.
std::optional<error> give(const hand_over_options& what, command& to) {
    int number = eddy::sys::first_inherited;
    std::string names;
    std::string identities;
    const auto pass = [&](const stdio& fd) {
        identities += eddy::sys::identity_of(fd.fd()) + ' ';
        to.descriptor(number++, fd);
    };
    for (const auto& [name, socket] : what.listeners()) {
        if (!is_good_name(name)) return error(errc::bad_name, to.program(), "\"" + name + "\"");
        pass(socket);
        if (!names.empty()) names += ':';
        names += name;
    }
    to.env("EDDY_PREDECESSOR", std::to_string(eddy::sys::process_id()));
    to.env("LISTEN_FDS", std::to_string(number - eddy::sys::first_inherited)).env("LISTEN_FDNAMES", names);
    if (what.bytes()) {
        auto file = eddy::sys::make_memory_file(*what.bytes());
        if (!file) return error(file.error(), to.program(), "the inherited bytes");
        to.env("EDDY_INHERITED_BYTES", std::to_string(number));
        pass(stdio::from_native(file->release()));
    }
    // The number of the successor is not known before its start, and this process may end before the successor looks.
    // So its own library compares what the descriptors are.
    to.env("EDDY_INHERITED", identities);
    return std::nullopt;
}

/// Tells the command where its messages go, and whether a service manager waits for watchdog messages.
void connect(command& successor, const std::string& notices) {
    successor.env("NOTIFY_SOCKET", notices);
    successor.env("EDDY_NOTIFY_SOCKET", notices + ' ' + std::string(eddy::sys::find_notify_sockets().manager));
    // Without WATCHDOG_PID, the interval is meant for each process.
    if (const auto interval = net::watchdog_interval())
        successor.env("WATCHDOG_USEC", std::to_string(interval->count()));
}

/// Waits until the successor is ready, and tells the manager that it is the main process now.
task<eddy::result<void>> become_main(notice_socket notices, int process) {
    co_await try_(std::move(notices).wait_until_ready(process));
    co_return co_await net::notify_main_process(process);
}

/// Kills a successor that is of no use, and waits until it has ended.
task<error> give_up(child successor, error why) {
    if (successor.kill()) static_cast<void>(co_await successor.wait());
    co_return why;
}

task<result<int>> start_successor(command successor, hand_over_options options) {
    const std::string program = successor.program();
    const auto fail = [&](std::error_code code, std::string note = {}) {
        return error(code, program, std::move(note));
    };
    const sole_hand_over turn;
    if (auto why = turn.refusal(); !why.empty())
        co_return std::unexpected(fail(errc::second_successor, std::move(why)));
    auto notices = notice_socket::make();
    if (!notices) co_return std::unexpected(fail(notices.error(), "NOTIFY_SOCKET"));
    if (auto failed = give(options, successor)) co_return std::unexpected(*std::move(failed));
    connect(successor, notices->name());
    const auto limit = options.ready_within();
    auto started = co_await successor.spawn();
    if (!started) co_return std::unexpected(std::move(started).error());

    // The end comes first: a successor that says it is ready and then crashes is none.
    auto first = co_await eddy::select_biased(started->wait(), become_main(*std::move(notices), started->id()),
                                              time::sleep(limit));
    std::optional<error> failed;
    if (first.index() == 0) {
        const auto& status = std::get<0>(first);
        failed = status ? fail(errc::ended_before_ready, status->to_string()) : status.error();
    } else if (first.index() == 1) {
        if (const auto& told = std::get<1>(first); !told) failed = fail(told.error(), "NOTIFY_SOCKET");
    } else {
        const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(limit).count();
        failed =
            fail(std::make_error_code(std::errc::timed_out), "not ready after " + std::to_string(milliseconds) +
                                                                 " ms: the successor must call net::notify_ready()");
    }
    if (failed) {
        auto why = co_await give_up(*std::move(started), *std::move(failed));
        co_return std::unexpected(std::move(why));
    }
    const int id = started->id();
    last_successor = started->process();
    std::move(*started).detach();
    co_return id;
}

}  // namespace

task<result<int>> hand_over(command successor, hand_over_options options) {
    return start_successor(std::move(successor), std::move(options));
}

eddy::result<std::string> inherited_bytes() {
    const auto number = eddy::sys::number_in_environment("EDDY_INHERITED_BYTES");
    if (!number || *number > std::numeric_limits<int>::max()) return std::string();
    const int fd = static_cast<int>(*number);
    if (!eddy::sys::is_of_predecessor(fd)) return std::string();
    static std::atomic<bool> taken{false};
    if (taken.exchange(true, std::memory_order_relaxed)) return std::string();  // relaxed: it publishes nothing
    const eddy::sys::unique_fd file(fd);
    return eddy::sys::read_whole_file(fd);
}

}  // namespace eddy::process
