// SPDX-License-Identifier: MIT
// What a service hears from the manager that started it, and tells it: the protocols of sd_listen_fds(3) and
// sd_notify(3).
// runs: asan
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

#include "support/environment.hpp"
#include "support/net.hpp"
#include "support/temp_dir.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = eddy::net;
using eddy::result;
using eddy::task;
using support::environment;
using support::raw_socket;
using support::within;

// ---- Inherited sockets ----

/// Returns what process::hand_over() passes in EDDY_INHERITED.
std::string identities_of(const std::vector<int>& fds) {
    std::string all;
    for (const int fd : fds) {
        struct stat about{};
        EXPECT_EQ(::fstat(fd, &about), 0);
        all += std::to_string(about.st_dev) + ':' + std::to_string(about.st_ino) + ' ';
    }
    return all;
}

enum class giver : unsigned char { manager, predecessor };

/// Calls `check` in a child process that has these descriptors from number 3 on. `check` returns what is wrong.
std::string in_child(std::vector<int> inherited, const std::function<std::string()>& check,
                     giver from = giver::manager) {
    std::array<int, 2> pipe{};
    EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const int answer = ::fcntl(pipe[1], F_DUPFD, 100);
        for (int& fd : inherited) fd = ::fcntl(fd, F_DUPFD, 100);
        for (std::size_t i = 0; i < inherited.size(); ++i) ::dup2(inherited[i], static_cast<int>(3 + i));
        if (from == giver::manager) {
            ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
        } else {
            ::setenv("EDDY_INHERITED", identities_of(inherited).c_str(), 1);
        }
        ::setenv("LISTEN_FDS", std::to_string(inherited.size()).c_str(), 1);
        std::string wrong = check();
        if (wrong.empty()) wrong = "right";
        [[maybe_unused]] const auto written = ::write(answer, wrong.data(), wrong.size());
        ::_exit(0);
    }
    ::close(pipe[1]);
    std::string said;
    std::array<char, 256> piece;
    for (ssize_t count; (count = ::read(pipe[0], piece.data(), piece.size())) > 0;)
        said.append(piece.data(), static_cast<std::size_t>(count));
    ::close(pipe[0]);
    ::waitpid(child, nullptr, 0);
    return said;
}

TEST(InheritedListeners, AreTakenOnceAndMadeSafe) {
    const auto listener = raw_socket::listening();
    const support::temp_dir folder;
    eddy::core core;
    const auto by_path = within(core, net::unix_listener::bind(folder / "socket")).value();
    const raw_socket datagrams(::socket(AF_INET, SOCK_DGRAM, 0));
    const auto addr = listener.addr();  // the child may have another descriptor of that number
    const environment names("LISTEN_FDNAMES", "web::log");
    EXPECT_EQ(in_child({listener.fd(), by_path.native_handle(), datagrams.fd()},
                       [&]() -> std::string {
                           auto got = net::inherited_listeners();
                           if (!got) return got.error().message();
                           if (got->size() != 3) return std::to_string(got->size()) + " sockets";
                           std::string found;
                           for (const auto& one : *got) {
                               found += std::string(one.name()) + " " + std::to_string(one.native_handle()) + " ";
                               if ((::fcntl(one.native_handle(), F_GETFD) & FD_CLOEXEC) == 0)
                                   return "inherited by the next program";
                               if ((::fcntl(one.native_handle(), F_GETFL) & O_NONBLOCK) == 0) return "blocking";
                           }
                           if (found != "web 3 unknown 4 log 5 ") return found;
                           const auto web = std::move((*got)[0]).into<net::tcp_listener>();
                           if (!web) return web.error().message();
                           if (web->local_addr() != addr) return "another listener";
                           if ((*got)[0].native_handle() != -1) return "still owned";
                           if (!std::move((*got)[2]).into<net::udp_socket>()) return "no UDP socket";
                           if (std::move((*got)[1]).into<net::tcp_listener>().error() != std::errc::wrong_protocol_type)
                               return "a kind";
                           if (::fcntl(4, F_GETFD) != -1) return "a refused socket is open";
                           const auto again = net::inherited_listeners();
                           return again && again->empty() ? "" : "taken twice";
                       }),
              "right");
}

TEST(InheritedListeners, AreKnownByWhatThePredecessorHasPassed) {
    const environment names("LISTEN_FDNAMES", "web:log");
    const auto first = raw_socket::listening();
    const auto second = raw_socket::listening();
    const auto names_of_taken = [] {
        const auto got = net::inherited_listeners();
        if (!got) return got.error().message();
        std::string text;
        for (const auto& one : *got) text += std::string(one.name()) + ' ';
        return text;
    };
    const auto after = [&](const std::function<void()>& change) {
        return in_child(
            {first.fd(), second.fd()},
            [&] {
                change();
                return "took " + names_of_taken();
            },
            giver::predecessor);
    };
    EXPECT_EQ(after([] {}), "took web log ");
    EXPECT_EQ(after([] { ::setenv("LISTEN_FDS", "1", 1); }), "took web ");
    // Others at the place of the first one: the variables are those of a process that has started this one.
    EXPECT_EQ(after([] { ::dup2(4, 3); }), "took ");
    EXPECT_EQ(after([] { ::close(3); }), "took ");
    EXPECT_EQ(after([] { ::fcntl(3, F_SETFD, FD_CLOEXEC); }), "took ");
    EXPECT_EQ(after([] { ::setenv("EDDY_INHERITED", identities_of({4, 3}).c_str(), 1); }), "took ");
    EXPECT_EQ(after([] { ::unsetenv("EDDY_INHERITED"); }), "took ");
    EXPECT_EQ(after([] { ::setenv("EDDY_INHERITED", (" " + identities_of({3})).c_str(), 1); }), "took ");
    // Others at the place of the second one.
    for (const auto& change : std::initializer_list<std::function<void()>>{
             [] { ::dup2(3, 4); }, [] { ::close(4); }, [] { ::fcntl(4, F_SETFD, FD_CLOEXEC); },
             [] { ::setenv("EDDY_INHERITED", identities_of({3}).c_str(), 1); }}) {
        const auto said = after(change);
        EXPECT_TRUE(said.starts_with("took descriptor 4 of LISTEN_FDS was not inherited")) << said;
    }
    EXPECT_EQ(after([] { ::setenv("LISTEN_FDS", "x", 1); }), "took Invalid argument");
}

// covers: B13
TEST(InheritedListeners, BytesOfThePredecessorAreNotPassedOn) {
    const auto flags_after = [](int number, bool is_passed) {
        const auto socket = raw_socket::listening();
        const auto bytes = raw_socket::listening();  // any descriptor
        return in_child(
            {socket.fd(), bytes.fd()},
            [&] {
                ::setenv("LISTEN_FDS", "1", 1);
                ::setenv("EDDY_INHERITED_BYTES", std::to_string(number).c_str(), 1);
                if (!is_passed) ::setenv("EDDY_INHERITED", identities_of({3, 3}).c_str(), 1);
                const auto got = net::inherited_listeners();
                if (!got || got->size() != 1) return std::string("no socket");
                return std::string((::fcntl(4, F_GETFD) & FD_CLOEXEC) != 0 ? "kept" : "passed on");
            },
            giver::predecessor);
    };
    EXPECT_EQ(flags_after(4, true), "kept");
    EXPECT_EQ(flags_after(4, false), "passed on");  // it is this program's
    EXPECT_EQ(flags_after(5, true), "passed on");
}

TEST(InheritedListeners, DescriptorsOfTheProgramAreErrorsAndStay) {
    const auto socket = raw_socket::listening();
    EXPECT_EQ(in_child({socket.fd(), socket.fd(), socket.fd()},
                       []() -> std::string {
                           ::fcntl(4, F_SETFD, FD_CLOEXEC);
                           for (int round = 0; round < 2; ++round) {
                               const auto got = net::inherited_listeners();
                               if (got) return "taken";
                               if (got.error() != std::errc::bad_file_descriptor) return got.error().message();
                               if (got.error().value() != 4) return "another descriptor";
                               if (std::string_view(got.error().category().name()) != "eddy.inherited") return "name";
                               for (const int fd : {3, 4, 5}) {
                                   if (::fcntl(fd, F_GETFD) != (fd == 4 ? FD_CLOEXEC : 0)) return "changed";
                               }
                               if ((::fcntl(3, F_GETFL) & O_NONBLOCK) != 0) return "non-blocking";
                           }
                           ::fcntl(4, F_SETFD, 0);
                           const auto got = net::inherited_listeners();  // no error has taken them
                           return got && got->size() == 3 ? "" : "not taken";
                       }),
              "right");
}

TEST(InheritedListeners, DescriptorThatCannotBePreparedChangesNothing) {
    const auto socket = raw_socket::listening();
    EXPECT_EQ(in_child({socket.fd(), socket.fd(), socket.fd()},
                       []() -> std::string {
                           const int path = ::open("/", O_PATH);  // its flags cannot be changed
                           ::dup2(path, 4);
                           const auto got = net::inherited_listeners(net::listen_variables::remove);
                           if (got) return "taken";
                           if (got.error() != std::errc::bad_file_descriptor) return got.error().message();
                           for (const int fd : {3, 4, 5}) {
                               if (::fcntl(fd, F_GETFD) != 0) return "changed or closed: " + std::to_string(fd);
                           }
                           if ((::fcntl(3, F_GETFL) & O_NONBLOCK) != 0) return "non-blocking";
                           if (std::getenv("LISTEN_FDS") == nullptr) return "the variables are gone";
                           ::dup2(3, 4);
                           const auto again = net::inherited_listeners();
                           return again && again->size() == 3 ? "" : "not taken";
                       }),
              "right");
}

TEST(InheritedListeners, VariablesAreKeptOrRemoved) {
    for (const auto afterwards : {net::listen_variables::keep, net::listen_variables::remove}) {
        EXPECT_EQ(in_child({raw_socket::listening().fd()},
                           [&]() -> std::string {
                               ::setenv("LISTEN_FDNAMES", "web", 1);
                               ::setenv("LISTEN_PIDFDID", "1", 1);
                               const auto got = net::inherited_listeners(afterwards);
                               if (!got || got->size() != 1 || got->front().name() != "web") return "not taken";
                               std::string left;
                               for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"})
                                   left += std::getenv(name) != nullptr ? '1' : '0';
                               return left;
                           }),
                  afterwards == net::listen_variables::keep ? "1111" : "0000");
    }
}

TEST(InheritedListeners, AreClosedByTheirDestructor) {
    EXPECT_EQ(in_child({raw_socket::listening().fd()},
                       []() -> std::string {
                           if (!net::inherited_listeners()) return "none";
                           return ::fcntl(3, F_GETFD) == -1 ? "" : "open";
                       }),
              "right");
}

TEST(InheritedListeners, ThatAreNotMeantForThisProcessAreIgnored) {
    const environment count("LISTEN_FDS", "1");
    for (const char* process : {static_cast<const char*>(nullptr), "", "1", "x", "-1", "99999999999999999999"}) {
        const environment meant("LISTEN_PID", process);
        EXPECT_TRUE(net::inherited_listeners().value().empty());
    }
}

TEST(InheritedListeners, WrongNumbersAreErrors) {
    for (const char* count : {"", "x", "-1", "1x", "2147483647"}) {
        EXPECT_EQ(in_child({},
                           [&]() -> std::string {
                               ::setenv("LISTEN_FDS", count, 1);
                               return net::inherited_listeners().error() == std::errc::invalid_argument ? ""
                                                                                                        : "no error";
                           }),
                  "right")
            << count;
    }
    EXPECT_EQ(in_child({},
                       []() -> std::string {
                           ::setenv("LISTEN_FDS", "1", 1);
                           ::close(3);
                           return net::inherited_listeners().error() == std::errc::bad_file_descriptor ? ""
                                                                                                       : "no error";
                       }),
              "right");
}

// ---- Messages to the manager ----

/// A socket that receives messages as the manager does.
class manager {
public:
    explicit manager(eddy::core& core) : socket_(within(core, net::unix_datagram::bind(path_)).value()) {}

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] task<std::string> next() {
        std::array<std::byte, 256> buffer;
        auto receiving = socket_.recv(buffer);
        const auto count = co_await receiving;
        co_return support::text_of(std::span(buffer).first(count.value()));
    }
    [[nodiscard]] bool has_next() {
        std::array<std::byte, 256> buffer;
        return socket_.try_recv(buffer).has_value();
    }
    void close() { socket_ = net::unix_datagram::unbound().value(); }

private:
    support::temp_dir folder_;
    std::string path_ = folder_ / "notify";
    net::unix_datagram socket_;
};

TEST(NotifyManager, SendsTheMessagesOfTheProtocol) {
    eddy::core core;
    manager its(core);
    const environment where("NOTIFY_SOCKET", its.path().c_str());
    const auto after = [&](task<result<void>> notifying) {
        within(core, std::move(notifying)).value();
        return within(core, its.next());
    };
    EXPECT_EQ(after(net::notify_ready()), "READY=1");
    EXPECT_EQ(after(net::notify_stopping()), "STOPPING=1");
    EXPECT_EQ(after(net::notify_status("3 of 4 caches are warm")), "STATUS=3 of 4 caches are warm");
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const std::string said = after(net::notify_reloading());
    const std::string begin = "RELOADING=1\nMONOTONIC_USEC=";
    ASSERT_TRUE(said.starts_with(begin)) << said;
    EXPECT_GE(std::stoll(said.substr(begin.size())), now.tv_sec * 1'000'000 + now.tv_nsec / 1000);
}

TEST(NotifyManagerOwnProcess, PredecessorHearsOfReadinessOnce) {
    eddy::core core;
    manager its(core);
    std::optional<manager> predecessor(core);
    std::optional<environment> parent(std::in_place, "EDDY_PREDECESSOR", std::to_string(::getppid()).c_str());
    const environment where("NOTIFY_SOCKET", predecessor->path().c_str());
    {
        const environment both("EDDY_NOTIFY_SOCKET", (predecessor->path() + " " + its.path()).c_str());
        within(core, net::notify_status("begins")).value();
        within(core, net::notify_ready()).value();
        EXPECT_EQ(within(core, its.next()), "STATUS=begins");
        EXPECT_EQ(within(core, predecessor->next()), "READY=1");
        EXPECT_FALSE(eddy::detail::is_awaited_by_predecessor());
        // Another program may have a socket with this name now.
        within(core, net::notify_ready()).value();
        EXPECT_EQ(within(core, its.next()), "READY=1");
        EXPECT_FALSE(predecessor->has_next());
    }
    {
        const environment none("EDDY_NOTIFY_SOCKET", (predecessor->path() + " ").c_str());
        EXPECT_TRUE(within(core, net::notify_ready()));
        EXPECT_TRUE(within(core, net::notify_stopping()));
    }
    parent.reset();
    {
        const environment both("EDDY_NOTIFY_SOCKET", (predecessor->path() + " " + its.path()).c_str());
        within(core, net::notify_ready()).value();  // the predecessor has ended
        EXPECT_EQ(within(core, its.next()), "READY=1");
    }
    // A program in between has its own socket.
    const environment of_another_service("EDDY_NOTIFY_SOCKET", ("@other " + predecessor->path()).c_str());
    const environment own("NOTIFY_SOCKET", its.path().c_str());
    within(core, net::notify_ready()).value();
    EXPECT_EQ(within(core, its.next()), "READY=1");
}

TEST(NotifyManager, IsToldIfThePredecessorIsGone) {
    eddy::core core;
    manager its(core);
    manager predecessor(core);
    const environment parent("EDDY_PREDECESSOR", std::to_string(::getppid()).c_str());
    const environment where("NOTIFY_SOCKET", predecessor.path().c_str());
    const environment both("EDDY_NOTIFY_SOCKET", (predecessor.path() + " " + its.path()).c_str());
    predecessor.close();
    EXPECT_TRUE(eddy::detail::is_awaited_by_predecessor());
    for (int round = 0; round < 2; ++round) {
        ASSERT_TRUE(within(core, net::notify_ready()));
        EXPECT_EQ(within(core, its.next()), "READY=1");
    }
    // Other errors are not those of a process that has ended.
    ASSERT_EQ(::unlink(predecessor.path().c_str()), 0);
    EXPECT_EQ(within(core, net::notify_ready()).error(), std::errc::no_such_file_or_directory);
    EXPECT_FALSE(its.has_next());
    const environment none("EDDY_PREDECESSOR", "1");
    EXPECT_EQ(eddy::detail::is_awaited_by_predecessor(), ::getppid() == 1);
}

TEST(NotifyManagerOwnProcess, ProcessWithASuccessorSaysNoMore) {
    auto core = eddy::core::builder().start_paused(true).build().value();
    manager its(core);
    const environment where("NOTIFY_SOCKET", its.path().c_str());
    const environment interval("WATCHDOG_USEC", "3000000");
    const environment anybody("WATCHDOG_PID", nullptr);
    const auto give_up = [&]() -> task<std::string> {
        auto feeding = eddy::spawn(net::feed_watchdog());
        std::string heard = co_await its.next();
        (co_await net::notify_main_process(1234)).value();
        (co_await net::notify_stopping()).value();
        (co_await std::move(feeding)).value().value();
        heard += ' ' + co_await its.next();
        (co_await net::notify_main_process(5678)).value();
        heard += ' ' + co_await its.next();
        co_return heard;
    };
    EXPECT_EQ(core.run(give_up()), "WATCHDOG=1 MAINPID=1234\nWATCHDOG=1 MAINPID=5678\nWATCHDOG=1");
    EXPECT_FALSE(its.has_next());
}

#ifdef __linux__
TEST(NotifyManager, MayHaveAnAbstractAddress) {
    eddy::core core;
    const std::string name = "eddy-test-" + std::to_string(::getpid());
    auto its = within(core, net::unix_datagram::bind(net::unix_addr::abstract(name).value())).value();
    const environment where("NOTIFY_SOCKET", ("@" + name).c_str());
    within(core, net::notify_ready()).value();
    std::array<std::byte, 64> buffer;
    EXPECT_EQ(within(core, its.recv(buffer)).value(), std::string_view("READY=1").size());
}
#endif

TEST(NotifyManager, WithoutAManagerMessagesSucceed) {
    const environment none("NOTIFY_SOCKET", nullptr);
    EXPECT_TRUE(eddy::wait(net::notify_ready()));
    EXPECT_TRUE(eddy::wait(net::notify_status("unheard")));
}

TEST(NotifyManager, ErrorsAreThoseOfTheSocket) {
    eddy::core core;
    EXPECT_EQ(within(core, net::notify_status("a\nREADY=1")).error(), std::errc::invalid_argument);
    const environment vsock("NOTIFY_SOCKET", "vsock:2:1234");
    EXPECT_EQ(within(core, net::notify_ready()).error(), std::errc::address_family_not_supported);
    const support::temp_dir folder;
    const environment gone("NOTIFY_SOCKET", (folder / "gone").c_str());
    EXPECT_EQ(within(core, net::notify_ready()).error(), std::errc::no_such_file_or_directory);
}

// ---- The watchdog ----

TEST(Watchdog, IntervalIsThatOfThisProcess) {
    const environment interval("WATCHDOG_USEC", "2500000");
    {
        const environment mine("WATCHDOG_PID", std::to_string(::getpid()).c_str());
        EXPECT_EQ(net::watchdog_interval(), 2500ms);
    }
    {
        const environment anybody("WATCHDOG_PID", nullptr);
        EXPECT_EQ(net::watchdog_interval(), 2500ms);
    }
    {
        const environment other("WATCHDOG_PID", "1");
        EXPECT_EQ(net::watchdog_interval(), std::nullopt);
    }
    const environment longest("WATCHDOG_USEC", "1125899906842624");
    EXPECT_EQ(net::watchdog_interval(), std::chrono::microseconds(std::int64_t{1} << 50));
    for (const char* wrong : {static_cast<const char*>(nullptr), "", "0", "x", "-1", "1125899906842625"}) {
        const environment none("WATCHDOG_USEC", wrong);
        EXPECT_EQ(net::watchdog_interval(), std::nullopt);
    }
}

TEST(Watchdog, IsFedTwiceInEachInterval) {
    auto core = eddy::core::builder().start_paused(true).build().value();
    manager its(core);
    const environment where("NOTIFY_SOCKET", its.path().c_str());
    const environment interval("WATCHDOG_USEC", "3000000");
    const environment anybody("WATCHDOG_PID", nullptr);
    const auto listen = [&]() -> task<std::vector<eddy::time::duration>> {
        auto feeding = eddy::spawn(net::feed_watchdog());
        std::vector<eddy::time::duration> heard;
        const auto begin = eddy::time::clock::now();
        while (heard.size() < 3) {
            const auto message = co_await its.next();
            EXPECT_EQ(message, "WATCHDOG=1");
            heard.push_back(eddy::time::clock::now() - begin);
        }
        feeding.abort();
        co_return heard;
    };
    EXPECT_EQ(core.run(listen()), (std::vector<eddy::time::duration>{0s, 1500ms, 3000ms}));
}

TEST(Watchdog, FeedingEndsWithoutAWatchdog) {
    const environment none("WATCHDOG_USEC", nullptr);
    eddy::core core;
    EXPECT_TRUE(within(core, net::feed_watchdog()));
    const environment interval("WATCHDOG_USEC", "3000000");
    const environment manager("NOTIFY_SOCKET", nullptr);
    EXPECT_TRUE(within(core, net::feed_watchdog()));
}

}  // namespace
