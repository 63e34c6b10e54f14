// SPDX-License-Identifier: MIT
// Programs that only pass errors on, as `Result<(), Box<dyn Error>>` and `?` do: what their main functions print.
// covers: S94 B30
#include <eddy/fs.hpp>
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>
#include <eddy/process.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <source_location>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#ifdef EDDY_TEST_TLS
#include <support/tls_pair.hpp>
#endif
#include <support/net.hpp>
#include <support/temp_dir.hpp>

#include "net/resolver.hpp"

namespace {

using eddy::any_result;
using eddy::task;
using eddy::try_;
namespace fs = eddy::fs;
namespace http = eddy::http;
namespace io = eddy::io;
namespace process = eddy::process;

/// Returns what eddy::run() prints for a main coroutine that fails.
std::string printed(task<any_result<void>> main) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(eddy::run(std::move(main)), 1);
    return testing::internal::GetCapturedStderr();
}

/// Returns the lines after the first one with the line numbers of this file only: "12 15".
std::string places_in(const std::string& text) {
    std::string numbers;
    const std::string file = std::string("  at ") + std::source_location::current().file_name() + ':';
    for (std::size_t at = text.find(file); at != text.npos; at = text.find(file, at + 1)) {
        const std::size_t begin = at + file.size();
        numbers += (numbers.empty() ? "" : " ") + text.substr(begin, text.find(' ', begin) - begin);
    }
    return numbers;
}

std::string message_of(std::errc code) { return std::make_error_code(code).message(); }

// ---- The programs ----

constexpr int line_of_load = __LINE__ + 4;
constexpr int line_of_start = __LINE__ + 7;
// docs: mixed
task<any_result<std::string>> load(std::string path) {
    co_return co_await try_(fs::read_to_string(path).with_context("load the configuration"));
}

task<any_result<void>> start(std::string path) {
    const std::string url = co_await try_(load(std::move(path)));
    auto answer = co_await try_(http::get(url));
    const auto text = co_await try_(answer.body.read_text());
    const auto sorted = co_await try_(process::run(process::command("sort"), process::run_options().input(text)));
    co_await try_(sorted.status.check());
    co_return {};
}
// docs: end

task<any_result<void>> list(std::string program) {
    const auto done = co_await try_(process::run(process::command(program, "-A")));
    co_await try_(done.status.check());
    co_return {};
}

task<any_result<void>> fetch(std::string url) {
    auto answer = co_await try_(http::get(url));
    static_cast<void>(co_await try_(answer.body.read_text()));
    co_return {};
}

TEST(ErrorStories, WrongPathNamesOperationPathAndReason) {
    const support::temp_dir dir;
    const std::string text = printed(start(dir / "missing"));
    EXPECT_TRUE(text.starts_with("Error: load the configuration: read " + (dir / "missing") + ": " +
                                 message_of(std::errc::no_such_file_or_directory) + "\n  at "))
        << text;
    EXPECT_EQ(places_in(text), std::to_string(line_of_load) + ' ' + std::to_string(line_of_start));
}

TEST(ErrorStories, WrongTextNamesTheReason) {
    const support::temp_dir dir;
    std::ofstream(dir / "addr") << "nowhere";
    EXPECT_TRUE(printed(start(dir / "addr")).starts_with("Error: cannot request nowhere: "))
        << printed(start(dir / "addr"));
}

TEST(ErrorStories, UnknownProgramIsNamed) {
    EXPECT_TRUE(printed(list("eddy-no-such-program"))
                    .starts_with("Error: eddy-no-such-program: " + message_of(std::errc::no_such_file_or_directory) +
                                 "\n  at "));
}

TEST(ErrorStories, RequestNamesStepAndAddress) {
    const auto nowhere = support::closed_addr().to_string();
    const std::string text = printed(fetch("http://" + nowhere + "/"));
    EXPECT_TRUE(text.starts_with("Error: cannot connect to " + nowhere + ": " +
                                 message_of(std::errc::connection_refused) + "\n  at "))
        << text;
}

// ---- Network ----

task<any_result<void>> dial(eddy::net::lookup_request to) {
    static_cast<void>(co_await try_(eddy::net::tcp_stream::connect(to)));
    co_return {};
}

TEST(ErrorStories, ConnectNamesItsTarget) {
    const std::string refused = message_of(std::errc::connection_refused);
    const auto at = support::closed_addr();
    EXPECT_TRUE(printed(dial(at)).starts_with("Error: connect to " + at.to_string() + ": " + refused + "\n  at "));
    const auto other = support::closed_addr();
    EXPECT_TRUE(printed(dial(std::vector{at, other}))
                    .starts_with("Error: connect to " + at.to_string() + " and 1 more: last of 2 attempts, " +
                                 other.to_string() + ": " + refused));
    EXPECT_TRUE(printed(dial("127.1:80")).starts_with("Error: connect to 127.1:80: not a socket address: "));
    EXPECT_TRUE(printed(dial("nowhere")).starts_with("Error: connect to nowhere: not a socket address: "));
    EXPECT_TRUE(printed(dial({"[::1]", 80})).starts_with("Error: connect to [::1]:80: not a socket address: "));
    EXPECT_TRUE(
        printed(dial(std::vector<eddy::net::socket_addr>())).starts_with("Error: connect to no address: could "));
}

TEST(ErrorStories, LookUpNamesTheHost) {
    eddy::detail::set_resolver_for_tests(
        [](const std::string&, std::uint16_t) -> eddy::result<std::vector<eddy::net::socket_addr>> {
            return std::unexpected(make_error_code(eddy::errc::no_address));
        });
    const std::string reason = make_error_code(eddy::errc::no_address).message() + "\n";
    EXPECT_TRUE(
        printed(dial("host.test:80")).starts_with("Error: connect to host.test:80: look up the name: " + reason));
    const auto look_up = []() -> task<any_result<void>> {
        static_cast<void>(co_await try_(eddy::net::lookup_host("host.test", 80)));
        co_return {};
    };
    EXPECT_TRUE(printed(look_up()).starts_with("Error: look up host.test:80: " + reason));
    const auto bind = []() -> task<any_result<void>> {
        static_cast<void>(co_await try_(eddy::net::udp_socket::bind("host.test", 80)));
        co_return {};
    };
    EXPECT_TRUE(printed(bind()).starts_with("Error: bind to host.test:80: look up the name: " + reason));
    const auto connect = []() -> task<any_result<void>> {
        auto socket = co_await try_(eddy::net::udp_socket::bind("127.0.0.1:0"));
        co_await try_(socket.connect("host.test:80"));
        co_return {};
    };
    EXPECT_TRUE(printed(connect()).starts_with("Error: connect to host.test:80: look up the name: " + reason));
    eddy::detail::set_resolver_for_tests(nullptr);
}

TEST(ErrorStories, NameWithSeveralAddressesHasTheLastAttempt) {
    eddy::detail::set_resolver_for_tests(
        [](const std::string&, std::uint16_t port) -> eddy::result<std::vector<eddy::net::socket_addr>> {
            return std::vector{eddy::net::socket_addr(eddy::net::ipv4_addr(127, 0, 0, 1), port),
                               eddy::net::socket_addr(eddy::net::ipv4_addr(127, 0, 0, 2), port)};
        });
    const std::string port = std::to_string(support::closed_addr().port());
    const std::string text = printed(dial("host.test:" + port));
    EXPECT_TRUE(text.starts_with("Error: connect to host.test:" + port + ": last of 2 attempts, 127.0.0.2:" + port +
                                 ": " + message_of(std::errc::connection_refused)))
        << text;
    eddy::detail::set_resolver_for_tests(
        [](const std::string&, std::uint16_t of) -> eddy::result<std::vector<eddy::net::socket_addr>> {
            return std::vector{eddy::net::socket_addr(eddy::net::ipv4_addr(127, 0, 0, 3), of)};
        });
    EXPECT_TRUE(printed(dial("host.test:" + port))
                    .starts_with("Error: connect to host.test:" + port + ": 127.0.0.3:" + port + ": "));
    eddy::detail::set_resolver_for_tests(nullptr);
}

TEST(ErrorStories, BindAndListenNameTheAddress) {
    const auto taken = support::raw_socket::listening();
    const std::string at = taken.addr().to_string();
    const std::string reason = at + ": " + message_of(std::errc::address_in_use) + "\n";
    const auto bind = [](std::string where) -> task<any_result<void>> {
        static_cast<void>(co_await try_(eddy::net::tcp_listener::bind(where)));
        co_return {};
    };
    EXPECT_TRUE(printed(bind(at)).starts_with("Error: bind to " + reason));
    const auto bind_here = [](eddy::net::socket_addr where) -> task<any_result<void>> {
        eddy::core loop;
        static_cast<void>(co_await try_(eddy::net::tcp_listener::bind(where, loop.handle())));
        co_return {};
    };
    EXPECT_TRUE(printed(bind_here(taken.addr())).starts_with("Error: bind to " + reason));
    const auto dial_from_socket = [](eddy::net::socket_addr where) -> task<any_result<void>> {
        auto socket = co_await try_(eddy::net::tcp_socket::v4());
        static_cast<void>(co_await try_(std::move(socket).connect(where)));
        co_return {};
    };
    const auto closed = support::closed_addr();
    EXPECT_TRUE(printed(dial_from_socket(closed)).starts_with("Error: connect to " + closed.to_string() + ": "));
}

TEST(ErrorStories, AcceptAndItsListenerHaveAnAddress) {
    eddy::core loop;
    auto listener =
        eddy::value_of(eddy::net::tcp_listener::bind({eddy::net::ipv4_addr(127, 0, 0, 1), 0}, loop.handle()));
    EXPECT_EQ(listener.accept().operation(), "accept on " + listener.local_addr().value().to_string());
}

TEST(ErrorStories, UnixSocketsNameTheirPath) {
    const support::temp_dir dir;
    const std::string path = dir / "missing";
    const auto dial_path = [](std::string to) -> task<any_result<void>> {
        static_cast<void>(co_await try_(eddy::net::unix_stream::connect(to)));
        co_return {};
    };
    const std::string reason = message_of(std::errc::no_such_file_or_directory);
    EXPECT_TRUE(printed(dial_path(path)).starts_with("Error: connect to " + path + ": " + reason))
        << printed(dial_path(path));
    EXPECT_TRUE(printed(dial_path("")).starts_with("Error: connect to a Unix socket: a path must not be empty"));
    const auto bind_path = [](std::string at) -> task<any_result<void>> {
        static_cast<void>(co_await try_(eddy::net::unix_listener::bind(at)));
        co_return {};
    };
    EXPECT_TRUE(printed(bind_path(path + "/x")).starts_with("Error: bind to " + path + "/x: " + reason));
    EXPECT_TRUE(printed(bind_path("")).starts_with("Error: bind to a Unix socket: a path must not be empty"));
}

#ifdef EDDY_TEST_TLS
TEST(ErrorStories, HandshakeNamesThePeer) {
    const support::tls_world world;
    const support::tls_world other;
    const auto shake_hands = [&]() -> task<any_result<void>> {
        auto [here, there] = io::duplex(64 * 1024);
        auto server = eddy::spawn(eddy::tls::accept(std::move(there), *world.server().build()));
        auto client = co_await eddy::tls::connect(std::move(here), *other.client().build(), "localhost");
        EXPECT_FALSE(client);
        const auto accepted = co_await server;
        EXPECT_TRUE(accepted && !*accepted && accepted->error().message().starts_with("TLS handshake with a client: "));
        static_cast<void>(co_await try_(std::move(client)));
        co_return {};
    };
    const std::string text = printed(shake_hands());
    EXPECT_TRUE(text.starts_with("Error: TLS handshake with localhost: ")) << text;
    EXPECT_NE(text.find("certificate"), text.npos) << text;

    const auto over_tcp = [&]() -> task<any_result<void>> {
        auto listener = co_await try_(eddy::net::tcp_listener::bind("127.0.0.1:0"));
        const auto at = co_await try_(listener.local_addr());
        auto client = co_await try_(eddy::net::tcp_stream::connect(at));
        co_await try_(client.write_all("GET / HTTP/1.1\r\n\r\n"));  // not TLS
        auto accepted = co_await try_(listener.accept());
        static_cast<void>(co_await try_(eddy::tls::accept(std::move(accepted.stream), *world.server().build())));
        co_return {};
    };
    EXPECT_TRUE(printed(over_tcp()).starts_with("Error: TLS handshake with 127.0.0.1:")) << printed(over_tcp());
}
#endif

TEST(ErrorStories, SpawnedTaskAndScopeKeepTheText) {
    const support::temp_dir dir;
    const std::string reason =
        "read " + (dir / "missing") + ": " + message_of(std::errc::no_such_file_or_directory) + "\n  at ";
    const auto spawns = [&]() -> task<any_result<void>> {
        auto handle = eddy::spawn(start(dir / "missing"));
        co_await try_(co_await try_(handle));
        co_return {};
    };
    const std::string spawned = printed(spawns());
    EXPECT_TRUE(spawned.starts_with("Error: load the configuration: " + reason)) << spawned;
    EXPECT_TRUE(places_in(spawned).starts_with(std::to_string(line_of_load) + ' ')) << spawned;

    const auto scoped = [&]() -> task<any_result<void>> {
        auto children = [&](auto& s) -> task<any_result<void>> {
            s.spawn([](std::string path) -> task<fs::result<void>> {
                static_cast<void>(co_await try_(fs::read_to_string(path)));
                co_return {};
            }(dir / "missing"));
            co_return {};
        };
        auto scope = eddy::scope(children);
        co_await try_(std::move(scope));
        co_return {};
    };
    EXPECT_TRUE(printed(scoped()).starts_with("Error: " + reason)) << printed(scoped());
}

TEST(ErrorStories, ExpectPrintsTextReasonAndLine) {
    const std::string text = "nowhere";
    try {
        // docs: expect
        auto address = eddy::expect(eddy::net::socket_addr::parse(text), "make an address");
        // docs: end
        FAIL() << address.port();
    } catch (const eddy::unmet_expectation& unmet) {
        EXPECT_TRUE(std::string(unmet.what()).starts_with("make an address: not a socket address: write it as "));
    }
}

// covers: S97
TEST(ErrorStories, ErrorClassesPrintTheirMessages) {
    const std::error_code why = std::make_error_code(std::errc::io_error);
    std::ostringstream text;
    text << fs::error(why, "open", "/x") << '|' << process::error(why, "ls") << '|'
         << http::client_error(http::phase::connect, "host:80", why);
    EXPECT_EQ(text.str(), fs::error(why, "open", "/x").message() + '|' + process::error(why, "ls").message() + '|' +
                              http::client_error(http::phase::connect, "host:80", why).message());
}

TEST(ErrorStories, UnreadErrorOfATaskIsReportedWithItsPlaces) {
    const support::temp_dir dir;
    testing::internal::CaptureStderr();
    eddy::core loop;
    loop.run([&]() -> task<void> {
        eddy::spawn(start(dir / "missing")).detach();
        co_return;
    });
    loop.run_until_idle();
    const std::string text = testing::internal::GetCapturedStderr();
    EXPECT_NE(text.find(" failed: load the configuration: read "), std::string::npos) << text;
    EXPECT_NE(text.find(" (no code has read this error)\n  at "), std::string::npos) << text;
    EXPECT_EQ(places_in(text), std::to_string(line_of_load) + ' ' + std::to_string(line_of_start)) << text;
}

}  // namespace
