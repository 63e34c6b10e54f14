// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace eddy::sys {

/// Finds the functions of instructions of this process, of the files that were mapped when the object was made. Their
/// symbol tables are read when they are needed, and freed with this object. The locks of the dynamic linker are not
/// used: the constructor of a library that a thread loads may be what is looked at. On other systems than Linux, none
/// are found.
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
    struct mapping;
    std::vector<mapping> mappings_;                               // of code, by address
    std::map<std::string, std::unique_ptr<const table>> tables_;  // by the path of the file
};

}  // namespace eddy::sys
