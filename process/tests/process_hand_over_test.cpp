// SPDX-License-Identifier: MIT
// A process and its successor. The successors are programs that know nothing of eddy.
// covers: B13
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/environment.hpp>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/net.hpp>
#include <support/poll_once.hpp>
#include <support/process/children.hpp>
#include <support/system.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace net = eddy::net;
namespace process = eddy::process;
using namespace std::chrono_literals;
using process::command;
using process::hand_over_options;
using support::all_are_reaped;
using support::environment;

/// A successor: says what sd_notify(3) says, after the code `before`, then runs the code `after`, and ends when its
/// standard input does.
command successor(const std::string& before, const std::string& after) {
    const std::string script = R"(
import os, socket, sys
def say(text):
    to = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.sendto(text.encode(), "\0" + to[1:] if to[0] == "@" else to)
)";
    return command("python3", "-c",
                   script + before + "\nsay('STATUS=warm\\nREADY=1')\n" + after + "\nsys.stdin.read()");
}

/// The standard input of a successor, which may end when this object does: one that ends earlier is an error.
class life {
public:
    explicit life(command& of) {
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        of.in(process::stdio::from_native(ends[0]));
        end_ = ends[1];
    }
    life(const life&) = delete;
    life& operator=(const life&) = delete;
    ~life() { ::close(end_); }

private:
    int end_ = -1;
};

/// Makes a pipe for the standard output of a command.
net::pipe::receiver read_output_of(command& what) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    what.out(process::stdio::from_native(ends[1]));
    EXPECT_EQ(::fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    return net::pipe::receiver::from_native(ends[0]).value();
}

/// A successor that writes what `text` evaluates to into a pipe, and ends.
class telling {
public:
    explicit telling(const std::string& text) {
        command_.emplace(successor("", "print(" + text + ", end='', flush=True)"));
        receiver_ = read_output_of(*command_);
        life_.emplace(*command_);
    }
    [[nodiscard]] eddy::task<std::string> run(hand_over_options options = {}) {
        const auto started = co_await process::hand_over(*std::exchange(command_, {}), std::move(options));
        life_.reset();
        if (!started) co_return started.error().message();
        co_return co_await support::contents_of(*receiver_);
    }

private:
    std::optional<net::pipe::receiver> receiver_;
    std::optional<life> life_;
    std::optional<command> command_;
};

class HandOver : public testing::Test {
protected:
    HandOver() { EXPECT_TRUE(all_are_reaped()); }
    ~HandOver() override { EXPECT_TRUE(all_are_reaped()); }

    std::string error_of(const command& what, const hand_over_options& options = {}) {
        const auto started = runs.run(process::hand_over(what, options));
        return started ? "it is ready" : started.error().message();
    }
    std::string told_by(const std::string& text, const hand_over_options& options = {}) {
        telling one(text);
        auto told = runs.run(one.run(options));
        EXPECT_TRUE(all_are_reaped());  // a process has one successor at a time
        return told;
    }

    support::executor runs{0};
};

TEST_F(HandOver, SuccessorServesTheSameSockets) {
    const support::temp_dir dir;
    auto tcp = runs.run(net::tcp_listener::bind("127.0.0.1:0")).value();
    auto local = runs.run(net::unix_listener::bind(dir / "socket")).value();
    const auto addr = tcp.local_addr().value();
    // These wait in the queues before the successor exists.
    auto first = runs.run(net::tcp_stream::connect(addr)).value();
    auto second = runs.run(net::unix_stream::connect(dir / "socket")).value();
    auto serve = successor("", R"(
for fd in 3, 4:
    with socket.socket(fileno=fd) as listener:
        listener.setblocking(True)
        listener.accept()[0].sendall(b"served by the successor")
)");
    const life lasts(serve);
    ASSERT_TRUE(runs.run(process::hand_over(serve, hand_over_options().listener("web", tcp).listener("local", local))));
    const auto text_of = [](auto& from) -> eddy::task<std::string> {
        std::string text;
        const auto count = co_await eddy::io::read_to_end(from, text);
        EXPECT_TRUE(count);
        co_return text;
    };
    EXPECT_EQ(runs.run(text_of(first)), "served by the successor");
    EXPECT_EQ(runs.run(text_of(second)), "served by the successor");
}

TEST_F(HandOver, EnvironmentIsThatOfSocketActivation) {
    const environment activated("LISTEN_PID", std::to_string(::getpid()).c_str());
    auto tcp = runs.run(net::tcp_listener::bind("127.0.0.1:0")).value();
    const std::string variables = "*[os.environ.get(n) for n in ('LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PID')]";
    EXPECT_EQ(told_by(variables, hand_over_options().listener("web", tcp).listener("tls", tcp)), "2 web:tls None");
    EXPECT_EQ(told_by(variables), "0  None");
    EXPECT_EQ(told_by("os.environ['EDDY_PREDECESSOR'] == str(os.getppid())"), "True");
}

TEST_F(HandOver, IdentitiesOfAllDescriptorsArePassed) {
    auto tcp = runs.run(net::tcp_listener::bind("127.0.0.1:0")).value();
    const auto options = hand_over_options().listener("web", tcp).listener("tls", tcp).bytes("secret");
    const std::string check =
        "''.join('%d:%d ' % (s.st_dev, s.st_ino) for s in map(os.fstat, (3, 4, 5))) == os.environ['EDDY_INHERITED']";
    EXPECT_EQ(told_by(check, options), "True");
    EXPECT_EQ(told_by("os.environ['EDDY_INHERITED']"), "");
    // A process that is no successor gets none of this.
    const environment inherited("EDDY_INHERITED", "1:2 ");
    EXPECT_EQ(runs.run(support::output_of(command("sh", "-c", "echo $EDDY_INHERITED"))), "\n");
}

TEST_F(HandOver, BytesAreInADescriptorWithoutName) {
    auto tcp = runs.run(net::tcp_listener::bind("127.0.0.1:0")).value();
    const std::string secret(200'000, 'k');
    const auto options = hand_over_options().listener("web", tcp).bytes(secret);
    EXPECT_EQ(told_by("os.pread(int(os.environ['EDDY_INHERITED_BYTES']), 1000000, 0).decode()", options), secret);
    EXPECT_EQ(told_by("'kkkkkkkk' in str(os.environ) + str(sys.argv[1:])", hand_over_options().bytes("kkkkkkkk")),
              "False");
    EXPECT_EQ(told_by("os.environ.get('EDDY_INHERITED_BYTES')"), "None");
}

TEST_F(HandOver, WatchdogIsThatOfTheSuccessor) {
    const std::string variables = "*[os.environ.get(n) for n in ('WATCHDOG_USEC', 'WATCHDOG_PID')]";
    const environment interval("WATCHDOG_USEC", "5000000");
    {
        const environment own("WATCHDOG_PID", std::to_string(::getpid()).c_str());
        EXPECT_EQ(told_by(variables), "5000000 None");
    }
    const environment other("WATCHDOG_PID", "1");
    EXPECT_EQ(told_by(variables), "None None");
}

TEST_F(HandOver, SuccessorThatEndsIsAnError) {
    EXPECT_EQ(error_of(command("sh", "-c", "exit 3")), "sh: the successor has ended before it was ready (exit code 3)");
    EXPECT_EQ(error_of(successor("os.kill(os.getpid(), 9)", "")),
              "python3: the successor has ended before it was ready (signal 9 (SIGKILL))");
    EXPECT_EQ(error_of(command("no-such-program")), "no-such-program: No such file or directory");
}

TEST_F(HandOver, SuccessorThatIsNotReadyInTimeIsKilled) {
    EXPECT_EQ(error_of(command("sleep", "1000"), hand_over_options().ready_within(10ms)),
              "sleep: Connection timed out (not ready after 10 ms: the successor must call net::notify_ready())");
    EXPECT_EQ(support::count_children(), 0U);
}

TEST_F(HandOver, ShortageOfDescriptorsIsAnError) {
    const support::descriptor_limit none(0);
    EXPECT_EQ(error_of(command("true")), "true: Too many open files (NOTIFY_SOCKET)");
}

TEST_F(HandOver, OtherMessagesAreNotReadiness) {
    const auto warms_up =
        successor("say('STATUS=READY=1'); say('READY=10'); say('xREADY=1'); say(''); sys.exit(4)", "");
    EXPECT_EQ(error_of(warms_up), "python3: the successor has ended before it was ready (exit code 4)");
}

/// A successor that does not say itself that it is ready, but runs `speak` in its own process, or in another one.
command spoken_for(const std::string& speak, bool in_other_process, const std::string& after) {
    const auto code = in_other_process ? "if os.fork() == 0: " + speak + "; os._exit(0)\nos.wait()" : speak;
    return successor(code + "\nsay = print", after);
}

TEST_F(HandOver, ProcessesOfTheUserAndTheSuccessorMaySayReady) {
    const auto error_of_speaker = [&](const std::string& speak, bool in_other_process) {
        auto next = spoken_for(speak, in_other_process, "");
        const life lasts(next);
        return error_of(next);
    };
    EXPECT_EQ(error_of_speaker("say('READY=1')", true), "it is ready");
    ASSERT_TRUE(all_are_reaped());
    if (::getuid() != 0) GTEST_SKIP() << "only root may become another user";
    const std::string as_other_user = "os.setuid(65534); say('READY=1')";
    EXPECT_EQ(error_of_speaker(as_other_user, false), "it is ready");
    ASSERT_TRUE(all_are_reaped());
    EXPECT_EQ(error_of(spoken_for(as_other_user, true, "sys.exit(4)")),
              "python3: the successor has ended before it was ready (exit code 4)");
}

TEST_F(HandOver, ReadinessMayBeAnyLineOfAMessage) {
    for (const std::string message : {"READY=1\\nX=1", "X=1\\nREADY=1\\nY=1", "\\n\\nREADY=1\\n"}) {
        auto next = spoken_for("say('" + message + "')", false, "");
        {
            const life lasts(next);
            EXPECT_EQ(error_of(next), "it is ready") << message;
        }
        ASSERT_TRUE(all_are_reaped());
    }
}

TEST_F(HandOver, SecondSuccessorIsRefused) {
    const auto refusal = [&](const std::string& why) {
        return "true: a service has one successor at a time (" + why + ")";
    };
    {
        auto next = successor("", "");
        const life lasts(next);
        auto [first, second] = runs.run(eddy::join(process::hand_over(next), process::hand_over(command("true"))));
        ASSERT_TRUE(first) << first.error().message();
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().message(), refusal("another hand_over() of this process has not ended"));
        EXPECT_EQ(second.error(), std::errc::device_or_resource_busy);
        EXPECT_EQ(error_of(command("true")),
                  refusal("process " + std::to_string(*first) + " has taken over, and runs"));
    }
    ASSERT_TRUE(all_are_reaped());
    const std::string ended = "true: the successor has ended before it was ready (exit code 0)";
    EXPECT_EQ(error_of(command("true")), ended);
    const environment parent("EDDY_PREDECESSOR", std::to_string(::getppid()).c_str());
    const environment socket("NOTIFY_SOCKET", "@predecessor");
    const environment both("EDDY_NOTIFY_SOCKET", "@predecessor ");
    EXPECT_EQ(error_of(command("true")),
              refusal("the predecessor of this process waits for it: call net::notify_ready() before"));
    const environment ended_parent("EDDY_PREDECESSOR", "1");
    ASSERT_NE(::getppid(), 1);
    EXPECT_EQ(error_of(command("true")), ended);
}

TEST_F(HandOver, BadNamesAreErrors) {
    auto tcp = runs.run(net::tcp_listener::bind("127.0.0.1:0")).value();
    EXPECT_EQ(hand_over_options().ready_within(), 30s);
    for (const std::string& name : {std::string(" "), std::string("~"), std::string(255, 'a')}) {
        EXPECT_EQ(error_of(command("true"), hand_over_options().listener(name, tcp)),
                  "true: the successor has ended before it was ready (exit code 0)");
    }
    for (const std::string& name : {std::string(), std::string("a:b"), std::string("a\n"), std::string("\x1f"),
                                    std::string("\x7f"), std::string(256, 'a')}) {
        const auto failed = runs.run(process::hand_over(command("true"), hand_over_options().listener(name, tcp)));
        ASSERT_FALSE(failed);
        EXPECT_EQ(failed.error().code(), process::errc::bad_name);
        EXPECT_EQ(failed.error(), std::errc::invalid_argument);
    }
}

TEST_F(HandOver, DropKillsTheSuccessor) {
    ASSERT_TRUE(support::has_warmed_up());
    const support::leaves_no_descriptor unchanged;
    auto never_ready = command("sh", "-c", "echo runs; exec sleep 1000");
    auto receiver = read_output_of(never_ready);
    runs.run([](command what, net::pipe::receiver from) -> eddy::task<void> {
        std::array<std::byte, 16> line;
        const auto first = co_await eddy::select(process::hand_over(std::move(what)), from.read(line));
        EXPECT_EQ(first.index(), 1U);
    }(std::move(never_ready), std::move(receiver)));
    EXPECT_TRUE(all_are_reaped());
}

/// Asks for the inherited bytes in a child process, of a predecessor that has passed `identities`.
std::string bytes_in_child(const std::string& number, const std::string& identities, bool asks_twice = false) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::setenv("EDDY_INHERITED", identities.c_str(), 1);
        ::setenv("EDDY_INHERITED_BYTES", number.c_str(), 1);
        if (asks_twice) static_cast<void>(process::inherited_bytes());
        const auto got = process::inherited_bytes();
        const auto text = got ? "got '" + *got + "'" : got.error().message();
        static_cast<void>(!::write(ends[1], text.data(), text.size()));
        ::_exit(0);
    }
    ::close(ends[1]);
    std::array<char, 256> text{};
    const auto size = ::read(ends[0], text.data(), text.size());
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    return {text.data(), static_cast<std::size_t>(size)};
}

/// Returns a list with the identity of a descriptor, at the place of its number, or at another one.
std::string identities_with(int fd, int moved_by = 0) {
    struct stat about{};
    EXPECT_EQ(::fstat(fd, &about), 0);
    return std::string(static_cast<std::size_t>(fd - 3 + moved_by), ' ') + std::to_string(about.st_dev) + ":" +
           std::to_string(about.st_ino) + " ";
}

TEST(InheritedBytesOwnProcess, AreKnownByTheirInodeAndTakenOnce) {
    const auto file = ::memfd_create("bytes", MFD_CLOEXEC);
    ASSERT_EQ(::write(file, "secret", 6), 6);
    const auto number = std::to_string(file);
    const auto passed = identities_with(file);
    EXPECT_EQ(bytes_in_child(number, passed), "got 'secret'");
    EXPECT_EQ(bytes_in_child(number, passed), "got 'secret'");  // not from the offset that the last one has left
    EXPECT_EQ(bytes_in_child(number, passed, true), "got ''");
    // What is not the descriptor that was passed belongs to this process.
    const std::string without_space(passed, 0, passed.size() - 1);
    for (const auto& other : {std::string(), identities_with(file, 1), std::string(passed.size(), ' '), without_space,
                              without_space + "0 "}) {
        EXPECT_EQ(bytes_in_child(number, other), "got ''") << other;
    }
    for (const std::string wrong : {"", "x", "2", "-1", "99999", "99999999999"})
        EXPECT_EQ(bytes_in_child(wrong, std::string(100'000, ' ')), "got ''") << wrong;
    const environment of_another_process("EDDY_INHERITED", identities_with(0, file).c_str());
    const environment descriptor("EDDY_INHERITED_BYTES", number.c_str());
    EXPECT_EQ(process::inherited_bytes().value(), "");
    EXPECT_GE(::fcntl(file, F_GETFD), 0);
    ::close(file);
}

/// Messages to a service manager are sent once in the life of a process.
TEST(HandOverOwnProcess, ManagerIsToldOfTheSuccessor) {
    support::executor runs(0);
    const support::temp_dir dir;
    auto manager = runs.run(net::unix_datagram::bind(dir / "notify")).value();
    const environment where("NOTIFY_SOCKET", (dir / "notify").c_str());
    const auto next = [&]() -> eddy::task<std::string> {
        std::array<std::byte, 256> buffer;
        const auto count = co_await manager.recv(buffer);
        co_return support::text_of(std::span(buffer).first(count.value()));
    };
    const auto after = "to = os.environ['EDDY_NOTIFY_SOCKET'].split(' ')[1]\nos.environ['NOTIFY_SOCKET'] = to\nsay(to)";
    auto next_version = successor("", after);
    std::optional<life> lasts(std::in_place, next_version);
    const auto id = runs.run(process::hand_over(next_version)).value();
    lasts.reset();
    const auto one = runs.run(next());
    const auto other = runs.run(next());  // from another process: their order is not known
    EXPECT_EQ((std::set{one, other}), (std::set{"MAINPID=" + std::to_string(id), dir / "notify"}));
    EXPECT_TRUE(all_are_reaped());
}

TEST(HandOverOwnProcess, ManagerThatDoesNotReadIsATimeout) {
    support::executor runs(0);
    const support::temp_dir dir;
    const auto manager = runs.run(net::unix_datagram::bind(dir / "notify")).value();
    auto sender = net::unix_datagram::unbound().value();
    ASSERT_TRUE(sender.connect(net::unix_addr::path(dir / "notify").value()));
    while (::send(sender.native_handle(), "x", 1, MSG_DONTWAIT) == 1) continue;
    const environment where("NOTIFY_SOCKET", (dir / "notify").c_str());
    auto waits = successor("", "");
    const life lasts(waits);
    const auto failed = runs.run(process::hand_over(waits, hand_over_options().ready_within(1s)));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message(),
              "python3: Connection timed out (not ready after 1000 ms: the successor must call net::notify_ready())");
    EXPECT_TRUE(all_are_reaped());
}

TEST(HandOverOwnProcess, ManagerThatIsGoneIsAnError) {
    support::executor runs(0);
    const environment where("NOTIFY_SOCKET", "/no/where");
    const auto failed = runs.run(process::hand_over(successor("", "import time; time.sleep(1000)")));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message(), "python3: No such file or directory (NOTIFY_SOCKET)");
    EXPECT_TRUE(all_are_reaped());
}

}  // namespace
