// SPDX-License-Identifier: MIT
// Other processes and core files: stripped, static and position-independent programs.
#include <gtest/gtest.h>

#include <elf.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <expected>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <eddy/net.hpp>
#include <eddy/runtime.hpp>

#include "find_table.hpp"
#include "inspect/tree_output.hpp"
#include "inspect/walker.hpp"
#include "running_target.hpp"
#include "support/temp_dir.hpp"
#include "sys/core_file.hpp"
#include "sys/process.hpp"

namespace {

using namespace eddy::inspect;

class scratch_folder {
public:
    scratch_folder() {
        std::string path = std::filesystem::temp_directory_path() / "inspect.XXXXXX";
        EXPECT_NE(mkdtemp(path.data()), nullptr);
        path_ = path;
    }
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;
    ~scratch_folder() { std::filesystem::remove_all(path_); }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

template <class Target>
std::string text_of(Target& target) {
    const std::optional<address> table = find_table(target.memory(), target.mappings());
    if (!table) return "no table";
    auto tree = read_tasks(target.memory(), *table);
    return tree ? tree_text(*tree, {}) : tree.error();
}

class InspectTarget : public testing::TestWithParam<std::string> {
protected:
    static std::string program() { return std::string(EDDY_HAND_MADE) + GetParam(); }
};

INSTANTIATE_TEST_SUITE_P(Programs, InspectTarget, testing::Values("", "_stripped", "_static", "_static_pie"),
                         [](const auto& its) { return its.param.empty() ? "plain" : its.param.substr(1); });

TEST_P(InspectTarget, ProcessIsRead) {
    running_target program(this->program());
    auto target = process::open(program.id());
    ASSERT_TRUE(target.has_value()) << target.error();
    const std::string text = text_of(*target);
    EXPECT_TRUE(text.starts_with("pool 7, 8 tasks\n  3 tasks, waits: 4, 2, 3, spawned at ")) << text;
    EXPECT_NE(text.find("hand_made::example::in_read_head  "), std::string::npos) << text;
    EXPECT_NE(text.find("waits for a mutex at 0x"), std::string::npos) << text;
    EXPECT_EQ(target->describe(0).substr(0, 6), "pipe:[");
}

TEST_P(InspectTarget, CoreFileHasTheSameTree) {
    const scratch_folder folder;
    running_target program(this->program(), folder.path());
    auto target = process::open(program.id());
    ASSERT_TRUE(target.has_value()) << target.error();
    const std::string before = text_of(*target);
    program.end(SIGABRT);
    std::string file;
    for (const auto& each : std::filesystem::directory_iterator(folder.path())) file = each.path();
    if (file.empty()) GTEST_SKIP() << "this system writes no core files to the current folder";

    auto core = core_file::open(file, "");
    ASSERT_TRUE(core.has_value()) << core.error();
    EXPECT_TRUE(core->problems().empty()) << core->problems()[0];
    EXPECT_EQ(text_of(*core), before);

    auto other = core_file::open(file, "/bin/sh");
    ASSERT_TRUE(other.has_value());
    ASSERT_FALSE(other->problems().empty());
    EXPECT_NE(other->problems()[0].find("/bin/sh has changed since the core file was written"), std::string::npos);
    auto missing = core_file::open(file, "/nowhere");
    ASSERT_TRUE(missing.has_value());
    ASSERT_FALSE(missing->problems().empty());
    EXPECT_NE(missing->problems()[0].find("/nowhere: No such file or directory"), std::string::npos);
}

/// A core file made by hand: one page of memory, with a debug table and no executor, and a note of one range of a file.
struct made_core {
    static constexpr address memory_at = 0x10000;

    made_core() {
        std::memcpy(head.e_ident, ELFMAG, SELFMAG);
        head.e_ident[EI_CLASS] = ELFCLASS64;
        head.e_ident[EI_DATA] = ELFDATA2LSB;
        head.e_type = ET_CORE;
        head.e_phoff = sizeof head;
        head.e_phentsize = sizeof(Elf64_Phdr);
        head.e_phnum = 2;
        section.sh_info = 2;
        parts[0].p_type = PT_NOTE;
        parts[1].p_type = PT_LOAD;
        parts[1].p_vaddr = memory_at;
        parts[1].p_filesz = parts[1].p_memsz = 4096;
        table.magic = table_magic;
        table.format = current_format;
        table.size = sizeof table;
        table.pointer_size = 8;
        table.self = memory_at;
        table.registry = memory_at + 2048;
    }

    static std::string note_of(Elf64_Word type, const std::vector<std::uint64_t>& words, const std::string& rest) {
        const std::string data = std::string(reinterpret_cast<const char*>(words.data()), words.size() * 8) + rest;
        const Elf64_Nhdr about{5, static_cast<Elf64_Word>(data.size()), type};
        return std::string(reinterpret_cast<const char*>(&about), sizeof about) + std::string("CORE\0\0\0\0", 8) + data;
    }

    void write(const std::filesystem::path& to) {
        const std::string note = note_of(NT_AUXV, auxiliary, "") + note_of(NT_FILE, files, names);
        head.e_shoff = sizeof head + sizeof parts;
        parts[0].p_offset = head.e_shoff + sizeof section;
        parts[0].p_filesz = note.size();
        parts[1].p_offset = parts[0].p_offset + note.size();
        std::string memory(reinterpret_cast<const char*>(&table), sizeof table);
        memory.resize(4096);
        std::ofstream out(to, std::ios::binary);
        out.write(reinterpret_cast<const char*>(&head), sizeof head);
        out.write(reinterpret_cast<const char*>(parts), sizeof parts);
        out.write(reinterpret_cast<const char*>(&section), sizeof section);
        out << note << memory;
    }

    Elf64_Ehdr head{};
    Elf64_Phdr parts[2]{};
    Elf64_Shdr section{};
    debug_table table{};
    // count, page size, and for each range: begin, end, offset in pages
    std::vector<std::uint64_t> files{1, 4096, memory_at, memory_at + 4096, 1};
    std::string names{"/bin/sh", 8};
    std::vector<std::uint64_t> auxiliary;
};

class InspectMadeCore : public testing::Test {
protected:
    std::expected<core_file, std::string> open() {
        made_.write(file());
        return core_file::open(file(), "");
    }
    [[nodiscard]] std::filesystem::path file() const { return folder_.path() / "core"; }

    scratch_folder folder_;
    made_core made_;
};

TEST_F(InspectMadeCore, IsRead) {
    auto core = open();
    ASSERT_TRUE(core.has_value()) << core.error();
    EXPECT_TRUE(core->problems().empty()) << core->problems()[0];
    EXPECT_EQ(find_table(core->memory(), core->mappings()), made_core::memory_at);
    EXPECT_EQ(text_of(*core), "");
}

TEST_F(InspectMadeCore, CountOfHeadersMayBeInSection) {
    made_.head.e_phnum = PN_XNUM;
    auto core = open();
    ASSERT_TRUE(core.has_value()) << core.error();
    EXPECT_EQ(text_of(*core), "");
}

TEST_F(InspectMadeCore, RangeEndsWhereItsBytesEnd) {
    made_.files[2] = 0;
    made_.files[3] = ~std::uint64_t{0};
    auto all = open();
    ASSERT_TRUE(all.has_value()) << all.error();
    for (const mapping& one : all->mappings()) EXPECT_LE(one.end - one.begin, std::filesystem::file_size("/bin/sh"));
    static_cast<void>(text_of(*all));
    made_.files[2] = made_core::memory_at;
    made_.parts[1].p_memsz = ~std::uint64_t{0};
    auto core = open();
    ASSERT_TRUE(core.has_value()) << core.error();
    EXPECT_EQ(text_of(*core), "");
    made_.files = {1, 4096, made_core::memory_at + 2048, made_core::memory_at + 65'536, 1 << 20};
    auto part = open();
    ASSERT_TRUE(part.has_value()) << part.error();
    EXPECT_EQ(part->mappings().back().end, made_core::memory_at + 4096);
}

TEST_F(InspectMadeCore, PieceThatLeavesItsSegmentIsNotRead) {
    const std::string mapped = folder_.path() / "mapped";
    std::ofstream(mapped) << std::string(4096, 'a') << std::string(4096, 'b') << std::string(4096, 'c');
    made_.files = {1, 4096, 0x20000, 0x21000, 1};  // the second page
    made_.names = mapped + '\0';
    auto core = open();
    ASSERT_TRUE(core.has_value()) << core.error();
    std::string last(16, ' ');
    std::string behind(16, ' ');
    std::array pieces{piece{0x21000 - 16, std::as_writable_bytes(std::span(last))},
                      piece{0x21000 - 8, std::as_writable_bytes(std::span(behind))}};
    core->memory().read(pieces);
    EXPECT_TRUE(pieces[0].is_read);
    EXPECT_EQ(last, std::string(16, 'b'));
    EXPECT_FALSE(pieces[1].is_read);
}

TEST_F(InspectMadeCore, FileBelowTheProgramIsNotTheProgram) {
    // As in a static program that the system loads above a file that it maps.
    made_.files = {2, 4096, 0x8000, 0x9000, 1, made_core::memory_at, made_core::memory_at + 4096, 1};
    made_.names = "/etc/passwd" + std::string(1, '\0') + "/bin/sh" + std::string(1, '\0');
    made_.auxiliary = {AT_PAGESZ, 4096, AT_PHDR, made_core::memory_at + 64, AT_NULL, 0};
    made_.write(file());
    auto core = core_file::open(file(), "/nowhere");
    ASSERT_TRUE(core.has_value()) << core.error();
    ASSERT_FALSE(core->mappings().empty());
    EXPECT_EQ(core->mappings().front().file, "/etc/passwd");
    ASSERT_EQ(core->problems().size(), 1u);
    EXPECT_NE(core->problems()[0].find("/nowhere: No such file or directory"), std::string::npos);
}

TEST_F(InspectMadeCore, CutFileIsNamed) {
    made_.parts[1].p_filesz = 8192;
    auto core = open();
    ASSERT_TRUE(core.has_value()) << core.error();
    ASSERT_EQ(core->problems().size(), 1u);
    EXPECT_NE(core->problems()[0].find("was cut off"), std::string::npos);
    EXPECT_EQ(text_of(*core), "");  // what is there is read
    made_.parts[1].p_filesz = ~std::uint64_t{0};
    EXPECT_TRUE(open().has_value());
    // Each length: an error or a note, and no harm.
    const auto size = std::filesystem::file_size(file());
    for (std::uintmax_t left = 0; left < size; left += 7) {
        std::filesystem::resize_file(file(), size - 1 - left);
        auto cut = core_file::open(file(), "");
        EXPECT_TRUE(!cut || !cut->problems().empty());
        if (cut) static_cast<void>(text_of(*cut));
    }
}

TEST_F(InspectMadeCore, FileThatShrinksIsNoSignal) {
    auto core = open();
    ASSERT_TRUE(core.has_value()) << core.error();
    std::filesystem::resize_file(file(), 100);
    EXPECT_EQ(text_of(*core), "no table");
}

TEST_F(InspectMadeCore, DamagedHeadersAreNamed) {
    made_.head.e_phentsize = 1;
    EXPECT_NE(open().error().find("does not have its program headers"), std::string::npos);
    made_.head.e_phentsize = sizeof(Elf64_Phdr);
    made_.head.e_phoff = ~std::uint64_t{0};
    EXPECT_NE(open().error().find("does not have its program headers"), std::string::npos);
    made_.head.e_phoff = sizeof(Elf64_Ehdr);
    made_.parts[1].p_type = PT_NULL;
    EXPECT_NE(open().error().find("has no memory in it"), std::string::npos);
}

TEST_F(InspectMadeCore, DamagedNoteHasNoRanges) {
    for (const std::uint64_t count : {std::uint64_t{2}, std::uint64_t{1} << 61, ~std::uint64_t{0}}) {
        made_.files[0] = count;
        auto core = open();
        ASSERT_TRUE(core.has_value()) << core.error();
        EXPECT_EQ(text_of(*core), "no table");
    }
}

TEST_F(InspectMadeCore, FirstPageThatIsNotDumpedIsNotVerified) {
    made_.files = {1, 4096, 0x20000, 0x21000, 0};
    auto core = open();
    ASSERT_TRUE(core.has_value()) << core.error();
    ASSERT_EQ(core->problems().size(), 1u);
    EXPECT_NE(core->problems()[0].find("/bin/sh is not verified"), std::string::npos);
}

/// Sets the number of descriptors that this process may have.
class descriptor_limit {
public:
    explicit descriptor_limit(rlim_t most) {
        getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit now{most, before_.rlim_max};
        EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &now), 0);
    }
    descriptor_limit(const descriptor_limit&) = delete;
    descriptor_limit& operator=(const descriptor_limit&) = delete;
    ~descriptor_limit() { setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

TEST_F(InspectMadeCore, MayReferToMoreFilesThanAProcessMayOpen) {
    constexpr std::size_t count = 300;
    constexpr address first = 0x100000;
    const auto name = [&](std::size_t i) { return (folder_.path() / ("file" + std::to_string(i))).string(); };
    made_.files = {count, 4096};
    made_.names.clear();
    for (std::size_t i = 0; i < count; ++i) {
        std::ofstream(name(i)) << std::string(4096, static_cast<char>(i));
        made_.files.insert(made_.files.end(), {first + i * 4096, first + (i + 1) * 4096, 0});
        made_.names += name(i) + '\0';
    }
    const descriptor_limit few(150);
    auto core = open();
    ASSERT_TRUE(core.has_value()) << core.error();
    EXPECT_TRUE(core->problems().empty()) << core->problems()[0];
    const auto byte_of = [&](std::size_t i) {
        std::byte read{};
        piece one{first + i * 4096 + 7, std::span(&read, 1)};
        core->memory().read(std::span(&one, 1));
        return one.is_read ? std::optional(read) : std::nullopt;
    };
    for (int round = 0; round < 2; ++round)
        for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(byte_of(i), static_cast<std::byte>(i)) << i;
    std::filesystem::remove(name(0));
    std::ofstream(name(0)) << "another file";
    EXPECT_EQ(byte_of(0), std::nullopt);
}

TEST_F(InspectMadeCore, PipeIsNotOpened) {
    ASSERT_EQ(mkfifo(file().c_str(), 0600), 0);
    EXPECT_EQ(core_file::open(file(), "").error(), file().string() + ": is no regular file");
}

TEST(InspectSockets, HaveTheirAddresses) {
    eddy::core loop;
    const auto listener = loop.run(eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    const auto at = listener.local_addr().value();
    const auto client = loop.run(eddy::net::tcp_stream::connect(at)).value();
    auto self = process::open(getpid());
    ASSERT_TRUE(self.has_value()) << self.error();
    EXPECT_EQ(self->describe(listener.native_handle()), "tcp " + at.to_string());
    EXPECT_EQ(self->describe(client.native_handle()),
              "tcp " + client.local_addr()->to_string() + " -> " + at.to_string());
}

TEST(InspectErrors, EndedProcessIsNamed) {
    const pid_t id = fork();
    if (id == 0) _exit(0);
    siginfo_t about;
    ASSERT_EQ(waitid(P_PID, static_cast<id_t>(id), &about, WEXITED | WNOWAIT), 0);
    const auto zombie = process::open(id);
    EXPECT_NE(zombie.error().find("has ended, and its parent has not noticed yet"), std::string::npos);
    waitpid(id, nullptr, 0);
}

TEST(InspectErrors, ProcessThatEndsMeanwhileIsNamed) {
    running_target program(EDDY_HAND_MADE);
    const pid_t id = program.id();
    auto target = process::open(id);
    ASSERT_TRUE(target.has_value()) << target.error();
    EXPECT_EQ(target->why_incomplete(), std::nullopt);
    program.end(SIGKILL);
    EXPECT_EQ(text_of(*target), "no table");
    EXPECT_EQ(target->why_incomplete(), "process " + std::to_string(id) + " ended while it was read");
}

TEST(InspectErrors, MissingProcessIsNamed) {
    // The largest number of a process plus one.
    EXPECT_EQ(process::open(4'194'305).error(), "there is no process 4194305");
}

TEST(InspectErrors, ProcessOfOtherUserIsExplained) {
    if (getuid() != 0) GTEST_SKIP() << "needs root, to become another user";
    running_target program(EDDY_HAND_MADE);
    const pid_t reader = fork();
    if (reader == 0) {
        if (setgid(65'534) != 0 || setuid(65'534) != 0) _exit(2);
        const auto target = process::open(program.id());
        _exit(!target && target.error().find("run this as the same user, or as root") != std::string::npos ? 0 : 1);
    }
    int status = 0;
    waitpid(reader, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST(InspectErrors, OtherFilesAreNoCoreFiles) {
    EXPECT_NE(core_file::open("/etc/passwd", "").error().find("neither the number of a process nor a core file"),
              std::string::npos);
    EXPECT_NE(core_file::open("/nowhere", "").error().find("No such file"), std::string::npos);
    EXPECT_NE(core_file::open("/bin/sh", "").error().find("nor a core file"), std::string::npos);
}

TEST(InspectErrors, ProgramWithoutEddyHasNoTable) {
    auto target = process::open(getppid());
    if (!target) GTEST_SKIP() << target.error();
    EXPECT_FALSE(find_table(target->memory(), target->mappings()).has_value());
}

// ---- Processes that may not be read ----

/// Returns the sentence for a system whose file ptrace_scope has this text, or that has no such file.
std::string why_not_readable_with(const char* scope) {
    const support::temp_dir folder;
    const std::string file = folder / "ptrace_scope";
    if (scope != nullptr) std::ofstream(file) << scope;
    return eddy::inspect::why_not_readable(4711, EPERM, file.c_str());
}

TEST(InspectNotReadable, SentenceHasTheSystemsRule) {
    const std::string same_user = "the memory of process 4711 may not be read: run this as the same user, or as root";
    const std::string container = "; in a container, add the capability SYS_PTRACE";
    EXPECT_EQ(why_not_readable_with(nullptr), same_user + container);
    EXPECT_EQ(why_not_readable_with("0\n"), same_user + container);
    for (const std::string scope : {"1", "2"}) {
        EXPECT_EQ(why_not_readable_with(scope.c_str()),
                  same_user + "; and kernel.yama.ptrace_scope is " + scope +
                      ", so run `sysctl kernel.yama.ptrace_scope=0` as root, or use sudo" + container);
    }
    EXPECT_EQ(why_not_readable_with("3\n"),
              "the memory of process 4711 may not be read: kernel.yama.ptrace_scope is 3, which forbids it to all "
              "programs until the next boot, so read a core file, or start the program with EDDY_DUMP=SIGQUIT and send "
              "it this signal");
}

TEST(InspectNotReadable, OtherErrorsHaveTheirSentences) {
    using eddy::inspect::why_not_readable;
    EXPECT_EQ(why_not_readable(4711, ESRCH), "there is no process 4711");
    EXPECT_EQ(why_not_readable(4711, ENOSYS), "this kernel has no process_vm_readv(2)");
    EXPECT_EQ(why_not_readable(4711, ENOMEM),
              std::string("the memory of process 4711 cannot be read: ") + std::strerror(ENOMEM));
}

}  // namespace
