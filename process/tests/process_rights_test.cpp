// SPDX-License-Identifier: MIT
// The rights that a process starts with. The oracles are the programs and files of the system: id, prlimit, nice,
// /proc.
#ifdef __linux__
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/executors.hpp>
#include <support/file_contents.hpp>
#include <support/process/children.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace process = eddy::process;
using process::command;
using process::resource;
using process::stdio;

/// Returns the output of a program, or the error of its start.
std::string output_of(const command& what) {
    support::executor runs(0);
    const auto done = runs.run(process::run(what));
    if (!done) return done.error().message();
    auto text = done->out + done->error;
    if (!done->status.is_success()) text += done->status.to_string();
    if (text.ends_with('\n')) text.pop_back();
    return text;
}
bool is_root() { return ::geteuid() == 0; }

// ---- Everything else stays as it is ----

/// Commands whose output is the same with posix_spawn(3), and with another way to start them.
class BothWays : public testing::Test {
protected:
    static std::string same_output_of(const command& what) {
        const auto expected = output_of(what);
        for (int i = 0; i < 2; ++i)
            EXPECT_EQ(output_of(command(what).priority(::getpriority(PRIO_PROCESS, 0))), expected);
        return expected;
    }
};

TEST_F(BothWays, SignalsDescriptorsAndGroupsAreTheSame) {
    // posix_spawn(3) lets the process ignore two signals that the C library uses itself.
    const command state("sh", "-c",
                        "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status | sed s/180000000/000000000/; ls /proc/self/fd; "
                        "cut -d' ' -f5,6 /proc/$$/stat; "
                        "pwd; echo $0 $HERE");
    EXPECT_TRUE(same_output_of(state).starts_with("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"));
    same_output_of(command(state).env("HERE", "1").arg("zero").directory("/usr"));
    same_output_of(command(state).in(stdio::null()).error(stdio::same_as_out()));
    const auto own = [&](command of) {
        const command shows = of.arg("-c").arg("a=$(cut -d' ' -f5,6 /proc/$$/stat); echo ${a#$$} | cut -c1");
        return same_output_of(shows);
    };
    EXPECT_NE(own(command("sh").group()), "");
    own(command("sh").session());
}

TEST_F(BothWays, FurtherDescriptorsAreTheSame) {
    const support::temp_dir dir;
    support::set_contents(dir / "in", "text");
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    ASSERT_EQ(::write(ends[1], "abcdef", 6), 6);
    const command reads("sh", "-c", "ls /proc/self/fd | tr '\\n' ' '; dd bs=1 count=1 status=none <&7");
    for (int i = 0; i < 3; ++i) {
        auto what = command(reads).descriptor(7, stdio::copy_of(ends[0])).descriptor(4, stdio::copy_of(ends[0]));
        if (i > 0) what.priority(::getpriority(PRIO_PROCESS, 0));
        const auto output = output_of(what);
        EXPECT_EQ(output, std::string("0 1 2 3 4 7 ") + "abc"[i]);  // 3: of ls
    }
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_F(BothWays, ErrorsAreTheSame) {
    const support::temp_dir dir;
    support::set_contents(dir / "script", "#!/no/such/interpreter\n");
    std::filesystem::permissions(dir / "script", std::filesystem::perms(0755));
    support::set_contents(dir / "text", "text");
    EXPECT_EQ(same_output_of(command("eddy-no-such-program").env("PATH", "/usr/bin:/bin")),
              "eddy-no-such-program: No such file or directory");
    EXPECT_EQ(same_output_of(command("/no/such")), "/no/such: No such file or directory");
    EXPECT_TRUE(same_output_of(command(dir / "script")).ends_with("(interpreter /no/such/interpreter)"));
    EXPECT_TRUE(same_output_of(command(dir / "text")).ends_with("Permission denied"));
    EXPECT_EQ(same_output_of(command("true").directory("/no/dir")),
              "true: No such file or directory (directory /no/dir)");
    EXPECT_EQ(same_output_of(command("./script").directory(dir / "")).substr(0, 8), "./script");
    EXPECT_EQ(support::count_children(), 0U);
}

TEST_F(BothWays, TerminalIsTheSame) {
    const auto shown = [](const command& what) {
        support::executor runs(0);
        return runs.run([](command of) -> eddy::task<std::string> {
            auto screen = process::terminal::open().value();
            const auto child = co_await screen.spawn(std::move(of));
            auto text = co_await support::contents_of(screen);
            static_cast<void>(co_await child->wait());
            co_return text;
        }(what));
    };
    const command tty("sh", "-c", "test -t 0 && test -t 2 && : </dev/tty && echo yes");
    EXPECT_EQ(shown(tty), "yes\r\n");
    EXPECT_EQ(shown(command(tty).no_new_privileges()), "yes\r\n");
}

// ---- Users ----

// covers: P115
TEST(ProcessRights, UserByNumbersHasNoOtherGroups) {
    if (!is_root()) GTEST_SKIP() << "only root changes the user";
    const command id("sh", "-c",
                     "id -u; id -g; id -G; grep -E '^[UG]id' /proc/self/status; grep CapEff /proc/self/status");
    EXPECT_EQ(
        output_of(command(id).user(1234, 5678)),
        "1234\n5678\n5678\nUid:\t1234\t1234\t1234\t1234\nGid:\t5678\t5678\t5678\t5678\nCapEff:\t0000000000000000");
    EXPECT_EQ(output_of(command("id", "-G").user(1234, 5678, {7, 8})), "5678 7 8");
}

TEST(ProcessRights, UserByNameIsThatOfTheDatabase) {
    if (!is_root()) GTEST_SKIP() << "only root changes the user";
    for (const std::string name : {"nobody", "root"}) {
        const auto expected = output_of(command("id", name));
        EXPECT_EQ(output_of(command("id").user(name)), expected);
        EXPECT_EQ(output_of(command("id").user(1, 2).user(name)), expected);
    }
    EXPECT_EQ(output_of(command("id", "-u").user("nobody").user(1, 2)), "1");
}

TEST(ProcessRights, UnknownOrForbiddenUserIsAnError) {
    EXPECT_EQ(output_of(command("id").user("eddy-no-such-user")),
              "id: there is no user with this name (user eddy-no-such-user)");
    EXPECT_EQ(output_of(command("id").user(std::string("a\0b", 3))),
              "id: an argument, a name or a path contains a NUL character (the user)");
    const auto as_root = output_of(command("id", "-u").user(0, 0));
    EXPECT_EQ(as_root, is_root() ? "0" : "id: Operation not permitted (user)");
}

TEST(ProcessRights, DirectoryIsEnteredWithTheRightsOfTheUser) {
    if (!is_root()) GTEST_SKIP() << "only root changes the user";
    const support::temp_dir dir;
    EXPECT_EQ(output_of(command("pwd").user(1234, 5678).directory(dir / "")), "pwd: Permission denied (directory)");
    std::filesystem::permissions(dir / "", std::filesystem::perms(0755));
    EXPECT_EQ(output_of(command("pwd").user(1234, 5678).directory(dir / "")) + "/", dir / "");
}

// ---- Limits and priority ----

TEST(ProcessRights, LimitsAreThoseThatPrlimitPrints) {
    struct limited {
        resource what;
        const char* option;
        int number;
    };
    const std::vector<limited> all{
        {resource::address_space, "--as", RLIMIT_AS},      {resource::core_size, "--core", RLIMIT_CORE},
        {resource::cpu_time, "--cpu", RLIMIT_CPU},         {resource::data_size, "--data", RLIMIT_DATA},
        {resource::file_size, "--fsize", RLIMIT_FSIZE},    {resource::locked_memory, "--memlock", RLIMIT_MEMLOCK},
        {resource::open_files, "--nofile", RLIMIT_NOFILE}, {resource::processes, "--nproc", RLIMIT_NPROC},
        {resource::stack_size, "--stack", RLIMIT_STACK}};
    for (const auto& [what, option, number] : all) {
        rlimit now{};
        ASSERT_EQ(::getrlimit(static_cast<__rlimit_resource>(number), &now), 0);
        // Enough for prlimit(1), and below the present limit, which only some users may raise.
        const auto hard = std::min<std::uint64_t>(now.rlim_max, 1U << 30U) - 1;
        const command prlimit("prlimit", option, "--raw", "--noheadings", "--output", "SOFT,HARD");
        EXPECT_EQ(output_of(command(prlimit).limit(what, hard)), std::to_string(hard) + " " + std::to_string(hard));
        EXPECT_EQ(output_of(command(prlimit).limit(what, hard - 1, hard)),
                  std::to_string(hard - 1) + " " + std::to_string(hard));
    }
    const auto unlimited = output_of(command("sh", "-c", "ulimit -c").limit(resource::core_size, process::unlimited));
    rlimit core{};
    ::getrlimit(RLIMIT_CORE, &core);
    EXPECT_EQ(unlimited == "unlimited", core.rlim_max == RLIM_INFINITY || is_root()) << unlimited;
}

TEST(ProcessRights, LimitsAreSetBeforeTheUserIsChanged) {
    if (!is_root()) GTEST_SKIP() << "only root raises limits";
    rlimit now{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &now), 0);
    const auto more = static_cast<std::uint64_t>(now.rlim_max) + 1;
    const auto raised = output_of(command("sh", "-c", "ulimit -n").limit(resource::open_files, more).user(1234, 5678));
    EXPECT_TRUE(raised == std::to_string(more) || raised.ends_with("Operation not permitted (limit)")) << raised;
}

TEST(ProcessRights, WrongLimitIsAnErrorThatNamesTheStep) {
    EXPECT_EQ(output_of(command("true").limit(resource::open_files, 20, 10)), "true: Invalid argument (limit)");
    EXPECT_EQ(support::count_children(), 0U);
}

TEST(ProcessRights, PriorityIsTheNiceValue) {
    const int now = ::getpriority(PRIO_PROCESS, 0);
    EXPECT_EQ(output_of(command("nice").priority(now + 3)), std::to_string(now + 3));
    const auto before = output_of(command("nice").priority(now - 1));
    EXPECT_EQ(before, is_root() ? std::to_string(now - 1) : "nice: Permission denied (priority)");
    EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), now);
}

// ---- Privileges ----

TEST(ProcessRights, NoNewPrivilegesIsSetInTheProcessOnly) {
    const command status("grep", "NoNewPrivs", "/proc/self/status");
    const auto before = output_of(status);
    EXPECT_EQ(output_of(command(status).no_new_privileges()), "NoNewPrivs:\t1");
    EXPECT_EQ(output_of(status), before);
}

TEST(ProcessRights, RootIsTheDirectory) {
    const support::temp_dir dir;
    const auto sh = output_of(command("sh", "-c",
                                      "for f in $(ldd /bin/sh /bin/pwd | grep -o '/[^ :)]*') /bin/sh /bin/pwd; do "
                                      "cp -L --parents $f " +
                                          dir / "" + "; done; mkdir " + dir / "sub; chmod 755 " + dir / ""));
    if (!is_root()) {
        EXPECT_EQ(output_of(command("true").root(dir / "")), "true: Operation not permitted (root)");
        return;
    }
    EXPECT_EQ(output_of(command("/bin/pwd").root(dir / "")), "/") << sh;
    EXPECT_EQ(output_of(command("pwd").root(dir / "").directory("/sub").user(1234, 5678)), "/sub");
    EXPECT_EQ(output_of(command("pwd").root(dir / "").directory("sub")), "/sub");
    EXPECT_EQ(output_of(command("/bin/pwd").root(dir / "").directory("/usr/sbin")),
              "/bin/pwd: No such file or directory (directory)");
    EXPECT_EQ(output_of(command("true").root(dir / "")), "true: No such file or directory");
    EXPECT_EQ(output_of(command("true").root(dir / "none")), "true: No such file or directory (root)");
    EXPECT_EQ(output_of(command("true").root(std::string("a\0b", 3))),
              "true: an argument, a name or a path contains a NUL character (the root)");
}

// ---- The end of this program, and processes of others ----

/// Starts a program that starts `sleep`, and waits. Returns the program, and the other process.
eddy::task<eddy::result<std::pair<process::child, process::other_process>>> start_guard(const char* how) {
    auto guard = co_await eddy::try_(command(EDDY_CHILD_PROGRAM, "guard", how).out(stdio::pipe()).spawn());
    auto lines = eddy::io::lines(eddy::io::buf_reader(std::move(*guard.out())));
    const auto line = co_await eddy::try_(lines.try_next());
    const int number = line ? std::stoi(*line) : 0;
    auto other = co_await eddy::try_(process::open(number));
    co_return std::pair(std::move(guard), std::move(other));
}

TEST(ProcessRights, ProcessGetsASignalWhenThisProgramIsKilled) {
    support::executor runs(0);
    const auto done = runs.run([]() -> eddy::task<eddy::result<void>> {
        using namespace std::chrono_literals;
        auto both = co_await eddy::try_(start_guard("signal"));
        auto& [guard, other] = both;
        // The thread that has started it would have ended after a second without work.
        co_await eddy::time::sleep(1500ms);
        EXPECT_FALSE(other.has_ended());
        static_cast<void>(guard.kill());
        const auto ended = co_await eddy::time::timeout(10s, other.wait());
        EXPECT_TRUE(ended && *ended);
        EXPECT_TRUE(other.has_ended());
        co_return {};
    }());
    EXPECT_TRUE(done) << done.error().message();
}

TEST(ProcessRights, WithoutASignalAProcessGoesOn) {
    support::executor runs(0);
    const auto done = runs.run([]() -> eddy::task<eddy::result<void>> {
        using namespace std::chrono_literals;
        auto both = co_await eddy::try_(start_guard("alone"));
        auto& [guard, other] = both;
        static_cast<void>(guard.kill());
        static_cast<void>(co_await guard.wait());
        const auto ended = co_await eddy::time::timeout(200ms, other.wait());
        EXPECT_FALSE(ended);
        co_await eddy::try_(other.signal(SIGTERM));
        const auto terminated = co_await eddy::time::timeout(10s, other.wait());
        EXPECT_TRUE(terminated && *terminated);
        co_return {};
    }());
    EXPECT_TRUE(done) << done.error().message();
}

// covers: P151
TEST(ProcessOther, SignalsAndWaitsForAProcessByItsNumber) {
    support::executor runs(0);
    const auto done = runs.run([]() -> eddy::task<eddy::result<void>> {
        auto child = co_await eddy::try_(command("sleep", "100").spawn());
        const auto other = co_await eddy::try_(process::open(child.id()));
        const auto copy = other;
        EXPECT_EQ(other.id(), child.id());
        EXPECT_FALSE(other.has_ended());
        co_await eddy::try_(other.signal(0));
        auto one = eddy::spawn(other.wait());
        auto two = eddy::spawn(copy.wait());
        co_await eddy::yield_now();
        co_await eddy::try_(other.signal(SIGTERM));
        const auto waited = co_await eddy::join(std::move(one), std::move(two));
        EXPECT_TRUE(waited.first.value());
        EXPECT_TRUE(waited.second.value());
        EXPECT_TRUE(other.has_ended());
        const auto status = co_await eddy::try_(child.wait());
        EXPECT_EQ(status.signal(), SIGTERM);
        const auto late = other.signal(SIGTERM);
        EXPECT_EQ(late.error(), process::errc::has_ended);
        EXPECT_EQ(late.error().message(), "process " + std::to_string(other.id()) + ": the process has ended");
        co_await eddy::try_(other.wait());
        co_return {};
    }());
    EXPECT_TRUE(done) << done.error().message();
}

TEST(ProcessOther, WrongNumberIsAnError) {
    EXPECT_EQ(process::open(0).error(), std::errc::invalid_argument);
    EXPECT_EQ(process::open(-1).error(), std::errc::invalid_argument);
    const auto missing = process::open(0x7fffffff);
    EXPECT_EQ(missing.error(), std::errc::no_such_process);
    EXPECT_EQ(missing.error().message(), "process 2147483647: No such process");
}

TEST(ProcessOther, ProcessOfAnotherUserIsNotSignaled) {
    if (is_root()) GTEST_SKIP() << "root may signal all processes";
    const auto init = process::open(1);
    ASSERT_TRUE(init);
    EXPECT_EQ(init->signal(SIGTERM).error(), std::errc::operation_not_permitted);
    EXPECT_FALSE(init->has_ended());
}

}  // namespace
#endif
