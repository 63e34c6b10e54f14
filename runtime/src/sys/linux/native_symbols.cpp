// SPDX-License-Identifier: MIT
#include "sys/native_symbols.hpp"

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

#include "sys/fd.hpp"

namespace eddy::sys {
namespace {

constexpr std::size_t most_symbol_bytes = 256U << 20U;  // of a damaged file
constexpr std::size_t most_mapping_bytes = 16U << 20U;

/// Copies `count` objects from a position of a file. Returns none if they are not there.
template <class T>
std::vector<T> read_from(const unique_fd& file, std::uint64_t position, std::uint64_t count) {
    if (count == 0 || count > most_symbol_bytes / sizeof(T)) return {};
    std::vector<T> found(static_cast<std::size_t>(count));
    const std::size_t size = found.size() * sizeof(T);
    const ssize_t copied = ::pread(file.get(), found.data(), size, static_cast<off_t>(position));
    if (copied != static_cast<ssize_t>(size)) found.clear();
    return found;
}

std::string demangled(const char* name) {
    struct freeing {
        void operator()(char* text) const noexcept { std::free(text); }
    };
    int status = 0;
    const std::unique_ptr<char, freeing> text(abi::__cxa_demangle(name, nullptr, nullptr, &status));
    return text != nullptr ? text.get() : name;
}

/// Reads /proc/self/maps.
std::string read_maps() {
    const unique_fd file(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
    std::string text;
    std::array<char, 16 * 1024> piece;
    while (text.size() < most_mapping_bytes) {
        const ssize_t count = ::read(file.get(), piece.data(), piece.size());
        if (count <= 0) break;
        text.append(piece.data(), static_cast<std::size_t>(count));
    }
    return text;
}

/// Returns the path of the program's file, as it is in /proc/self/maps.
std::string path_of_program() {
    std::array<char, 4096> path;
    const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
    return {path.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

}  // namespace

/// A mapped range of code.
struct native_symbols::mapping {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    std::uint64_t offset = 0;  ///< in the file
    std::string path;
};

/// The functions of a file. Those that strip(1) leaves are the ones that other files use.
class native_symbols::table {
public:
    /// The file is the part of `path` that begins at `begin`.
    table(const char* path, std::uint64_t begin) {
        const unique_fd file(::open(path, O_RDONLY | O_CLOEXEC));
        const auto header = read_from<ElfW(Ehdr)>(file, begin, 1);
        if (header.empty() || std::memcmp(header[0].e_ident, ELFMAG, SELFMAG) != 0) return;
        if (header[0].e_phentsize == sizeof(ElfW(Phdr)))
            segments_ = read_from<ElfW(Phdr)>(file, begin + header[0].e_phoff, header[0].e_phnum);
        if (header[0].e_shentsize != sizeof(ElfW(Shdr))) return;
        const auto sections = read_from<ElfW(Shdr)>(file, begin + header[0].e_shoff, header[0].e_shnum);
        for (const unsigned type : {SHT_SYMTAB, SHT_DYNSYM})
            for (const ElfW(Shdr) & one : sections) {
                if (one.sh_type != type || one.sh_link >= sections.size() || !symbols_.empty()) continue;
                symbols_ = read_from<ElfW(Sym)>(file, begin + one.sh_offset, one.sh_size / sizeof(ElfW(Sym)));
                const ElfW(Shdr)& names = sections[one.sh_link];
                names_ = read_from<char>(file, begin + names.sh_offset, names.sh_size);
                if (!names_.empty()) names_.back() = '\0';
            }
    }

    /// Returns the address of what is at an offset of the file, as the file numbers addresses.
    [[nodiscard]] std::uintptr_t address_of(std::uint64_t offset) const noexcept {
        const auto has_it = [&](const ElfW(Phdr) & one) {
            return one.p_type == PT_LOAD && offset >= one.p_offset && offset - one.p_offset < one.p_filesz;
        };
        const auto found = std::ranges::find_if(segments_, has_it);
        return static_cast<std::uintptr_t>(found == segments_.end() ? offset
                                                                    : offset - found->p_offset + found->p_vaddr);
    }
    /// Returns the function that contains an address of the file. Null if there is none.
    [[nodiscard]] const ElfW(Sym) * find(std::uintptr_t at) const noexcept {
        const auto found = std::ranges::find_if(symbols_, [&](const ElfW(Sym) & one) {
            return (one.st_info & 0xfU) == STT_FUNC && at >= one.st_value && at - one.st_value < one.st_size &&
                   one.st_name < names_.size();
        });
        return found == symbols_.end() ? nullptr : std::to_address(found);
    }
    [[nodiscard]] const char* name_of(const ElfW(Sym) & one) const noexcept { return names_.data() + one.st_name; }

private:
    std::vector<ElfW(Phdr)> segments_;
    std::vector<ElfW(Sym)> symbols_;
    std::vector<char> names_;
};

native_symbols::native_symbols() {
    const std::string text = read_maps();
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t ends = std::min(text.find('\n', at), text.size());
        const std::string line = text.substr(at, ends - at);
        at = ends + 1;
        mapping made;
        std::array<char, 5> may{};
        int path_begins = 0;
        // begin-end permissions offset device inode path
        const int count = std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s %" SCNx64 " %*s %*s %n", &made.begin,
                                      &made.end, may.data(), &made.offset, &path_begins);
        if (count != 4 || may[2] != 'x' || path_begins == 0) continue;
        made.path = line.substr(static_cast<std::size_t>(path_begins));
        mappings_.push_back(std::move(made));
    }
}
native_symbols::~native_symbols() = default;

native_symbols::place native_symbols::at(std::uintptr_t instruction) {
    const auto behind = std::ranges::upper_bound(mappings_, instruction, {}, &mapping::begin);
    if (behind == mappings_.begin() || instruction >= std::prev(behind)->end)
        return {.function = {}, .module = {}, .offset = instruction};
    const mapping& in = *std::prev(behind);
    auto& symbols = tables_[in.path];
    if (symbols == nullptr) {
        // The kernel's code for clock_gettime(2) and others is a file in memory only. A program's file may be removed.
        const bool is_of_kernel = in.path == "[vdso]";
        const bool is_program = in.path == path_of_program();
        const char* const path = is_of_kernel ? "/proc/self/mem" : is_program ? "/proc/self/exe" : in.path.c_str();
        symbols = std::make_unique<const table>(path, is_of_kernel ? in.begin : 0);
    }
    const std::uintptr_t in_file = symbols->address_of(instruction - in.begin + in.offset);
    const auto* const one = symbols->find(in_file);
    if (one == nullptr) return {{}, in.path, in_file};
    return {demangled(symbols->name_of(*one)), in.path, in_file - one->st_value};
}

}  // namespace eddy::sys
