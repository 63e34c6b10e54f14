// SPDX-License-Identifier: MIT
// covers: S17
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <eddy/runtime/core.hpp>

#include <support/first_line.hpp>
#include <support/net.hpp>
#include <support/temp_dir.hpp>

#include "support/driver_fds.hpp"
#include "support/process.hpp"
#include "sys/urgent_data.hpp"

// The examples, run as a user runs them: as processes, whose output and exit codes are compared.

namespace {

using support::addr_in;
using support::path_of;
using support::process;
using support::raw_socket;
using support::run;

/// Makes the tests that need a program's default port run one after the other, also those of other processes: the
/// groups programs and io_uring.programs run at the same time.
class turn_at_port {
public:
    turn_at_port() { EXPECT_EQ(::flock(file_, LOCK_EX), 0) << std::strerror(errno); }
    ~turn_at_port() { ::close(file_); }
    turn_at_port(const turn_at_port&) = delete;
    turn_at_port& operator=(const turn_at_port&) = delete;

private:
    int file_ = ::open((std::filesystem::temp_directory_path() / "eddy_default_ports.lock").c_str(),
                       O_RDWR | O_CREAT | O_CLOEXEC, 0666);
};

// One test checks both outcomes (refused and connected), since they need the same port.
// covers: S12 S13
TEST(Programs, ConnectCombinatorsPrintsOutcome) {
    const turn_at_port turn;
    const auto refused = run({"connect_combinators"});
    raw_socket listener;
    const int on = 1;
    ::setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    listener.bind(9243);  // throws if another program uses this port
    EXPECT_EQ(refused.out, "failed to connect; err=Connection refused\n");
    EXPECT_EQ(refused.err, "");
    EXPECT_EQ(refused.code, 0);

    ::listen(listener.fd(), 8);
    const auto connected = run({"connect_combinators"});
    EXPECT_EQ(connected.out, "successfully connected\n");
    EXPECT_EQ(connected.err, "");
    EXPECT_EQ(connected.code, 0);
}

// covers: S26
TEST(Programs, ConnectCoroutinePrintsOutcome) {
    const auto listener = raw_socket::listening();
    for (const std::string host : {"127.0.0.1:", "localhost:"}) {
        const auto connected = run({"connect_coroutine", host + std::to_string(listener.addr().port())});
        EXPECT_EQ(connected.out, "created stream\n");
        EXPECT_EQ(connected.err, "");
        EXPECT_EQ(connected.code, 0);
        const std::string nowhere = host + std::to_string(support::closed_addr().port());
        const auto refused = run({"connect_coroutine", nowhere});
        EXPECT_EQ(refused.out, "");
        const std::string text = support::first_line(refused.err);
        EXPECT_TRUE(text.starts_with("Error: connect to " + nowhere + ": ")) << text;
        EXPECT_TRUE(text.ends_with(": Connection refused\n")) << text;
        EXPECT_EQ(refused.code, 1);
    }
    const auto wrong = run({"connect_coroutine", "localhost"});
    EXPECT_TRUE(wrong.err.starts_with("Error: connect to localhost: not a socket address: ")) << wrong.err;
    EXPECT_EQ(wrong.code, 1);
}

// Runs the program with its default address. One test checks both outcomes (refused and connected), since they need the
// same port.
// covers: S26
TEST(Programs, ConnectCoroutineDefaultsToLocalhost6142) {
    const turn_at_port turn;
    raw_socket listener;
    const int on = 1;
    ::setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    listener.bind(6142);  // throws if another program uses this port
    const auto refused = run({"connect_coroutine"});
    // The name may have an IPv6 address, too.
    const std::string text = support::first_line(refused.err);
    EXPECT_TRUE(text.starts_with("Error: connect to localhost:6142: ") && text.ends_with(": Connection refused\n"))
        << text;
    EXPECT_EQ(refused.code, 1);
    ::listen(listener.fd(), 8);
    const auto connected = run({"connect_coroutine"});
    EXPECT_EQ(connected.out, "created stream\n");
    EXPECT_EQ(connected.code, 0);
}

// covers: S62 S93
TEST(Programs, EventLoopServerServesHundredClients) {
    process server({"event_loop_server", "127.0.0.1:0"});
    const auto addr = addr_in(server.line());
    std::vector<raw_socket> clients;
    for (int i = 0; i < 100; ++i) clients.push_back(raw_socket::connected(addr));
    for (int i = 0; i < 100; ++i) clients[static_cast<std::size_t>(i)].send("client " + std::to_string(i));
    for (int i = 99; i >= 0; --i) {
        const auto text = "client " + std::to_string(i);
        EXPECT_EQ(clients[static_cast<std::size_t>(i)].receive(text.size()), text);
    }
}

// covers: S62
TEST(Programs, EventLoopServerPrintsFailedStep) {
    // One descriptor in addition to the standard streams: the dynamic linker needs it. The event loop needs two.
    const auto no_core = process({"event_loop_server", "127.0.0.1:0"}, 4).wait();
    EXPECT_TRUE(no_core.err.starts_with("Error: make the event loop: Too many open files (at ")) << no_core.err;
    EXPECT_EQ(no_core.code, 1);

    const auto no_address = run({"event_loop_server", "127.0.0.1"});
    EXPECT_TRUE(no_address.err.starts_with("Error: parse the address: not a socket address: ")) << no_address.err;
    EXPECT_EQ(no_address.code, 1);

    const auto taken = raw_socket::listening();
    const auto no_bind = run({"event_loop_server", taken.addr().to_string()});
    const auto at = taken.addr().to_string();
    EXPECT_TRUE(no_bind.err.starts_with("Error: start: bind to " + at + ": Address already in use (at "))
        << no_bind.err;
    EXPECT_EQ(no_bind.code, 1);

    // The limit allows the standard streams, the descriptors of the driver, and the listener, but no client.
    process full({"event_loop_server", "127.0.0.1:0"}, 3 + support::fds_per_loop() + 1);
    const auto client = raw_socket::connected(addr_in(full.line()));
    const auto no_run = full.wait();
    EXPECT_TRUE(no_run.err.starts_with("Error: serve: Too many open files (at ")) << no_run.err;
    EXPECT_EQ(no_run.code, 1);
}

TEST(Programs, EventLoopServerRefusesUnknownDriver) {
    const auto ended = process({"event_loop_server", "127.0.0.1:0"}, {}, {"EDDY_DRIVER=abacus"}).wait();
    EXPECT_TRUE(
        ended.err.starts_with("Error: make the event loop: the environment's EDDY_DRIVER names no driver: "
                              "there are epoll, io_uring, poll and auto (at "))
        << ended.err;
    EXPECT_EQ(ended.code, 1);
}

// covers: I20.6.4
TEST(Programs, JobsCompletesAllJobsAndRepeatsFailedOnes) {
    const auto ended = run({"jobs"});
    EXPECT_EQ(ended.out, "100 jobs: 100 done, 0 cancelled, 10 repeated; the sum of the results is 328350\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(run({"jobs", "0"}).code, 0);
}

// Stops the pool at arbitrary moments. Each job is done or cancelled. The program exits with 1 if the number of
// results differs from the number of jobs that have ended.
// covers: I20.6.4
TEST(Programs, JobsCanBeStoppedAtAnyMoment) {
    int cut_short = 0;
    for (int us = 0; us < 3000; us += 150) {
        const auto ended = run({"jobs", "10000", std::to_string(us)});
        EXPECT_NE(ended.out.find("10000 jobs: "), ended.out.npos) << ended.out;
        EXPECT_EQ(ended.err, "");
        EXPECT_EQ(ended.code, 0);
        if (ended.out.find(", 0 cancelled") == ended.out.npos) ++cut_short;
    }
    EXPECT_GT(cut_short, 0);
}

TEST(Programs, JobsEndsBeforeStopTimeWhenWorkIsDone) {
    const auto ended = run({"jobs", "100", "86400000000"});
    EXPECT_EQ(ended.out, "100 jobs: 100 done, 0 cancelled, 10 repeated; the sum of the results is 328350\n");
    EXPECT_EQ(ended.code, 0);
}

TEST(Programs, CleanupFinishesStartedSteps) {
    const auto ended = run({"cleanup"});
    EXPECT_EQ(ended.out,
              "a quick request\n"
              "  one account is charged\n"
              "  the other one is paid\n"
              "  a receipt is written\n"
              "  logged out\n"
              "  answered in time\n"
              "a slow request\n"
              "  one account is charged\n"
              "  the other one is paid\n"
              "  logged out\n"
              "  too late for an answer\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

// covers: P108
TEST(Programs, CallbacksOfAnotherLibraryCompleteFutures) {
    const auto ended = run({"callbacks"});
    EXPECT_EQ(ended.out,
              "the library answered 42\n"
              "the awaitable answered 7\n"
              "the other coroutine got 43\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

TEST(Programs, ExpiringDropsEntriesInOrderOfDeadlines) {
    const auto ended = run({"expiring"});
    EXPECT_EQ(ended.out,
              "Ada was requested: deadline extended\n"
              "expired: Bob\n"
              "expired: Cid\n"
              "expired: Dora\n"
              "expired: Ada\n"
              "the slow subscriber missed 2\n"
              "the slow subscriber received Dora\n"
              "the slow subscriber received Ada\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

TEST(Programs, PatientClientRetriesAndHandlesEvents) {
    const auto ended = run({"patient_client"});
    EXPECT_EQ(ended.out,
              "attempt failed: unexpected end of file\n"
              "attempt failed: unexpected end of file\n"
              "logged in\n"
              "server: done: tea\n"
              "server: done: milk\n"
              "no more orders\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

TEST(Programs, PipelineMovesAllItemsThroughBoundedStages) {
    const auto ended = run({"pipeline"});
    EXPECT_TRUE(ended.out.starts_with("1000 of 1000 items processed, sum 332833500; at most 8 fetched and "))
        << ended.out;
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

TEST(Programs, PipelineCanBeStoppedAtAnyMoment) {
    for (int us = 0; us < 3000; us += 150) {
        const auto ended = run({"pipeline", "--items", "5000", "--stop-after-us", std::to_string(us)});
        EXPECT_NE(ended.out.find("nothing is left running"), ended.out.npos) << ended.out;
        EXPECT_EQ(ended.err, "");
        EXPECT_EQ(ended.code, 0);
    }
}

TEST(Programs, RemoteWorkRunsOnLoop) {
    const auto ended = run({"remote_work"});
    EXPECT_EQ(ended.out,
              "the listener was made on the loop's thread: yes\n"
              "the loop says: hello from another thread\n"
              "6 * 7 = 42, computed on a loop of its own\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

TEST(Programs, UnderTheHoodPrintsEvents) {
    const auto ended = run({"under_the_hood"});
    EXPECT_EQ(ended.out, "the future saw 3 ticks\nthe selector saw token 7: readable\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

TEST(Programs, ConnectionStepsPrintsPolls) {
    const auto ended = run({"connection_steps"});
    // A short read shows that the socket is empty only if the driver reports urgent data, see sys/urgent_data.hpp.
    const std::string last_read = eddy::sys::reports_urgent_data ? "read: poll 1 is not ready\nread: poll 2 is ready\n"
                                                                 : "read: poll 1 is ready\n";
    EXPECT_EQ(ended.out,
              "connect: created\n"
              "connect: poll 1 is not ready\n"
              "connect: poll 2 is ready\n"
              "read: created\n"
              "read: poll 1 is not ready\n"
              "the peer writes\n"
              "read: poll 2 is ready\n"
              "read 5 bytes: hello\n"
              "read: created\n" +
                  last_read + "end of stream\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

// covers: S53
TEST(Programs, EventKindsPrintsFourKinds) {
    const auto ended = run({"event_kinds"});
    EXPECT_EQ(ended.out,
              "a socket is readable: 5 bytes\n"
              "a write is finished\n"
              "work is finished: 6 x 7 = 42\n"
              "a thread has answered: 43\n"
              "a timeout\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

TEST(Programs, SpawnAndJoinPrintsOutcomeOfEachTask) {
    const auto ended = run({"spawn_and_join"});
    EXPECT_EQ(ended.out,
              "6 * 7 = 42\n"
              "\"17\" is 17\n"
              "\"seventeen\": Invalid argument\n"
              "\"\": nothing to parse\n"
              "try_ returns 18\n"
              "the nap was cancelled\n"
              "the squares of 1 to 4 add up to 30\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

TEST(Programs, ScopesEndWithFirstFailure) {
    const auto ended = run({"scopes"});
    EXPECT_EQ(ended.out,
              "1 + 2 + ... + 1000 = 500500\n"
              "1 + 2 + ... + 100000 = 5000050000\n"
              "a child has failed: Connection refused\n"
              "a child has thrown: no such table\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

TEST(Programs, BlockingWorkDoesNotStopTicker) {
    const auto ended = run({"blocking_work"});
    EXPECT_EQ(ended.out,
              "spawn_blocking: the ticker continued\n"
              "block_in_place: the ticker continued\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

TEST(Programs, ShutdownEndsWhenIdleAndOnSignal) {
    for (const int number : {SIGINT, SIGTERM}) {
        process program({"shutdown"});
        EXPECT_EQ(program.line(), "a job is done");
        EXPECT_EQ(program.line(), "idle: only the heartbeat was left, and it is cancelled");
        EXPECT_EQ(program.line(), "writing; Ctrl-C ends it");
        program.signal(number);
        const auto ended = program.wait();
        EXPECT_EQ(ended.out,
                  "the task is destroyed, and notifies the writer\n"
                  "the writer has written the rest\n"
                  "shut down\n");
        EXPECT_EQ(ended.err, "");
        EXPECT_EQ(ended.code, 0);
    }
}

TEST(Programs, RuntimeBuilderPrintsHooksAndMetrics) {
    // The program overrides the environment variable.
    const auto ended = process({"runtime_builder"}, {}, {"EDDY_WORKER_THREADS=3"}).wait();
    EXPECT_EQ(ended.out,
              "a task named \"greeter\" runs on a thread named demo-...\n"
              "sent from another thread: 42\n"
              "uncaught exception: the cat is out\n"
              "2 workers, 4 tasks spawned, 0 alive\n"
              "2 threads started, 2 ended\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

TEST(Programs, LocalStatePrintsRequestsAndSignatures) {
    const auto ended = run({"local_state"});
    EXPECT_EQ(ended.out,
              "request 7: hello\n"
              "request 8: hello\n"
              "outside of requests: no number\n"
              "signed by Ada, Bjarne, Grace\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

/// Returns the command that starts a server on a runtime or, if `on_loop`, on an event loop.
std::vector<std::string> tcp_echo_command(bool on_loop) {
    std::vector<std::string> command{"tcp_echo", "127.0.0.1:0"};
    if (on_loop) command.emplace_back("--loop");
    return command;
}

TEST(Programs, TcpEchoExitsWithZeroOnSignal) {
    for (const auto& [number, on_loop] :
         {std::pair(SIGINT, false), {SIGTERM, false}, {SIGINT, true}, {SIGTERM, true}}) {
        process server(tcp_echo_command(on_loop));
        const auto client = raw_socket::connected(addr_in(server.line()));
        client.send("hello");
        EXPECT_EQ(client.receive(5), "hello");
        server.signal(number);
        const auto ended = server.wait();
        EXPECT_EQ(ended.code, 0);
        EXPECT_EQ(ended.err, "");
    }
}

// covers: R012
TEST(Programs, TcpEchoSurvivesDescriptorShortage) {
    for (const bool on_loop : {false, true}) {
        // Each worker needs two descriptors.
        process server(tcp_echo_command(on_loop), 20, {"EDDY_WORKER_THREADS=2"});
        const auto addr = addr_in(server.line());
        std::vector<raw_socket> clients;
        for (int i = 0; i < 30; ++i) clients.push_back(raw_socket::connected(addr));
        clients.front().send("first");
        EXPECT_EQ(clients.front().receive(5), "first");
        clients.back().send("last");
        clients.erase(clients.begin(), clients.end() - 1);
        EXPECT_EQ(clients.back().receive(4), "last") << "the server did not continue after other clients had left";
        server.signal(SIGTERM);
        const auto ended = server.wait();
        EXPECT_EQ(ended.code, 0);
        EXPECT_NE(ended.err.find("accept: Too many open files"), ended.err.npos) << ended.err;
    }
}

TEST(Programs, TcpEchoPrintsWhyStartFails) {
    const auto taken = raw_socket::listening();
    const auto ended = run({"tcp_echo", taken.addr().to_string()});
    EXPECT_EQ(ended.code, 1);
    EXPECT_NE(ended.err.find("Address already in use"), ended.err.npos) << ended.err;
    EXPECT_EQ(run({"tcp_echo", "nowhere"}).code, 1);
    const auto unknown = run({"tcp_echo", "127.0.0.1:0", "--driver", "abacus"});
    EXPECT_NE(unknown.code, 0);
    EXPECT_NE(unknown.err.find("--driver: abacus not in {epoll,io_uring,poll,auto}"), unknown.err.npos) << unknown.err;
}

// covers: P066
TEST(Programs, ServeEchoServesTcpAndUnixUntilSignal) {
    process server({"serve_echo", "127.0.0.1:0"});
    auto client = raw_socket::connected(addr_in(server.line()));
    client.send("hello");
    EXPECT_EQ(client.receive(5), "hello");
    server.signal(SIGTERM);
    client.send("still");
    EXPECT_EQ(client.receive(5), "still") << "a connected client may finish";
    client.close();
    const auto ended = server.wait();
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.out, "1 served, 0 aborted\n");
    EXPECT_EQ(ended.err, "");

    const support::temp_dir dir;
    process by_path({"serve_echo", dir / "socket"});
    EXPECT_EQ(by_path.line(), "listening on " + (dir / "socket"));
    by_path.signal(SIGINT);
    EXPECT_EQ(by_path.wait().out, "0 served, 0 aborted\n");
    EXPECT_FALSE(std::filesystem::exists(dir / "socket"));
    EXPECT_EQ(run({"serve_echo", "nowhere"}).code, 1);
}

TEST(Programs, ServeEchoEndsImmediatelyOnSecondSignal) {
    for (const int second : {SIGINT, SIGTERM}) {
        process server({"serve_echo", "127.0.0.1:0"});
        const auto at = addr_in(server.line());
        const auto client = raw_socket::connected(at);
        client.send("hello");
        EXPECT_EQ(client.receive(5), "hello");
        server.signal(SIGINT);
        EXPECT_TRUE(support::comes_true([&] { return support::refuses(at); }));
        client.send("still");
        EXPECT_EQ(client.receive(5), "still") << "a connected client may finish";
        server.signal(second);
        const auto ended = server.wait();
        EXPECT_EQ(ended.code, 128 + second);
        EXPECT_EQ(ended.out, "");
    }
}

// covers: S87
TEST(Programs, OwnCodecContinuesAfterDamagedFrame) {
    const auto ended = run({"own_codec"});
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.out,
              "frame: hello\n"
              "error: Bad message\n"
              "frame: world\n"
              "error: bytes remaining on stream: it ended in the middle of a frame\n");
}

// covers: S92
TEST(Programs, BlobStoreStreamsBodiesBothWays) {
    const auto ended = run({"blob_store"});
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.out,
              "put log: stored 5000000 bytes\n"
              "get log: 5000000 bytes, all as they were sent\n"
              "get nothing: No such file or directory\n");
}

TEST(Programs, RpcPrintsAnswersAndErrors) {
    const auto ended = run({"rpc"});
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.out,
              "square(12) = 144\n"
              "root(-1): Numerical argument out of domain\n"
              "the squares of 0 to 99 add up to 328350\n"
              "sleep(500): the operation timed out\n");
}

// covers: P062
TEST(Programs, PipesPrintsLinesFromEachSource) {
    const auto ended = run({"/bin/sh", "-c", "printf 'four\\nfive' | " + path_of("pipes")});
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.out,
              "a pipe: one two three\n"
              "a FIFO: one two three\n"
              "standard input: four five\n");
}

// covers: P060 P061
TEST(Programs, UnixSocketsRecognizesClient) {
    const auto ended = run({"unix_sockets"});
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.out,
              "the server says: welcome, same process\n"
              "the service says: ping\n");
}

/// Returns the name of the driver that `auto` selects here, and the reason, which starts with that name.
std::pair<std::string, std::string> automatic_driver() {
    const auto loop = eddy::core::builder().driver(eddy::driver_kind::automatic).build().value();
    const std::string why(loop.why_driver());
    return {why.substr(0, why.find(':')), why};
}

TEST(Programs, TcpEchoPrintsDriverAndReason) {
    for (const bool on_loop : {false, true}) {
        const auto says = [&](const std::string& driver, const std::string& why) {
            auto command = tcp_echo_command(on_loop);
            command.insert(command.end(), {"--driver", driver});
            process server(command);
            static_cast<void>(addr_in(server.line()));
            EXPECT_EQ(server.line(), "driver " + why);
        };
        says("epoll", "epoll: asked for by EDDY_DRIVER");
        const auto [name, why] = automatic_driver();
        says("auto", why);
        if (name == "io_uring") says("io_uring", "io_uring: asked for by EDDY_DRIVER");
    }
}

TEST(Programs, TcpLoadMeasuresServer) {
    const auto [driver, why] = automatic_driver();
    process server({"tcp_echo", "127.0.0.1:0"});
    const auto addr = addr_in(server.line());
    const std::string json = testing::TempDir() + "/eddy_tcp_load." + std::to_string(::getpid());
    const auto ended = run({"tcp_load", addr.to_string(), "--connections", "50", "--seconds", "0.3", "--size", "100",
                            "--json", json, "--driver", "auto"});
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.err, "");
    EXPECT_NE(ended.out.find("driver        " + why + "\n"), ended.out.npos) << ended.out;
    EXPECT_NE(ended.out.find("requests/s"), ended.out.npos);
    // Says first what it does. Ends with a histogram. Has no colors, because the output is not a terminal.
    EXPECT_TRUE(ended.out.starts_with("opens 50 connections, then sends requests of 100 bytes for 0.3 s,"))
        << ended.out;
    const auto histogram = ended.out.find("  latency         requests\n  < ");
    EXPECT_NE(histogram, ended.out.npos) << ended.out;
    EXPECT_NE(ended.out.find("  ########################################\n", histogram), ended.out.npos) << ended.out;
    EXPECT_EQ(ended.out.find('\x1b'), ended.out.npos);
    const int file = ::open(json.c_str(), O_RDONLY | O_CLOEXEC);
    ASSERT_GE(file, 0);
    std::string figures(4096, '\0');
    figures.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::read(file, figures.data(), figures.size()))));
    ::close(file);
    ::unlink(json.c_str());
    EXPECT_EQ(figures.find(R"({"driver":")" + driver + R"(","connections":50,"requests":)"), 0u) << figures;
    EXPECT_NE(figures.find(R"("errors":0)"), figures.npos) << figures;
    EXPECT_NE(figures.find(R"("size":100})"), figures.npos) << figures;
}

TEST(Programs, TcpLoadFailsOnWrongByteAndLostConnection) {
    const auto listener = raw_socket::listening();
    const std::vector<std::string> command{
        "tcp_load", listener.addr().to_string(), "--connections", "1", "--seconds", "1", "--size", "16"};
    {
        process load(command);
        const auto client = listener.accept();
        auto answer = client.receive(16);
        answer[5] = static_cast<char>(answer[5] ^ 1);
        client.send(answer);
        const auto ended = load.wait();
        EXPECT_EQ(ended.code, 1);
        EXPECT_NE(ended.err.find("connection 0: request 1: byte 5 is "), ended.err.npos) << ended.err;
    }
    {
        process load(command);
        auto client = listener.accept();
        client.send(client.receive(16));
        static_cast<void>(client.receive(16));
        client.close();
        const auto ended = load.wait();
        EXPECT_EQ(ended.code, 1);
        EXPECT_NE(ended.err.find("connection 0: request 2: "), ended.err.npos) << ended.err;
    }
    const auto refused = run({"tcp_load", support::closed_addr().to_string(), "--connections", "2", "--seconds", "1"});
    EXPECT_EQ(refused.code, 1);
    EXPECT_NE(refused.err.find("cannot connect: Connection refused"), refused.err.npos) << refused.err;
}

}  // namespace
