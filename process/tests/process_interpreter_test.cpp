// SPDX-License-Identifier: MIT
// The errors of programs whose interpreter is missing.
// covers: P074
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/executors.hpp>
#include <support/net.hpp>
#include <support/process/children.hpp>
#include <support/temp_dir.hpp>

#include "sys/interpreter.hpp"

namespace {

using eddy::process::command;

std::string error_of(const command& what) {
    support::executor runs(0);
    const auto started = runs.run(what.spawn());
    return started ? "it started" : started.error().message();
}

std::string text_in(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

/// Copies a program, with another interpreter of the same length.
std::string copy_with_wrong_interpreter(const std::string& program, const std::string& to) {
    std::string bytes = text_in(program);
    const auto interpreter = eddy::sys::interpreter_of(program);
    EXPECT_TRUE(interpreter.starts_with('/')) << interpreter;
    const std::string wrong = "/wrong" + std::string(interpreter.size() - 6, 'x');
    bytes.replace(bytes.find(interpreter), interpreter.size(), wrong);
    std::ofstream(to) << bytes;
    std::filesystem::permissions(to, std::filesystem::perms::owner_all);
    return wrong;
}

TEST(ProcessInterpreter, IsNamedByErrors) {
    const support::temp_dir dir;
    const auto script = [&](const std::string& line) {
        std::ofstream(dir / "eddy-script") << line;
        std::filesystem::permissions(dir / "eddy-script", std::filesystem::perms::owner_all);
        const auto error = error_of(command("./eddy-script").directory(dir / "."));
        EXPECT_TRUE(error.starts_with("./eddy-script: ")) << error;
        return error.substr(error.find(' ') + 1);
    };
    EXPECT_EQ(script("#!/no/such\n"), "No such file or directory (interpreter /no/such)");
    EXPECT_EQ(script("#! \t/no/such -x\n"), "No such file or directory (interpreter /no/such)");
    EXPECT_EQ(script("#!/no/such\t-x"), "No such file or directory (interpreter /no/such)");
    EXPECT_EQ(script("#!/bin/sh\r\nexit 0\r\n"), "No such file or directory (interpreter /bin/sh\\r)");
    EXPECT_EQ(script("#!/etc/passwd\n"), "Permission denied (interpreter /etc/passwd)");
    EXPECT_EQ(script("#!/etc/passwd/x\n"), "Not a directory (interpreter /etc/passwd/x)");
    EXPECT_EQ(script("#!" + (dir / "eddy-script") + "\n"),
              "Too many levels of symbolic links (interpreter " + (dir / "eddy-script") + ")");
    std::ofstream(dir / "eddy-script") << "#!/no/such\n";
    EXPECT_EQ(error_of(command("eddy-script").env("PATH", "/bin:" + (dir / "."))),
              "eddy-script: No such file or directory (interpreter /no/such)");
    EXPECT_EQ(error_of(command("eddy-script").env("PATH", "").directory(dir / ".")),
              "eddy-script: No such file or directory (interpreter /no/such)");
    // The interpreter of a program is its dynamic linker.
    const auto wrong = copy_with_wrong_interpreter(std::filesystem::canonical("/bin/true"), dir / "true");
    EXPECT_EQ(error_of(command(dir / "true")),
              (dir / "true") + ": No such file or directory (interpreter " + wrong + ")");
    // The next directory of PATH has the program.
    support::executor runs(0);
    std::filesystem::create_directory(dir / "next");
    std::filesystem::create_symlink("/bin/echo", dir / "next/eddy-script");
    EXPECT_EQ(
        runs.run(support::output_of(command("eddy-script", "found").env("PATH", (dir / ".") + ":" + (dir / "next")))),
        "found\n");
    // Those that were tried are not at fault.
    std::filesystem::permissions(dir / "eddy-script", std::filesystem::perms::owner_read);
    EXPECT_EQ(error_of(command(dir / "eddy-script")), (dir / "eddy-script") + ": Permission denied");
}

TEST(ProcessInterpreter, FirstOneOfPathIsNamed) {
    const support::temp_dir dir;
    for (const std::string each : {"one", "two"}) {
        std::filesystem::create_directory(dir / each);
        const auto script = (dir / each) + "/eddy-script";
        std::ofstream(script) << "#!/no/" << each << "\n";
        std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    }
    EXPECT_EQ(error_of(command("eddy-script").env("PATH", (dir / "one") + ":" + (dir / "two"))),
              "eddy-script: No such file or directory (interpreter /no/one)");
}

TEST(ProcessInterpreter, IsReadFromTheBeginOfAFile) {
    const support::temp_dir dir;
    const auto of = [&](const std::string& text) {
        std::ofstream(dir / "file") << text;
        return eddy::sys::interpreter_of(dir / "file");
    };
    EXPECT_EQ(of(""), "");
    EXPECT_EQ(of("#"), "");
    EXPECT_EQ(of("#!"), "");
    EXPECT_EQ(of("#!  \n/bin/sh"), "");
    EXPECT_EQ(of("# !/bin/sh"), "");
    EXPECT_EQ(of("#!/a"), "/a");
    EXPECT_EQ(of("#!/" + std::string(1000, 'a')), "/" + std::string(253, 'a'));
    EXPECT_EQ(of("\177ELF"), "");
    EXPECT_EQ(of("\177ELF\1" + std::string(250, '\377')), "");
    EXPECT_EQ(of("\177ELF\2" + std::string(250, '\377')), "");
    EXPECT_EQ(eddy::sys::interpreter_of(dir / "."), "");
    EXPECT_EQ(eddy::sys::interpreter_of(dir / "none"), "");
    // A program of 32 bits: the header is followed by a segment of another type, and by that of the interpreter.
    std::string elf("\177ELF\1", 5);
    elf.resize(52 + 2 * 32);
    const auto put = [&](std::size_t at, char low) { elf[at] = low; };
    put(28, 52);           // e_phoff
    put(44, 2);            // e_phnum
    put(52, 1);            // PT_LOAD
    put(52 + 32, 3);       // PT_INTERP
    put(52 + 36, 116);     // p_offset
    put(52 + 32 + 16, 8);  // p_filesz
    EXPECT_EQ(of(elf + std::string("/lib/ld\0more", 12)), "/lib/ld");
}

}  // namespace
