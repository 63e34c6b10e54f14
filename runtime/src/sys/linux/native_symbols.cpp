// SPDX-License-Identifier: MIT
#include "sys/native_symbols.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "sys/fd.hpp"

namespace eddy::sys {
namespace {

constexpr std::size_t most_symbol_bytes = 256U << 20U;  // of a damaged file

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

}  // namespace

/// The functions in the symbol table of a file, which strip(1) removes.
class native_symbols::table {
public:
    explicit table(const char* path) {
        const unique_fd file(::open(path, O_RDONLY | O_CLOEXEC));
        const auto header = read_from<ElfW(Ehdr)>(file, 0, 1);
        if (header.empty() || std::memcmp(header[0].e_ident, ELFMAG, SELFMAG) != 0) return;
        if (header[0].e_shentsize != sizeof(ElfW(Shdr))) return;
        const auto sections = read_from<ElfW(Shdr)>(file, header[0].e_shoff, header[0].e_shnum);
        for (const ElfW(Shdr) & one : sections) {
            if (one.sh_type != SHT_SYMTAB || one.sh_link >= sections.size()) continue;
            symbols_ = read_from<ElfW(Sym)>(file, one.sh_offset, one.sh_size / sizeof(ElfW(Sym)));
            names_ = read_from<char>(file, sections[one.sh_link].sh_offset, sections[one.sh_link].sh_size);
            if (!names_.empty()) names_.back() = '\0';
        }
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
    std::vector<ElfW(Sym)> symbols_;
    std::vector<char> names_;
};

native_symbols::native_symbols() = default;
native_symbols::~native_symbols() = default;

native_symbols::place native_symbols::at(std::uintptr_t instruction) {
    // SAFETY: dladdr(3) only compares the address.
    const auto* const address = reinterpret_cast<const void*>(instruction);  // NOLINT(performance-no-int-to-ptr)
    Dl_info found{};
    void* extra = nullptr;
    if (::dladdr1(address, &found, &extra, RTLD_DL_LINKMAP) == 0 || found.dli_fname == nullptr)
        return {.function = {}, .module = {}, .offset = instruction};
    const auto& module = *static_cast<const link_map*>(extra);
    const std::uintptr_t in_file = instruction - module.l_addr;
    // The name of the program itself may be relative to another folder.
    const char* const path = *module.l_name != '\0' ? module.l_name : "/proc/self/exe";
    auto& symbols = tables_[path];
    if (symbols == nullptr) symbols = std::make_unique<const table>(path);
    if (const auto* const one = symbols->find(in_file))
        return {demangled(symbols->name_of(*one)), found.dli_fname, in_file - one->st_value};
    if (found.dli_sname == nullptr) return {{}, found.dli_fname, in_file};
    return {demangled(found.dli_sname), found.dli_fname,
            instruction - reinterpret_cast<std::uintptr_t>(found.dli_saddr)};
}

}  // namespace eddy::sys
