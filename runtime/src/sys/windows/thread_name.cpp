// SPDX-License-Identifier: MIT
#include <new>
#include <string>

#include "sys/socket_api.hpp"
#include "sys/thread.hpp"
#include "sys/windows/utf16.hpp"

namespace eddy::sys {
namespace {

using set_description = HRESULT(WINAPI*)(HANDLE, PCWSTR);

/// Returns SetThreadDescription(). MinGW's import library of kernel32 does not have it.
set_description find_set_description() noexcept {
    const HMODULE kernel = ::GetModuleHandleW(L"kernel32.dll");
    if (kernel == nullptr) return nullptr;
    // SAFETY: the function has this type since it exists (Windows 10, version 1607).
    void* const found = reinterpret_cast<void*>(::GetProcAddress(kernel, "SetThreadDescription"));
    return reinterpret_cast<set_description>(found);
}

}  // namespace

void name_this_thread(const std::string& name) noexcept try {
    static const set_description describe = find_set_description();
    if (describe == nullptr) return;
    describe(::GetCurrentThread(), wide_of(name).c_str());
} catch (const std::bad_alloc&) {  // a thread without a name works, too
}

}  // namespace eddy::sys
