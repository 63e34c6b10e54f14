// SPDX-License-Identifier: MIT
// What a process is started with.
// covers: P074
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/environment.hpp>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/net.hpp>
#include <support/process/children.hpp>
#include <support/system.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace process = eddy::process;
using process::command;
using process::stdio;
using support::output_of;

std::string run_output(command what) {
    support::executor runs(0);
    return runs.run(output_of(std::move(what)));
}

process::result<process::child> spawn(const command& what) {
    support::executor runs(0);
    return runs.run(what.spawn());
}

std::string error_of(const command& what) {
    const auto started = spawn(what);
    return started ? "it started" : started.error().message();
}

std::string text_in(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

TEST(ProcessCommand, ArgumentsArriveUnchanged) {
    const command what("printf", "[%s]", "a b", "", "*", "$HOME", "\xff\n");
    EXPECT_EQ(run_output(what), "[a b][][*][$HOME][\xff\n]");
    EXPECT_EQ(run_output(command("printf", "%s%s").args({"1", "2"}).arg("3").arg("4")), "1234");
}

TEST(ProcessCommand, Arg0ReplacesNameOfProgram) {
    EXPECT_EQ(run_output(command("cat", "/proc/self/cmdline").arg0("other")),
              std::string("other\0/proc/self/cmdline\0", 25));
}

TEST(ProcessCommand, EnvironmentIsThatOfProgramWithChanges) {
    const support::environment kept("EDDY_KEPT", "1");
    const support::environment removed("EDDY_REMOVED", "1");
    const std::string print = "echo \"$EDDY_KEPT-$EDDY_REMOVED-$EDDY_NEW\"";
    EXPECT_EQ(run_output(command("sh", "-c", print).env_remove("EDDY_REMOVED").env("EDDY_NEW", "a=b c")), "1--a=b c\n");
    EXPECT_EQ(run_output(command("/usr/bin/env").env("GONE", "1").clear_env().env("B", "2").env("A", "1")),
              "A=1\nB=2\n");
    EXPECT_EQ(run_output(command("/usr/bin/env").clear_env()), "");
}

TEST(ProcessCommand, EnvironmentIsReadByTheCaller) {
    support::executor runs(0);
    const support::environment before("EDDY_CHANGED", "before");
    auto prints = output_of(command("sh", "-c", "echo $EDDY_CHANGED"));
    const auto text = runs.run(eddy::poll_fn([&](eddy::context& cx) {
        auto answer = prints.poll(cx);
        ::setenv("EDDY_CHANGED", "after", 1);
        return answer;
    }));
    EXPECT_EQ(text, "before\n");
}

TEST(ProcessCommandOwnProcess, AffinityIsThatOfTheMainThread) {
    const auto allowed = support::status_line(::getpid(), "Cpus_allowed_list");
    std::string of_process;
    std::thread([&] {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(::sched_getcpu(), &one);
        EXPECT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
        of_process = run_output(command("grep", "Cpus_allowed_list", "/proc/self/status"));
    }).join();
    EXPECT_EQ(of_process, "Cpus_allowed_list:\t" + allowed + "\n");
}

TEST(ProcessCommand, DirectoryIsThatOfRelativeProgram) {
    const support::temp_dir dir;
    std::filesystem::create_symlink("/bin/pwd", dir / "here");
    EXPECT_EQ(run_output(command("pwd").directory(dir / ".").env_remove("PWD")),
              std::filesystem::canonical(dir / ".").string() + "\n");
    EXPECT_EQ(run_output(command("./here").directory(dir / ".").env_remove("PWD")),
              std::filesystem::canonical(dir / ".").string() + "\n");
    EXPECT_EQ(error_of(command("./here")), "./here: No such file or directory");
}

TEST(ProcessCommand, ProgramIsSearchedInPathOfItsEnvironment) {
    const support::temp_dir dir;
    std::filesystem::create_symlink("/bin/echo", dir / "eddy-only-here");
    EXPECT_EQ(run_output(command("eddy-only-here", "found").env("PATH", "/nowhere:" + (dir / "."))), "found\n");
    EXPECT_EQ(run_output(command("eddy-only-here", "found").env("PATH", "").directory(dir / ".")), "found\n");
    EXPECT_EQ(error_of(command("eddy-only-here")), "eddy-only-here: No such file or directory");
    EXPECT_EQ(run_output(command("echo", "default path").clear_env()), "default path\n");
}

TEST(ProcessCommand, ErrorsNameProgramAndDirectory) {
    const support::temp_dir dir;
    std::ofstream(dir / "data") << "no program";
    std::ofstream(dir / "text") << "no program";
    std::filesystem::permissions(dir / "text", std::filesystem::perms::owner_all);
    EXPECT_EQ(error_of(command("no-such-program")), "no-such-program: No such file or directory");
    EXPECT_EQ(error_of(command("true -x")),
              "true -x: No such file or directory (no shell splits the name: pass the arguments one by one)");
    EXPECT_EQ(error_of(command("true").directory("/no/where")),
              "true: No such file or directory (directory /no/where)");
    // Not ENOENT, which is what a search in PATH makes of it.
    EXPECT_EQ(error_of(command("true").directory(dir / "text")),
              "true: Not a directory (directory " + (dir / "text") + ")");
    EXPECT_EQ(error_of(command(dir / "data")), (dir / "data") + ": Permission denied");
    EXPECT_EQ(error_of(command("data").env("PATH", dir / ".")), "data: Permission denied");
    EXPECT_EQ(error_of(command("data").env("PATH", (dir / ".") + ":/nowhere")), "data: Permission denied");
    EXPECT_EQ(error_of(command("data").env("PATH", "/nowhere:" + (dir / "data"))), "data: No such file or directory");
    EXPECT_EQ(error_of(command(dir / ".")), (dir / ".") + ": Permission denied");
    EXPECT_EQ(error_of(command(dir / "data/x")), (dir / "data/x") + ": Not a directory");
    EXPECT_EQ(error_of(command(dir / "text")), (dir / "text") + ": Exec format error");
    EXPECT_EQ(error_of(command("true", std::string(300'000, 'x'))), "true: Argument list too long");
}

TEST(ProcessCommand, MistakesAreErrors) {
    EXPECT_EQ(error_of(command("")), "a command without a program: the name of the program is empty");
    const std::string nul("a\0b", 3);
    EXPECT_EQ(error_of(command(nul)), "a: an argument, a name or a path contains a NUL character");
    EXPECT_EQ(error_of(command("true", "x", nul)),
              "true: an argument, a name or a path contains a NUL character (argument 2)");
    EXPECT_EQ(error_of(command("true").arg0(nul)),
              "true: an argument, a name or a path contains a NUL character (argument 0)");
    EXPECT_EQ(error_of(command("true").directory(nul)),
              "true: an argument, a name or a path contains a NUL character (the directory)");
    EXPECT_EQ(error_of(command("true").env("A", nul)),
              "true: an argument, a name or a path contains a NUL character (environment)");
    EXPECT_EQ(error_of(command("true").env("A=B", "")),
              "true: the name of an environment variable is empty or contains '=' (\"A=B\")");
    EXPECT_EQ(error_of(command("true").out(stdio::same_as_out())),
              "true: stdio::same_as_out() is for command::error() only (standard output)");
    EXPECT_EQ(error_of(command("true").in(stdio::copy_of(99'999))), "true: Bad file descriptor (standard input)");
    const auto failed = spawn(command("true", nul));
    EXPECT_EQ(failed.error(), std::errc::invalid_argument);
    EXPECT_EQ(failed.error().code(), process::errc::nul_character);
    EXPECT_EQ(failed.error().program(), "true");
}

TEST(ProcessCommand, TooManyDescriptorsIsAnErrorOfTheProgram) {
    ASSERT_TRUE(support::has_warmed_up());
    support::executor runs(0);
    const support::leaves_no_descriptor unchanged;
    const support::descriptor_limit limit(1);
    const auto started = runs.run(command("true").in(stdio::pipe()).out(stdio::pipe()).spawn());
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().message(), "true: Too many open files (standard input)");
}

TEST(ProcessCommand, StreamsAreFilesNullAndEachOther) {
    ASSERT_TRUE(support::has_warmed_up());
    support::executor runs(0);
    const support::leaves_no_descriptor unchanged;
    const support::temp_dir dir;
    const command both("sh", "-c", "cat; echo out; echo err >&2");
    const auto file = ::open((dir / "both").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    std::ofstream(dir / "in") << "from a file\n";
    const auto in = ::open((dir / "in").c_str(), O_RDONLY | O_CLOEXEC);
    {
        auto started = runs.run(
            command(both).in(stdio::copy_of(in)).out(stdio::copy_of(file)).error(stdio::same_as_out()).spawn());
        ASSERT_TRUE(started) << started.error().message();
        EXPECT_TRUE(runs.run(started->wait())->is_success());
    }
    EXPECT_EQ(text_in(dir / "both"), "from a file\nout\nerr\n");
    ::close(file);
    ::close(in);
    EXPECT_EQ(runs.run(output_of(command("cat").in(stdio::null()))), "");
    EXPECT_EQ(runs.run(output_of(command("sh", "-c", "echo x >&2").error(stdio::same_as_out()))), "x\n");
    EXPECT_EQ(runs.run(output_of(command("readlink", "/proc/self/fd/2").error(stdio::null()))), "/dev/null\n");
}

TEST(ProcessCommand, OwnedDescriptorIsClosedWithTheCommand) {
    ASSERT_TRUE(support::has_warmed_up());
    const support::leaves_no_descriptor unchanged;
    const auto fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    {
        const command what = command("true").in(stdio::from_native(fd));
        const command copy = what;
        EXPECT_TRUE(spawn(what));
        EXPECT_TRUE(spawn(copy));
        EXPECT_GE(::fcntl(fd, F_GETFD), 0);
    }
    EXPECT_EQ(::fcntl(fd, F_GETFD), -1);  // the spawn thread has no copy
}

std::vector<std::string> descriptors_of(const process::child& of) {
    std::vector<std::string> fds;
    const std::string folder = "/proc/" + std::to_string(of.id()) + "/fd";
    for (const auto& each : std::filesystem::directory_iterator(folder)) fds.push_back(each.path().filename());
    std::ranges::sort(fds);
    return fds;
}

/// Returns whether the process has these descriptors, soon: its loader opens libraries at first.
bool has_descriptors(const process::child& which, const std::vector<std::string>& expected) {
    return support::comes_true([&] { return descriptors_of(which) == expected; });
}

// covers: R119
TEST(ProcessCommand, ProcessHasThreeDescriptorsAndDefaultSignals) {
    const auto inherited = ::open("/dev/null", O_RDONLY);  // not O_CLOEXEC
    const auto far = ::fcntl(inherited, F_DUPFD, 200);
    const auto sigpipe = std::signal(SIGPIPE, SIG_IGN);
    const auto sigusr1 = std::signal(SIGUSR1, SIG_IGN);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    {
        support::executor runs(0);
        const auto started = runs.run(command("sleep", "1000").in(stdio::pipe()).out(stdio::pipe()).spawn());
        ASSERT_TRUE(started) << started.error().message();
        EXPECT_TRUE(has_descriptors(*started, {"0", "1", "2"})) << testing::PrintToString(descriptors_of(*started));
        EXPECT_EQ(support::status_line(started->id(), "SigBlk"), "0000000000000000");
        // posix_spawn(3) of glibc ignores 32 and 33, which it uses for threads.
        const auto ignored = std::stoull(support::status_line(started->id(), "SigIgn"), nullptr, 16);
        EXPECT_EQ(ignored & ~0x1'8000'0000ULL, 0U);
    }
    sigset_t after;
    ::pthread_sigmask(SIG_SETMASK, &before, &after);
    EXPECT_EQ(sigismember(&after, SIGTERM), 1);
    EXPECT_EQ(std::signal(SIGPIPE, sigpipe), SIG_IGN);
    EXPECT_EQ(std::signal(SIGUSR1, sigusr1), SIG_IGN);
    ::close(inherited);
    ::close(far);
}

TEST(ProcessCommand, PipesBlockInTheProcessAndCloseInOthers) {
    support::executor runs(0);
    auto started = runs.run(
        command("python3", "-c", "import os, sys; print([os.get_blocking(fd) for fd in (0, 1, 2)]); sys.stdin.read()")
            .in(stdio::pipe())
            .out(stdio::pipe())
            .error(stdio::pipe())
            .spawn());
    ASSERT_TRUE(started) << started.error().message();
    for (const int fd :
         {started->in()->native_handle(), started->out()->native_handle(), started->error()->native_handle()}) {
        EXPECT_EQ(::fcntl(fd, F_GETFD), FD_CLOEXEC);
        EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    }
    started->in().reset();
    EXPECT_EQ(runs.run(support::contents_of(*started->out())), "[True, True, True]\n");
}

TEST(ProcessCommand, FurtherDescriptorsHaveTheirNumbers) {
    ASSERT_TRUE(support::has_warmed_up());
    const support::leaves_no_descriptor unchanged;
    const support::temp_dir dir;
    std::ofstream(dir / "three") << "3\n";
    std::ofstream(dir / "five") << "5\n";
    // The first one has the number of the second one in the process.
    const int three = ::open((dir / "three").c_str(), O_RDONLY | O_CLOEXEC);
    const int five = ::open((dir / "five").c_str(), O_RDONLY | O_CLOEXEC);
    const auto read_both = command("sh", "-c", "read a <&3; read b <&5; echo $a $b; readlink /proc/self/fd/4")
                               .descriptor(5, stdio::copy_of(five))
                               .descriptor(3, stdio::copy_of(three));
    EXPECT_EQ(run_output(read_both), "3 5\n");
    {
        support::executor runs(0);
        const auto sleeps = command("sleep", "1000")
                                .in(stdio::pipe())
                                .descriptor(three, stdio::copy_of(five))
                                .descriptor(five, stdio::from_native(three));
        const auto started = runs.run(sleeps.spawn());
        ASSERT_TRUE(started) << started.error().message();
        std::vector<std::string> expected{"0", "1", "2", std::to_string(three), std::to_string(five)};
        std::ranges::sort(expected);
        EXPECT_TRUE(has_descriptors(*started, expected)) << testing::PrintToString(descriptors_of(*started));
        const auto target = [&](int fd) {
            return std::filesystem::read_symlink("/proc/" + std::to_string(started->id()) + "/fd/" +
                                                 std::to_string(fd));
        };
        EXPECT_EQ(target(three), dir / "five");
        EXPECT_EQ(target(five), dir / "three");
    }
    ::close(five);
}

TEST(ProcessCommand, FurtherDescriptorsThatCannotBeAreErrors) {
    const auto with = [](int number, const stdio& what) { return error_of(command("true").descriptor(number, what)); };
    const std::string wrong = "true: command::descriptor() takes a number above 2, and a descriptor (descriptor ";
    EXPECT_EQ(with(2, stdio::copy_of(0)), wrong + "2)");
    EXPECT_EQ(with(-1, stdio::copy_of(0)), wrong + "-1)");
    EXPECT_EQ(with(3, stdio::pipe()), wrong + "3)");
    EXPECT_EQ(with(3, stdio::inherit()), wrong + "3)");
    EXPECT_EQ(with(4, stdio::copy_of(99'999)), "true: Bad file descriptor (descriptor 4)");
    EXPECT_EQ(with(2'000'000'000, stdio::copy_of(0)), "true: Invalid argument (descriptor 2000000000)");
}

TEST(ProcessCommand, GroupAndSessionAreNew) {
    const auto group_and_session = [](const command& what) {
        const auto started = spawn(what);
        const int id = started.value().id();
        return std::pair(::getpgid(id) == id, ::getsid(id) == id);
    };
    EXPECT_EQ(group_and_session(command("sleep", "1000")), std::pair(false, false));
    EXPECT_EQ(group_and_session(command("sleep", "1000").group()), std::pair(true, false));
    EXPECT_EQ(group_and_session(command("sleep", "1000").session()), std::pair(true, true));
    EXPECT_EQ(group_and_session(command("sleep", "1000").group().session()), std::pair(true, true));
}

/// Prints what a process has from its parent. Not what CPython changes before it runs a program: it ignores SIGPIPE and
/// SIGXFSZ, and handles SIGINT if that had the default action.
constexpr const char* report_of_python = R"(
import os, signal

def exists(fd):
    try:
        os.fstat(fd)
        return True
    except OSError:
        return False

def parts(name):
    return open("/proc/self/" + name, "rb").read().split(b"\0")[:-1]

own = {signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, 32, 33}
print("arguments", parts("cmdline")[0], parts("cmdline")[3:])
print("environment", sorted(parts("environ")))
print("directory", os.getcwd())
print("descriptors", [fd for fd in range(1024) if exists(fd)])
print("blocked", [int(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, [])])
print("handled", [each for each in range(1, 65) if each not in own and signal.getsignal(each) != signal.SIG_DFL])
print("interrupt", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
print("group", os.getpgid(0) == os.getpid(), "session", os.getsid(0) == os.getpid())
print("umask", oct(os.umask(0)), "nice", os.nice(0) - os.getpriority(os.PRIO_PROCESS, os.getppid()))
print("input", os.read(0, 100))
)";

TEST(ProcessCommand, PythonReportsWhatItWasStartedWith) {
    const support::temp_dir dir;
    std::ofstream(dir / "in") << "input of the process";
    const auto inherited = ::open("/dev/null", O_RDONLY);  // not O_CLOEXEC
    const auto mask = ::umask(027);
    const auto sigint = std::signal(SIGINT, SIG_IGN);
    const auto sigusr2 = std::signal(SIGUSR2, SIG_IGN);
    for (const bool has_session : {false, true}) {
        command what("python3", "-c", report_of_python, "", "two words", "\xff");
        what.arg0("other name").clear_env().env("B", "a=b").env("A", "\n").env("PATH", "/usr/local/bin:/usr/bin:/bin");
        what.directory(dir / ".").in(stdio::from_native(::open((dir / "in").c_str(), O_RDONLY | O_CLOEXEC)));
        if (has_session) {
            what.session();
        } else {
            what.group();
        }
        EXPECT_EQ(run_output(what),
                  "arguments b'other name' [b'', b'two words', b'\\xff']\n"
                  "environment [b'A=\\n', b'B=a=b', b'PATH=/usr/local/bin:/usr/bin:/bin']\n"
                  "directory " +
                      std::filesystem::canonical(dir / ".").string() +
                      "\n"
                      "descriptors [0, 1, 2]\n"
                      "blocked []\n"
                      "handled []\n"
                      "interrupt True\n"
                      "group True session " +
                      (has_session ? "True" : "False") +
                      "\n"
                      "umask 0o27 nice 0\n"
                      "input b'input of the process'\n");
    }
    std::signal(SIGUSR2, sigusr2);
    std::signal(SIGINT, sigint);
    ::umask(mask);
    ::close(inherited);
}

/// Puts other descriptors in the place of 1 and 2, and back.
class replaced_output {
public:
    replaced_output(const std::string& one, const std::string& two) {
        replace(1, one);
        replace(2, two);
    }
    replaced_output(const replaced_output&) = delete;
    replaced_output& operator=(const replaced_output&) = delete;
    ~replaced_output() {
        for (const int fd : {1, 2}) {
            ::dup2(kept_[fd], fd);
            ::close(kept_[fd]);
        }
    }

private:
    void replace(int fd, const std::string& path) {
        kept_[fd] = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
        const int opened = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        ::dup2(opened, fd);
        ::close(opened);
    }

    int kept_[3] = {};
};

TEST(ProcessCommandOwnProcess, OutputAndErrorMayBeSwapped) {
    const support::temp_dir dir;
    support::executor runs(0);
    bool is_started = false;
    {
        const replaced_output files(dir / "one", dir / "two");
        const auto started = runs.run(
            command("sh", "-c", "echo out; echo err >&2").out(stdio::copy_of(2)).error(stdio::copy_of(1)).spawn());
        is_started = started.has_value();
        if (is_started) static_cast<void>(runs.run(started->wait()));
    }
    ASSERT_TRUE(is_started);
    EXPECT_EQ(text_in(dir / "one"), "err\n");
    EXPECT_EQ(text_in(dir / "two"), "out\n");
}

TEST(ProcessCommandOwnProcess, ErrorIsNotAnOutputThatIsNotPassed) {
    const support::temp_dir dir;
    support::executor runs(0);
    const command says("sh", "-c", "[ -e /proc/$$/fd/1 ]; a=$?; [ -e /proc/$$/fd/2 ]; exit $((10 * a + $?))");
    const auto code = [&] {
        const auto started = runs.run(command(says).error(stdio::same_as_out()).spawn());
        return started ? runs.run(started->wait())->code().value_or(-1) : -2;
    };
    int with_file = -1;
    int with_own = -1;
    int with_none = -1;
    int own_with_pipe = -1;
    {
        const replaced_output files(dir / "one", dir / "two");
        with_file = code();
        ::fcntl(1, F_SETFD, FD_CLOEXEC);
        with_own = code();
        const auto started = runs.run(command(says).out(stdio::pipe()).error(stdio::same_as_out()).spawn());
        own_with_pipe = started ? runs.run(started->wait())->code().value_or(-1) : -2;
        ::close(1);
        with_none = code();
    }
    EXPECT_EQ(with_file, 0);
    EXPECT_EQ(with_own, 11);
    EXPECT_EQ(own_with_pipe, 0);
    EXPECT_EQ(with_none, 11);
}

TEST(ProcessCommandOwnProcess, PipesWorkWithoutStandardDescriptors) {
    int kept[3];
    for (int fd = 0; fd < 3; ++fd) {
        kept[fd] = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
        ::close(fd);
    }
    std::string out;
    bool stays_closed = false;
    {
        support::executor runs(0);
        out = runs.run([]() -> eddy::task<std::string> {
            auto child = co_await command("cat").in(stdio::pipe()).out(stdio::pipe()).error(stdio::pipe()).spawn();
            if (!child) co_return child.error().message();
            for (const int fd : {0, 1, 2}) {
                if (::fcntl(fd, F_GETFD) != -1) co_return "the library uses descriptor " + std::to_string(fd);
            }
            static_cast<void>(co_await eddy::io::write_all(*child->in(), std::string_view("through")));
            child->in().reset();
            std::string text = co_await support::contents_of(*child->out());
            co_return text;
        }());
        stays_closed = ::fcntl(0, F_GETFD) == -1 && ::fcntl(1, F_GETFD) == -1 && ::fcntl(2, F_GETFD) == -1;
    }
    for (int fd = 0; fd < 3; ++fd) {
        ::dup2(kept[fd], fd);
        ::close(kept[fd]);
    }
    EXPECT_EQ(out, "through");
    EXPECT_TRUE(stays_closed);
}

}  // namespace
