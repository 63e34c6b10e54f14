// SPDX-License-Identifier: MIT
// Copies, reads and transfers of a file whose size another process changes before one of their system calls.
// runs: once, asan, faults
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/file_contents.hpp>
#include <support/fs/file_faults.hpp>
#include <support/fs/on_loop.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using support::contents_of;
using support::on_loop;

constexpr std::size_t block = 4096;  // of most file systems

/// Returns bytes without a NUL.
std::string text_of(std::size_t size, char first) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(first + i * 7 % 23);
    return text;
}

/// Writes a file: data, a hole, data, and a hole at its end.
void set_sparse(const std::string& path) {
    std::filesystem::remove(path);
    std::ofstream out(path, std::ios::binary);
    out << text_of(block / 2, 'a');
    out.seekp(2 * block);
    out << text_of(block / 4, 'a');
    out.close();
    std::filesystem::resize_file(path, 4 * block);
}

void append(const std::string& path, std::size_t size) {
    std::ofstream(path, std::ios::binary | std::ios::app) << text_of(size, 'A');
}

/// What another process does to a file.
struct change {
    const char* name;
    void (*make)(const std::string& path);
};
constexpr std::array changes{
    change{"nothing", [](const std::string&) {}},
    change{"cut to nothing", [](const std::string& path) { std::filesystem::resize_file(path, 0); }},
    change{"cut in the first data", [](const std::string& path) { std::filesystem::resize_file(path, 1000); }},
    change{"cut in the hole", [](const std::string& path) { std::filesystem::resize_file(path, block + 1); }},
    change{"cut in the second data",
           [](const std::string& path) { std::filesystem::resize_file(path, 2 * block + 1); }},
    change{"cut in the last hole", [](const std::string& path) { std::filesystem::resize_file(path, 3 * block); }},
    change{"one byte less", [](const std::string& path) { std::filesystem::resize_file(path, 4 * block - 1); }},
    change{"a longer hole", [](const std::string& path) { std::filesystem::resize_file(path, 5 * block); }},
    change{"more data", [](const std::string& path) { append(path, 3 * block); }},
    change{"cut, and more data",
           [](const std::string& path) {
               std::filesystem::resize_file(path, 1000);
               append(path, 5 * block);
           }},
};

/// Checks that each byte of `copy` is one of both contents, at its offset, and that it does not end elsewhere.
void expect_bytes_of(const std::string& before, const std::string& after, const std::string& copy) {
    const auto is_in = [&](const std::string& text, std::size_t i) { return i < text.size() && text[i] == copy[i]; };
    for (std::size_t i = 0; i < copy.size(); ++i) {
        if (is_in(before, i) || is_in(after, i)) continue;
        ADD_FAILURE() << "byte " << i << " of " << copy.size() << " is " << int{copy[i]} << ": it was never there";
        return;
    }
    EXPECT_GE(copy.size(), std::min(before.size(), after.size()));
}

/// Calls `run` again and again: before system call n of run n, the file changes. Ends when a run makes fewer calls.
/// `run` returns what it has copied.
void change_before_each_call(const std::string& path, const std::function<std::string()>& run) {
    for (const auto& each : changes) {
        for (std::size_t n = 0;; ++n) {
            SCOPED_TRACE(std::string(each.name) + " before call " + std::to_string(n));
            set_sparse(path);
            const auto before = contents_of(path);
            std::optional<std::string> after;
            std::size_t calls = 0;
            std::string copy;
            {
                const support::observed_file_calls observed([&](std::string_view) {
                    if (calls++ != n) return;
                    each.make(path);
                    after = contents_of(path);
                });
                copy = run();
            }
            expect_bytes_of(before, after.value_or(before), copy);
            if (!after) {
                EXPECT_TRUE(copy == before);
                EXPECT_GT(n, 3U);
                break;
            }
            if (testing::Test::HasFailure()) return;
        }
    }
}

/// The ways in which a file is copied: inside the kernel; by reads and writes; without knowledge of holes.
struct way {
    const char* refused;
    int error;
};
constexpr std::array ways{way{"", 0}, way{"copy_file_range", EXDEV}, way{"lseek", EINVAL}};

TEST(FsContentsCopy, CopyHasOnlyBytesThatWereInTheSource) {
    const support::temp_dir dir;
    for (const auto& each : ways) {
        const support::refused_file_call refused(each.refused, each.error);
        change_before_each_call(dir / "a", [&] {
            std::filesystem::remove(dir / "b");
            const auto copied = on_loop(fs::copy(dir / "a", dir / "b"));
            EXPECT_TRUE(copied) << copied.error().message();
            auto copy = contents_of(dir / "b");
            EXPECT_EQ(copied.value_or(0), copy.size());
            return copy;
        });
    }
}

TEST(FsContentsCopy, CopyTreeHasOnlyBytesThatWereInTheSource) {
    const support::temp_dir dir;
    std::filesystem::create_directory(dir / "tree");
    change_before_each_call(dir / "tree/a", [&] {
        std::filesystem::remove_all(dir / "copy");
        const auto copied = on_loop(fs::copy_tree(dir / "tree", dir / "copy"));
        EXPECT_TRUE(copied) << copied.error().message();
        return contents_of(dir / "copy/a");
    });
}

TEST(FsContentsCopy, ReadReturnsOnlyBytesThatWereInTheFile) {
    const support::temp_dir dir;
    change_before_each_call(dir / "a", [&] {
        const auto text = on_loop(fs::read_to_string(dir / "a"));
        EXPECT_TRUE(text) << text.error().message();
        return text.value_or("");
    });
}

/// A writer that keeps all bytes.
struct kept_bytes {
    std::string text;

    eddy::poll_result<eddy::result<std::size_t>> poll_write(eddy::context&, std::span<const std::byte> from) {
        text.append(reinterpret_cast<const char*>(from.data()), from.size());
        return eddy::result<std::size_t>(from.size());
    }
    eddy::poll_result<eddy::result<void>> poll_flush(eddy::context&) { return eddy::result<void>(); }
    eddy::poll_result<eddy::result<void>> poll_shutdown(eddy::context&) { return eddy::result<void>(); }
};

TEST(FsContentsCopy, SendFileSendsOnlyBytesThatWereInTheFile) {
    const support::temp_dir dir;
    change_before_each_call(dir / "a", [&] {
        kept_bytes to;
        const auto sent = on_loop([](std::string path, kept_bytes& into) -> eddy::task<fs::result<std::uint64_t>> {
            auto file = co_await eddy::try_(fs::file::open(path));
            co_return co_await fs::send_file(into, file);
        }(dir / "a", to));
        EXPECT_TRUE(sent) << sent.error().message();
        EXPECT_EQ(sent.value_or(0), to.text.size());
        return to.text;
    });
}

// ---- Holes ----

std::uint64_t allocated(const std::string& path) { return on_loop(fs::metadata(path)).value().allocated; }

TEST(FsContentsCopy, HolesAreThoseOfCp) {
    const support::temp_dir dir;
    const auto copies_as_cp = [&](const char* what) {
        SCOPED_TRACE(what);
        for (const bool is_new : {true, false}) {
            std::filesystem::remove(dir / "b");
            if (!is_new) support::set_contents(dir / "b", text_of(9 * block, 'Z'));
            std::filesystem::remove(dir / "expected");
            ASSERT_EQ(std::system(("cp " + (dir / "a") + " " + (dir / "expected")).c_str()), 0);
            EXPECT_EQ(on_loop(fs::copy(dir / "a", dir / "b")).value(), std::filesystem::file_size(dir / "a"));
            EXPECT_TRUE(contents_of(dir / "b") == contents_of(dir / "a"));
            EXPECT_LE(allocated(dir / "b"), allocated(dir / "expected"));
        }
    };
    set_sparse(dir / "a");
    copies_as_cp("data and holes");
    std::filesystem::resize_file(dir / "a", 0);
    copies_as_cp("empty");
    std::filesystem::resize_file(dir / "a", 100 * block);
    copies_as_cp("a hole");
    append(dir / "a", 1);
    copies_as_cp("a hole, and a byte");
    support::set_contents(dir / "a", text_of(3 * block + 1, 'a'));
    copies_as_cp("data");
}

TEST(FsContentsCopy, FilesOfProcAreCopied) {
    const support::temp_dir dir;
    for (const auto* path : {"/proc/version", "/proc/sys/kernel/ostype", "/proc/sys/kernel/pid_max"}) {
        const auto copied = on_loop(fs::copy(path, dir / "copy"));
        ASSERT_TRUE(copied) << copied.error().message();
        EXPECT_EQ(contents_of(dir / "copy"), contents_of(path));
        EXPECT_GT(*copied, 0U);
        std::filesystem::remove(dir / "copy");  // it may not be writable
    }
}

}  // namespace
