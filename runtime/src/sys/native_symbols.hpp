// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace eddy::sys {

/// Finds the functions of instructions of this process. A program's own functions are in the symbol table of its file,
/// which is read when it is needed, and freed with this object. On other systems than Linux, none are found.
class native_symbols {
public:
    struct place {
        std::string function;       ///< demangled; empty if it is unknown
        std::string module;         ///< the path of the file; empty if it is unknown
        std::uintptr_t offset = 0;  ///< in the function if that is known, else in the module, as for addr2line(1)
    };

    native_symbols();
    native_symbols(const native_symbols&) = delete;
    native_symbols& operator=(const native_symbols&) = delete;
    ~native_symbols();

    [[nodiscard]] place at(std::uintptr_t instruction);

private:
    class table;
    std::map<std::string, std::unique_ptr<const table>> tables_;  // by the path of the file
};

}  // namespace eddy::sys
