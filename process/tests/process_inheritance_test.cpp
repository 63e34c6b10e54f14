// SPDX-License-Identifier: MIT
// What a process takes from the one that has started it, if that was killed, or if it executes itself.
// covers: B13
#include <gtest/gtest.h>

#include <csignal>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/net.hpp>
#include <support/process/children.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace net = eddy::net;
namespace process = eddy::process;
using process::command;
using process::stdio;

const std::string not_inherited =
    " of LISTEN_FDS was not inherited: it is closed, or this program has opened it. A program that executes itself "
    "must clear FD_CLOEXEC of its sockets before, or remove LISTEN_FDS\n";

class Inheritance : public testing::Test {
protected:
    Inheritance() { EXPECT_TRUE(support::all_are_reaped()); }
    ~Inheritance() override { EXPECT_TRUE(support::all_are_reaped()); }

    process::child start(command what) { return runs.run(what.out(stdio::pipe()).spawn()).value(); }
    std::string rest_of(process::child& of) { return runs.run(support::contents_of(*of.out())); }
    std::string line_of(process::child& of) {
        return runs.run([](process::child& from) -> eddy::task<std::string> {
            std::string line;
            for (std::byte next{};;) {
                const auto count = co_await from.out()->read(std::span(&next, 1));
                if (!count || *count == 0) co_return line + " and no more";
                if (next == std::byte('\n')) co_return line;
                line += static_cast<char>(next);
            }
        }(of));
    }
    template <class Stream>
    std::string answer_to(Stream client) {
        return runs.run(support::contents_of(client));
    }
    /// Starts the program with one socket, of which a service manager says that there are `count`.
    process::child activate(const net::tcp_listener& with, int count, const std::string& what,
                            const std::string& how = "") {
        return start(command("sh", "-c", "LISTEN_PID=$$ exec \"$@\"", "sh", EDDY_CHILD_PROGRAM, what, how)
                         .env("LISTEN_FDS", std::to_string(count))
                         .env("LISTEN_FDNAMES", "web")
                         .descriptor(3, stdio::copy_of(with)));
    }
    net::tcp_listener listen() { return runs.run(net::tcp_listener::bind("127.0.0.1:0")).value(); }
    net::tcp_stream connect_to(const net::tcp_listener& listener) {
        return runs.run(net::tcp_stream::connect(listener.local_addr().value())).value();
    }

    support::executor runs{0};
};

TEST_F(Inheritance, SuccessorOfAKilledPredecessorHasEverything) {
    auto predecessor = start(command(EDDY_CHILD_PROGRAM, "predecessor"));
    const auto addr = line_of(predecessor);
    ASSERT_EQ(line_of(predecessor), "started");
    auto client = runs.run(net::tcp_stream::connect(addr)).value();
    ASSERT_TRUE(predecessor.signal(SIGKILL));
    EXPECT_EQ(runs.run(predecessor.wait())->signal(), SIGKILL);
    EXPECT_EQ(rest_of(predecessor), "sockets: web\nbytes: secret\n");
    EXPECT_EQ(answer_to(std::move(client)), "served");
}

TEST_F(Inheritance, WrongNumberOfSocketsIsAnErrorThatNamesOne) {
    const auto listener = listen();
    for (const int count : {2, 3}) {
        auto service = activate(listener, count, "serve");
        EXPECT_EQ(rest_of(service), "error: descriptor 4" + not_inherited + "sockets:\nbytes: \n");
        EXPECT_TRUE(runs.run(service.wait())->is_success());
    }
    auto service = activate(listener, 0, "serve");
    EXPECT_EQ(rest_of(service), "sockets:\nbytes: \n");
    EXPECT_TRUE(runs.run(service.wait())->is_success());
}

TEST_F(Inheritance, ProgramThatExecutesItselfKeepsItsOwnDescriptors) {
    const auto listener = listen();
    auto service = activate(listener, 1, "again", "keeps");
    EXPECT_EQ(rest_of(service), "again with 1\nerror: descriptor 3" + not_inherited + "sockets:\nbytes: \n");
    EXPECT_TRUE(runs.run(service.wait())->is_success());
}

TEST_F(Inheritance, ProgramThatExecutesItselfMayPassSockets) {
    const auto listener = listen();
    auto client = connect_to(listener);
    auto service = activate(listener, 1, "again", "passes");
    EXPECT_EQ(rest_of(service), "again with 1\nsockets: web\nbytes: \n");
    EXPECT_TRUE(runs.run(service.wait())->is_success());
    EXPECT_EQ(answer_to(std::move(client)), "served");
}

TEST_F(Inheritance, ProgramThatRemovesTheVariablesHasNoneAfterwards) {
    const auto listener = listen();
    auto service = activate(listener, 1, "again", "removes");
    EXPECT_EQ(rest_of(service), "again with 1\nsockets:\nbytes: \n");
    EXPECT_TRUE(runs.run(service.wait())->is_success());
}

TEST_F(Inheritance, SystemdActivatesTheProgram) {
    const support::temp_dir dir;
    const auto activator = runs.run(process::run(command("sh", "-c", "command -v systemd-socket-activate")));
    if (!activator->status.is_success()) GTEST_SKIP() << "systemd-socket-activate (Debian: systemd) is not installed";
    for (const std::string how : {"serve", "keeps", "passes", "removes"}) {
        auto starts = command("systemd-socket-activate", "--listen", dir / how, "--fdname=local", "-EEDDY_DRIVER");
        starts.arg(EDDY_CHILD_PROGRAM).arg(how == "serve" ? how : "again").arg(how).error(stdio::null());
        auto service = start(std::move(starts));
        auto client = runs.run(net::unix_stream::connect(dir / how));  // which starts the program
        ASSERT_TRUE(support::comes_true([&] {
            if (!client) client = runs.run(net::unix_stream::connect(dir / how));
            return client.has_value();
        }));
        const bool is_served = how == "serve" || how == "passes";
        std::string said = rest_of(service);
        if (how != "serve") {
            EXPECT_TRUE(said.starts_with("again with 1\n")) << said;
            said.erase(0, said.find('\n') + 1);
        }
        if (how == "keeps") {
            EXPECT_TRUE(said.starts_with("error: descriptor 3 ")) << said;
            said.erase(0, said.find('\n') + 1);
        }
        EXPECT_EQ(said, is_served ? "sockets: local\nbytes: \n" : "sockets:\nbytes: \n");
        EXPECT_TRUE(runs.run(service.wait())->is_success());
        if (is_served) {
            EXPECT_EQ(answer_to(*std::move(client)), "served");
        }
    }
}

}  // namespace
