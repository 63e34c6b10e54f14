// SPDX-License-Identifier: MIT
// The program that the tests for Windows start. Its first argument says what it does; arguments and variables are
// printed as UTF-8, one a line.
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include <shellapi.h>

#include <algorithm>
#include <cstdlib>
#include <cwchar>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

void write_all(DWORD to, std::string_view text) {
    for (DWORD count = 0; !text.empty(); text.remove_prefix(count)) {
        if (::WriteFile(::GetStdHandle(to), text.data(), static_cast<DWORD>(text.size()), &count, nullptr) == 0) {
            std::exit(97);
        }
    }
}

void print(std::wstring_view text) {
    const auto size = static_cast<int>(text.size());
    std::string bytes(3 * text.size(), '\0');
    bytes.resize(static_cast<std::size_t>(::WideCharToMultiByte(CP_UTF8, 0, text.data(), size, bytes.data(),
                                                                static_cast<int>(bytes.size()), nullptr, nullptr)));
    write_all(STD_OUTPUT_HANDLE, bytes + '\n');
}

void write_zeros(DWORD to, long size) {
    constexpr long largest = 65'536;
    const std::string zeros(largest, '\0');
    for (; size > 0; size -= largest) {
        write_all(to, std::string_view(zeros).substr(0, static_cast<std::size_t>(std::min(size, largest))));
    }
}

void copy_input() {
    std::vector<char> buffer(65'536);
    const auto read = [&](DWORD& count) {
        return ::ReadFile(::GetStdHandle(STD_INPUT_HANDLE), buffer.data(), static_cast<DWORD>(buffer.size()), &count,
                          nullptr) != 0;
    };
    for (DWORD count = 0; read(count) && count != 0;) write_all(STD_OUTPUT_HANDLE, {buffer.data(), count});
}

void print_variables() {
    wchar_t* const block = ::GetEnvironmentStringsW();
    for (const wchar_t* each = block; *each != L'\0'; each += std::wstring_view(each).size() + 1) print(each);
    ::FreeEnvironmentStringsW(block);
}

void print_directory() {
    wchar_t path[MAX_PATH];
    print({path, ::GetCurrentDirectoryW(MAX_PATH, path)});
}

/// Starts this program, which then has the same standard handles, and does not wait.
void start_waiting_process() {
    wchar_t path[MAX_PATH];
    ::GetModuleFileNameW(nullptr, path, MAX_PATH);
    std::wstring line = L"child wait";
    STARTUPINFOW info{};
    info.cb = sizeof info;
    PROCESS_INFORMATION made{};
    if (::CreateProcessW(path, line.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &info, &made) == 0)
        std::exit(99);
    print(std::to_wstring(made.dwProcessId));
}

int run(std::span<wchar_t* const> arguments) {
    const std::wstring_view what = arguments.size() < 2 ? L"" : arguments[1];
    const auto number = [&](std::size_t index) { return std::wcstol(arguments[index], nullptr, 0); };
    if (what == L"arguments") {
        for (const wchar_t* const each : arguments.subspan(2)) print(each);
    } else if (what == L"all_arguments") {
        for (const wchar_t* const each : arguments) print(each);
    } else if (what == L"variables") {
        print_variables();
    } else if (what == L"directory") {
        print_directory();
    } else if (what == L"cat") {
        copy_input();
    } else if (what == L"exit") {
        ::ExitProcess(static_cast<UINT>(std::wcstoul(arguments[2], nullptr, 0)));
    } else if (what == L"both") {  // writes to output, and to error
        write_zeros(STD_OUTPUT_HANDLE, number(2));
        write_zeros(STD_ERROR_HANDLE, number(3));
        write_zeros(STD_OUTPUT_HANDLE, number(2));
    } else if (what == L"wait") {
        ::Sleep(INFINITE);
    } else if (what == L"child") {  // and a process that goes on
        start_waiting_process();
        if (arguments.size() > 2) ::Sleep(INFINITE);
    } else if (what == L"is_open") {  // whether a number is a handle here
        DWORD flags = 0;
        const auto handle = reinterpret_cast<HANDLE>(static_cast<INT_PTR>(number(2)));
        print(::GetHandleInformation(handle, &flags) != 0 ? L"open" : L"closed");
    } else {
        return 98;
    }
    return 0;
}

}  // namespace

int main() {
    // Split by the system, and not by the C library, which also replaces wildcards.
    int count = 0;
    wchar_t** const arguments = ::CommandLineToArgvW(::GetCommandLineW(), &count);
    return run({arguments, static_cast<std::size_t>(count)});
}
