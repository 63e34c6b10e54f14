// SPDX-License-Identifier: MIT
#include "sys/interpreter.hpp"

#include <fcntl.h>
#include <unistd.h>
#if __has_include(<elf.h>)
#include <elf.h>
#endif

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "sys/fd.hpp"

namespace eddy::sys {
namespace {

constexpr std::size_t longest_line = 256;  // execve(2) of Linux reads no more of a script

/// Returns up to `size` bytes.
std::string bytes_at(const unique_fd& file, off_t offset, std::size_t size) {
    std::string bytes(size, '\0');
    const auto count = ::pread(file.get(), bytes.data(), size, offset);
    bytes.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return bytes;
}

std::string interpreter_of_script(std::string_view text) {
    text.remove_prefix(2);
    text = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    std::string path(text.substr(0, text.find_first_of(" \t")));
    if (path.ends_with('\r')) path.replace(path.size() - 1, 1, "\\r");  // of a file with lines of Windows
    return path;
}

#if __has_include(<elf.h>)

template <class Header>
bool read(const unique_fd& file, off_t offset, Header& into) noexcept {
    return ::pread(file.get(), &into, sizeof into, offset) == static_cast<ssize_t>(sizeof into);
}

template <class Header, class Segment>
std::string interpreter_of_elf(const unique_fd& file) {
    Header header;
    if (!read(file, 0, header)) return {};
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        Segment segment;
        if (!read(file, static_cast<off_t>(header.e_phoff) + static_cast<off_t>(i * sizeof segment), segment))
            return {};
        if (segment.p_type != PT_INTERP) continue;
        const auto size = std::min<std::size_t>(segment.p_filesz, longest_line);
        const std::string path = bytes_at(file, static_cast<off_t>(segment.p_offset), size);
        return path.substr(0, path.find('\0'));
    }
    return {};
}

std::string interpreter_of_elf(const unique_fd& file, std::string_view begin) {
    if (begin.size() <= EI_CLASS || !begin.starts_with(ELFMAG)) return {};
    if (begin[EI_CLASS] == ELFCLASS32) return interpreter_of_elf<Elf32_Ehdr, Elf32_Phdr>(file);
    return interpreter_of_elf<Elf64_Ehdr, Elf64_Phdr>(file);
}

#else

std::string interpreter_of_elf(const unique_fd&, std::string_view) { return {}; }

#endif

}  // namespace

std::string interpreter_of(const std::string& path) {
    const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    const std::string begin = bytes_at(file, 0, longest_line);
    return begin.starts_with("#!") ? interpreter_of_script(begin) : interpreter_of_elf(file, begin);
}

}  // namespace eddy::sys
