// SPDX-License-Identifier: MIT
// Processes on Windows: command lines, environments, job objects, pipes. The processes run tests/windows_child.cpp.
// covers: S04 P074 P075 P076
#ifdef _WIN32
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/executors.hpp>
#include <support/temp_dir.hpp>

#include "running_process.hpp"
#include "sys/processes.hpp"
#include "sys/socket_api.hpp"
#include "sys/windows/command_line.hpp"
#include "sys/windows/handle.hpp"
#include "sys/windows/utf16.hpp"

namespace {

namespace process = eddy::process;
using namespace std::chrono_literals;
using process::command;
using process::run_options;
using process::stdio;

constexpr int sigint = 2;
constexpr int sigkill = 9;
constexpr int sigterm = 15;

/// Returns the path of the program windows_child, which is beside this one.
std::filesystem::path child_path() {
    std::wstring path(MAX_PATH, L'\0');
    path.resize(::GetModuleFileNameW(nullptr, path.data(), MAX_PATH));
    return std::filesystem::path(path).parent_path() / "windows_child.exe";
}

template <class... Args>
command child(Args... args) {
    return command(eddy::sys::narrow_of(child_path().native()), std::move(args)...);
}

std::string lines(const std::vector<std::string>& all) {
    std::string text;
    for (const auto& each : all) text += each + '\n';
    return text;
}

bool is_running(DWORD id) {
    const HANDLE found = ::OpenProcess(SYNCHRONIZE, FALSE, id);
    if (found == nullptr) return false;
    const bool runs = ::WaitForSingleObject(found, 0) == WAIT_TIMEOUT;
    ::CloseHandle(found);
    return runs;
}

class ProcessWindows : public testing::TestWithParam<unsigned> {
protected:
    process::run_result run(const command& what, const run_options& options = {}) {
        auto done = runs.run(process::run(what, options));
        EXPECT_TRUE(done) << done.error().message();
        return std::move(done).value();
    }
    std::string error_of(const command& what) {
        const auto started = runs.run(what.spawn());
        return started ? "it started" : started.error().message();
    }
    process::child start(const command& what) { return runs.run(what.spawn()).value(); }
    process::exit_status end_of(const process::child& of) { return runs.run(of.wait()).value(); }
    std::string line_of(process::child& of) {
        return runs.run([](process::child& from) -> eddy::task<std::string> {
            std::string line;
            for (std::byte next{};;) {
                const auto count = co_await eddy::io::read(*from.out(), std::span(&next, 1));
                if (!count || *count == 0 || next == std::byte{'\n'}) co_return line;
                line += static_cast<char>(next);
            }
        }(of));
    }
    /// Waits for the end of a process that another one has started.
    static bool ends(DWORD id) {
        const HANDLE found = ::OpenProcess(SYNCHRONIZE, FALSE, id);
        if (found == nullptr) return true;
        const bool ended = ::WaitForSingleObject(found, 20'000) == WAIT_OBJECT_0;
        ::CloseHandle(found);
        return ended;
    }

    support::executor runs{GetParam()};
    const support::temp_dir folder;
};

INSTANTIATE_TEST_SUITE_P(Executors, ProcessWindows, testing::Values(0, 2), support::name_of_executor);

// ---- What a process is started with ----

const std::vector<std::string> difficult_arguments = {"",
                                                      " ",
                                                      "\t",
                                                      "a b",
                                                      "\"",
                                                      "\\",
                                                      "\\\\",
                                                      "a\\b",
                                                      "a\\",
                                                      "a \\",
                                                      "\\\"",
                                                      "\\\\\"x",
                                                      "a b\\\\",
                                                      "\"quoted\"",
                                                      "*",
                                                      "%PATH%",
                                                      "a&b|c<d>e^",
                                                      "!x!",
                                                      "'",
                                                      "-x=/y",
                                                      "C:\\a b\\",
                                                      "\xC3\xA4\xE2\x82\xAC",
                                                      "\xF0\x9F\x98\x80",
                                                      "line\nline",
                                                      "ends with \\\""};

TEST_P(ProcessWindows, ArgumentsArriveUnchanged) {
    EXPECT_EQ(run(child("arguments").args(difficult_arguments)).out, lines(difficult_arguments));
    EXPECT_EQ(run(child("arguments", std::string(30'000, 'x'))).out, std::string(30'000, 'x') + "\n");
    EXPECT_EQ(run(child("all_arguments").arg0("an other\\")).out, "an other\\\nall_arguments\n");
}

TEST_P(ProcessWindows, MistakesInArgumentsAreErrors) {
    const auto message_of = [](std::errc code) { return std::make_error_code(code).message(); };
    const auto name = child().program();
    EXPECT_EQ(error_of(child(std::string(33'000, 'x'))), name + ": " + message_of(std::errc::argument_list_too_long));
    EXPECT_EQ(error_of(child("\xff")), name + ": " + message_of(std::errc::illegal_byte_sequence));
    EXPECT_EQ(error_of(child().arg0("\"")), name + ": " + message_of(std::errc::invalid_argument));
    EXPECT_EQ(error_of(child().env("X", "\xff")), name + ": " + message_of(std::errc::illegal_byte_sequence));
}

TEST_P(ProcessWindows, BatchFileGetsArgumentsBetweenQuotationMarks) {
    const auto path = folder / "print it.CMD";
    std::ofstream(path) << "@echo 1%1.\r\n@echo 2%2.\r\n";
    EXPECT_EQ(run(command(path, "a b", "c&echo injected")).out, "1\"a b\".\r\n2\"c&echo injected\".\r\n");
}

TEST_P(ProcessWindows, ArgumentsOfABatchFileArriveInItsProgram) {
    const auto path = folder / "tool.cmd";
    std::ofstream(path) << "@\"" << child().program() << "\" arguments %*\r\n";
    const std::vector<std::string> arguments = {"a\\", " --evil", "\\", "a b\\\\", "", "C:\\a b\\", "a\\b", "--end"};
    EXPECT_EQ(run(command(path).args(arguments)).out, lines(arguments));
}

TEST_P(ProcessWindows, LineOfABatchFileHas8191Characters) {
    const auto path = folder / "print.cmd";
    std::ofstream(path) << "@echo ran\r\n";
    const auto shortest = eddy::sys::batch_command_line_of(path, {path, ""}).value().size();
    EXPECT_EQ(run(command(path, std::string(8'191 - shortest, 'x'))).out, "ran\r\n");
    EXPECT_EQ(error_of(command(path, std::string(8'192 - shortest, 'x'))),
              path + ": " + std::make_error_code(std::errc::argument_list_too_long).message());
}

// CVE-2024-24576, and CVE-2024-43402: dots and spaces at the end of the name.
TEST_P(ProcessWindows, ArgumentsThatABatchFileCannotGetAreErrors) {
    const auto path = folder / "print.bat";
    std::ofstream(path) << "@echo 1%1.\r\n";
    for (const auto& argument : {"\"&echo injected", "%CMDCMDLINE:~-1%&echo injected", "a\r\nb", "\n"}) {
        for (const auto& end : {"", ".", " ", ". ."}) {
            const auto started = runs.run(command(path + end, "x", argument).spawn());
            ASSERT_FALSE(started);
            EXPECT_EQ(started.error(), process::errc::unsafe_argument) << started.error().message();
            EXPECT_EQ(started.error(), std::errc::invalid_argument);
        }
    }
}

TEST(ProcessWindowsCommandLine, BatchFilesAreKnownByTheirNames) {
    for (const auto* name : {"a.bat", "a.CMD", "c:\\x\\a.Bat", "a.cmd.", "a.bat ", "a.bat. . "}) {
        EXPECT_TRUE(eddy::sys::is_batch_file(name)) << name;
    }
    for (const auto* name : {"a.exe", "bat", "a.bat.exe", "a.batx", "a.bat\\b"}) {
        EXPECT_FALSE(eddy::sys::is_batch_file(name)) << name;
    }
}

TEST_P(ProcessWindows, EnvironmentIsThatOfProgramWithChanges) {
    ::SetEnvironmentVariableW(L"Eddy_Kept", L"1");
    ::SetEnvironmentVariableW(L"Eddy_Removed", L"1");
    ::SetEnvironmentVariableW(L"Eddy_Changed", L"1");
    const auto text =
        run(child("variables").env_remove("EDDY_REMOVED").env("EDDY_CHANGED", "2").env("New", "\xC3\xA4=b")).out;
    EXPECT_NE(text.find("\nEddy_Kept=1\n"), std::string::npos);
    EXPECT_EQ(text.find("Eddy_Removed"), std::string::npos);
    EXPECT_EQ(text.find("Eddy_Changed"), std::string::npos);
    EXPECT_NE(text.find("\nEDDY_CHANGED=2\n"), std::string::npos);
    EXPECT_NE(text.find("\nNew=\xC3\xA4=b\n"), std::string::npos);
}

TEST_P(ProcessWindows, NamesOfVariablesHaveNoCase) {
    const auto text = run(child("variables").clear_env().env("b", "1").env("B", "2").env("C", "3").env("a", "4")).out;
    std::vector<std::string> ours;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        // The system may add variables of its own.
        if (line.size() == 3) ours.push_back(line);
    }
    EXPECT_EQ(lines(ours), "a=4\nb=2\nC=3\n");
}

TEST_P(ProcessWindows, DirectoryIsThatOfTheProcess) {
    const auto path = std::filesystem::path(folder / ".").parent_path() / L"\u00E4 b";
    std::filesystem::create_directory(path);
    EXPECT_EQ(run(child("directory").directory(path)).out, eddy::sys::narrow_of(path.native()) + "\n");
    std::filesystem::copy_file(child_path(), path / "here.exe");
    EXPECT_EQ(run(command("./here", "directory").directory(path)).out, eddy::sys::narrow_of(path.native()) + "\n");
    const auto name = child().program();
    const auto none = std::filesystem::path(folder / "none");
    EXPECT_EQ(error_of(child().directory(none)),
              name + ": No such file or directory (directory " + eddy::sys::narrow_of(none.native()) + ")");
    EXPECT_EQ(error_of(child().directory(child_path())), name + ": Not a directory (directory " + name + ")");
}

TEST_P(ProcessWindows, ProgramIsSearchedInPathOfItsEnvironmentOnly) {
    std::filesystem::copy_file(child_path(), folder / "eddy-only-here.exe");
    const auto path = ";C:\\nowhere;" + (folder / ".");
    EXPECT_EQ(run(command("eddy-only-here", "arguments", "found").env("Path", path)).out, "found\n");
    EXPECT_EQ(run(command("eddy-only-here.exe", "arguments", "found").env("Path", path)).out, "found\n");
    EXPECT_EQ(error_of(command("eddy-only-here")), "eddy-only-here: No such file or directory");
    // Not in the directory of this program, where CreateProcessW() looks first.
    EXPECT_EQ(error_of(command("windows_child")), "windows_child: No such file or directory");
}

TEST_P(ProcessWindows, FileThatIsNoProgramIsAnError) {
    std::ofstream(folder / "text.exe") << "no program";
    EXPECT_EQ(error_of(command(folder / "text.exe")), (folder / "text.exe") + ": Exec format error");
    EXPECT_EQ(error_of(command(folder / "none.exe")), (folder / "none.exe") + ": No such file or directory");
}

TEST_P(ProcessWindows, ProcessHasTheNamedHandlesOnly) {
    const HANDLE event = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
    ASSERT_NE(::SetHandleInformation(event, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT), 0);
    // A number that the process itself does not use.
    std::vector<HANDLE> all;
    for (int i = 0; i < 1000; ++i) {
        HANDLE made = nullptr;
        const HANDLE self = ::GetCurrentProcess();
        ASSERT_NE(::DuplicateHandle(self, event, self, &made, 0, TRUE, DUPLICATE_SAME_ACCESS), 0);
        all.push_back(made);
    }
    const auto number = std::to_string(reinterpret_cast<std::intptr_t>(all.back()));
    EXPECT_EQ(run(child("is_open", number)).out, "closed\n");
    for (const HANDLE each : all) ::CloseHandle(each);
    ::CloseHandle(event);
}

TEST_P(ProcessWindows, FurtherDescriptorsAreNotSupported) {
    const HANDLE event = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
    const auto owned = stdio::from_native(eddy::sys::own_handle(event).release());
    const auto started = runs.run(child("wait").descriptor(3, owned).spawn());
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error(), std::errc::not_supported);
}

// ---- Streams ----

TEST_P(ProcessWindows, InputAndOutputPassThroughPipes) {
    EXPECT_EQ(run(child("cat"), run_options().input("text")).out, "text");
    EXPECT_EQ(run(child("cat"), run_options().input("")).out, "");
    EXPECT_EQ(run(child("cat")).out, "");
    EXPECT_TRUE(run(child("exit", "0"), run_options().input(std::string(1'000'000, 'x'))).status.is_success());
}

TEST_P(ProcessWindows, LargeDataPassInBothDirectionsAtTheSameTime) {
    std::string data(3'000'000, '\0');
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7919 >> 8U);
    const auto done = run(child("cat"), run_options().input(data));
    EXPECT_EQ(done.out.size(), data.size());
    EXPECT_TRUE(done.out == data);
}

TEST_P(ProcessWindows, ErrorOutputIsReadWhileOutputIs) {
    const auto done = run(child("both", "300000", "500000"), run_options().max_output(100));
    EXPECT_EQ(done.out.size(), 100U);
    EXPECT_TRUE(done.is_out_cut);
    EXPECT_EQ(done.error.size(), 500'000U);
    EXPECT_FALSE(done.is_error_cut);
    EXPECT_EQ(run(child("both", "10", "20").error(stdio::same_as_out())).out.size(), 40U);
    EXPECT_EQ(run(child("both", "10", "20").out(stdio::null())).out, "");
}

TEST_P(ProcessWindows, FileIsAStream) {
    const auto path = std::filesystem::path(folder / "data");
    const HANDLE file = ::CreateFileW(path.c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr, CREATE_NEW, 0, nullptr);
    ASSERT_NE(file, INVALID_HANDLE_VALUE);
    const auto owned = eddy::sys::own_handle(file);
    run(child("arguments", "text").out(stdio::copy_of(owned.get())));
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    EXPECT_EQ(text.str(), "text\n");
}

TEST_P(ProcessWindows, PipelineConnectsProcesses) {
    const auto done = runs.run(process::run(process::pipeline(child("arguments", "a"), child("cat"), child("cat"))));
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(done->out, "a\n");
    EXPECT_TRUE(done->is_success());
    EXPECT_EQ(done->statuses.size(), 3U);
}

TEST_P(ProcessWindows, GrandchildWithOpenOutputIsNotWaitedFor) {
    const auto done = run(child("child").group(), run_options().wait_delay(1ms));
    EXPECT_TRUE(done.has_open_output);
    EXPECT_TRUE(done.status.is_success());
    ASSERT_FALSE(done.out.empty());
    EXPECT_TRUE(ends(static_cast<DWORD>(std::stoul(done.out))));  // with the group
}

TEST_P(ProcessWindows, ChildHasEndsOfPipes) {
    auto started = start(child("cat").in(stdio::pipe()).out(stdio::pipe()));
    const auto echoed = runs.run([](process::child& with) -> eddy::task<std::string> {
        const auto written = co_await eddy::io::write_all(*with.in(), "hello\n");
        EXPECT_TRUE(written);
        std::string text(6, '\0');
        const auto read = co_await eddy::io::read_exact(*with.out(), std::as_writable_bytes(std::span(text)));
        EXPECT_TRUE(read);
        co_return text;
    }(started));
    EXPECT_EQ(echoed, "hello\n");
    started.in().reset();
    EXPECT_TRUE(end_of(started).is_success());
}

// ---- The end ----

TEST_P(ProcessWindows, StatusHasCodeOf32Bits) {
    EXPECT_EQ(end_of(start(child("exit", "3"))).to_string(), "exit code 3");
    EXPECT_EQ(end_of(start(child("exit", "70000"))).code(), 70'000);
    const auto crashed = end_of(start(child("exit", "0xC0000005")));
    EXPECT_EQ(crashed.to_string(), "exit code 0xc0000005");
    EXPECT_FALSE(crashed.is_success());
}

TEST_P(ProcessWindows, StatusHasWhatWasUsed) {
    const auto used = end_of(start(child("both", "30000000", "0").out(stdio::null()))).used();
    EXPECT_GE(used.user_time, 0s);
    EXPECT_LT(used.user_time + used.system_time, 60s);
    // wine does not tell the memory of a process that has ended.
    EXPECT_LT(used.max_memory, 1'000'000'000U);
}

TEST_P(ProcessWindows, SigkillAndSigtermEndAProcess) {
    for (const int number : {sigkill, sigterm}) {
        const auto started = start(child("wait"));
        EXPECT_EQ(started.try_wait().value(), std::nullopt);
        EXPECT_TRUE(started.signal(0));
        EXPECT_TRUE(started.signal(number));
        const auto status = end_of(started);
        EXPECT_EQ(status.signal(), number);
        EXPECT_EQ(status.code(), std::nullopt);
        EXPECT_EQ(started.try_wait().value(), status);
        EXPECT_EQ(started.signal(number).error(), process::errc::has_ended);
    }
}

TEST_P(ProcessWindows, OtherSignalsAreNotSupported) {
    const auto started = start(child("wait").group());
    for (const auto& sent : {started.signal(sigint), started.signal_group(sigint)}) {
        ASSERT_FALSE(sent);
        EXPECT_EQ(sent.error(), process::errc::no_signal);
        EXPECT_EQ(sent.error(), std::errc::not_supported);
    }
    EXPECT_EQ(start(child("wait")).signal_group(sigkill).error(), process::errc::no_group);
}

TEST_P(ProcessWindows, GroupIsAJob) {
    auto started = start(child("child", "and wait").group().out(stdio::pipe()));
    const auto id = static_cast<DWORD>(std::stoul(line_of(started)));
    EXPECT_TRUE(is_running(id));
    EXPECT_TRUE(started.signal_group(sigkill));
    EXPECT_EQ(end_of(started).signal(), sigkill);
    EXPECT_TRUE(ends(id));
}

TEST(ProcessWindowsGroup, ProcessIsKilledIfItsGroupCannotBe) {
    eddy::sys::start_request what;
    what.program = child().program();
    what.arguments = {what.program, "wait"};
    what.environment = eddy::sys::environment_of_this_process();
    what.has_group = true;
    auto started = eddy::sys::start_process(what).value();
    const auto job = std::move(started.job);
    HANDLE weak = nullptr;
    const HANDLE self = ::GetCurrentProcess();
    ASSERT_NE(::DuplicateHandle(self, eddy::sys::handle_of(job.get()), self, &weak, JOB_OBJECT_QUERY, FALSE, 0), 0);
    started.job = eddy::sys::own_handle(weak);
    ASSERT_FALSE(eddy::sys::send_signal_to_group(started, sigkill));

    process::detail::running_process running(what.program, true);
    running.begin(std::move(started));
    EXPECT_TRUE(running.signal_all(sigkill));
    eddy::sys::wait_for_end(running.started());
    EXPECT_EQ(eddy::sys::take_exit_status(running.started(), false).value().value().signal(), sigkill);
}

TEST_P(ProcessWindows, DestructorKillsGroupOfEndedProcess) {
    std::optional started = start(child("child").group().out(stdio::pipe()));
    const auto id = static_cast<DWORD>(std::stoul(line_of(*started)));
    EXPECT_TRUE(end_of(*started).is_success());
    EXPECT_TRUE(is_running(id));
    started.reset();
    EXPECT_TRUE(ends(id));
}

TEST_P(ProcessWindows, DestructorKillsProcess) {
    std::optional started = start(child("wait"));
    const auto id = static_cast<DWORD>(started->id());
    EXPECT_TRUE(is_running(id));
    started.reset();
    EXPECT_TRUE(ends(id));
}

TEST_P(ProcessWindows, DetachedGroupGoesOn) {
    auto started = start(child("child").group().in(stdio::pipe()).out(stdio::pipe()));
    const auto id = static_cast<DWORD>(std::stoul(line_of(started)));
    EXPECT_TRUE(end_of(started).is_success());
    std::move(started).detach();
    // The job was released with the last owner; the other process is still there.
    EXPECT_TRUE(is_running(id));
    const HANDLE other = ::OpenProcess(PROCESS_TERMINATE, FALSE, id);
    ASSERT_NE(other, nullptr);
    EXPECT_NE(::TerminateProcess(other, 0), 0);
    ::CloseHandle(other);
}

TEST_P(ProcessWindows, StopWithoutAGroupTerminatesAtOnce) {
    auto started = start(child("wait"));
    EXPECT_EQ(runs.run(started.stop(1h))->signal(), sigterm);
}

// Without a console, Ctrl-Break reaches no process. wine does not deliver it either, so the grace is short.
TEST_P(ProcessWindows, StopOfAGroupEndsIt) {
    auto started = start(child("child", "and wait").group().out(stdio::pipe()));
    const auto id = static_cast<DWORD>(std::stoul(line_of(started)));
    EXPECT_FALSE(runs.run(started.stop(10ms))->is_success());
    EXPECT_TRUE(ends(id));
}

TEST_P(ProcessWindows, TimeoutKillsProcess) {
    const auto done = run(child("wait"), run_options().timeout(10ms));
    EXPECT_TRUE(done.has_timed_out);
    EXPECT_EQ(done.status.signal(), sigkill);
    EXPECT_FALSE(done.has_open_output);
}

// A thread of the system waits for 63 of them at most.
TEST(ProcessWindowsMany, ProcessesEndAtTheSameTime) {
    support::executor runs(0);
    std::vector<process::child> all;
    for (int i = 0; i < 70; ++i) all.push_back(runs.run(child("cat").in(stdio::pipe()).spawn()).value());
    for (auto& each : all) each.in().reset();
    for (const auto& each : all) EXPECT_TRUE(runs.run(each.wait()).value().is_success());
}

// ---- What Windows does not have ----

TEST_P(ProcessWindows, TerminalsAndSuccessorsAreNotSupported) {
    EXPECT_EQ(process::terminal::open().error(), std::errc::not_supported);
    EXPECT_EQ(runs.run(process::hand_over(child("wait"))).error(), std::errc::not_supported);
    EXPECT_EQ(process::inherited_bytes().value(), "");
}

}  // namespace
#endif
