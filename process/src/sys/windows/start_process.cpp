// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "sys/path_text.hpp"
#include "sys/processes.hpp"
#include "sys/windows/command_line.hpp"
#include "sys/windows/handle.hpp"
#include "sys/windows/program_file.hpp"
#include "sys/windows/utf16.hpp"

namespace eddy::sys {
namespace {

std::unexpected<std::error_code> failed(std::errc why) noexcept { return std::unexpected(std::make_error_code(why)); }

/// The standard handles of a process: duplicates that it can inherit, which exist during the start only. The standard
/// handles of a program without a console may be missing.
class standard_handles {
public:
    result<void> open(const start_request& what) noexcept {
        for (std::size_t i = 0; i < all_.size(); ++i) {
            auto made = open_one(what.standard[i], i);
            if (!made) return std::unexpected(made.error());
            all_[i] = std::move(*made);
        }
        return {};
    }
    [[nodiscard]] HANDLE get(std::size_t index) const noexcept {
        return all_[index] ? handle_of(all_[index].get()) : nullptr;
    }
    [[nodiscard]] std::vector<HANDLE> list() const {
        std::vector<HANDLE> made;
        for (const auto& each : all_) {
            if (each) made.push_back(handle_of(each.get()));
        }
        return made;
    }

private:
    result<unique_fd> open_one(int what, std::size_t index) const noexcept {
        constexpr std::array standard{STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
        switch (what) {
        case start_request::inherited: return inheritable(::GetStdHandle(standard[index]));
        case start_request::null_device: return open_null_device();
        case start_request::same_as_out: return inheritable(get(1));
        default: return inheritable(handle_of(what));
        }
    }
    static result<unique_fd> inheritable(HANDLE from) noexcept {
        if (from == nullptr || from == INVALID_HANDLE_VALUE) return unique_fd();
        return duplicate_handle(static_cast<int>(reinterpret_cast<std::intptr_t>(from)), true);
    }
    static result<unique_fd> open_null_device() noexcept {
        SECURITY_ATTRIBUTES inherits{sizeof inherits, nullptr, TRUE};
        const HANDLE made = ::CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                                          &inherits, OPEN_EXISTING, 0, nullptr);
        if (made == INVALID_HANDLE_VALUE) return std::unexpected(last_windows_error());
        return own_handle(made);
    }

    std::array<unique_fd, 3> all_;
};

/// The attributes of a process:
/// - The handles that it inherits. Without them, it would inherit all inheritable handles of this program.
/// - Its job, if it has a group. The system puts it there before it can run, so that it ends with this program.
class attribute_list {
public:
    attribute_list(std::vector<HANDLE> handles, const unique_fd& job) : handles_(std::move(handles)) {
        if (job) jobs_.push_back(handle_of(job.get()));
    }
    attribute_list(const attribute_list&) = delete;
    attribute_list& operator=(const attribute_list&) = delete;
    ~attribute_list() {
        if (is_open_) ::DeleteProcThreadAttributeList(get());
    }

    result<void> open() {
        constexpr DWORD count = 2;
        // winbase.h of MinGW has the number of the attribute, and no macro for it.
        constexpr DWORD_PTR job_list = ProcThreadAttributeValue(ProcThreadAttributeJobList, FALSE, TRUE, FALSE);
        SIZE_T size = 0;
        ::InitializeProcThreadAttributeList(nullptr, count, 0, &size);
        memory_.resize(size);
        if (::InitializeProcThreadAttributeList(get(), count, 0, &size) == 0)
            return std::unexpected(last_windows_error());
        is_open_ = true;
        if (auto set = update(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles_); !set) return set;
        return update(job_list, jobs_);
    }
    // SAFETY: the list is an opaque object of this size; operator new aligns it for all types.
    [[nodiscard]] LPPROC_THREAD_ATTRIBUTE_LIST get() noexcept {
        return reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(memory_.data());
    }
    [[nodiscard]] BOOL inherits() const noexcept { return handles_.empty() ? FALSE : TRUE; }

private:
    result<void> update(DWORD_PTR attribute, std::vector<HANDLE>& to) noexcept {
        if (to.empty()) return {};  // the system refuses an empty list: see inherits()
        if (::UpdateProcThreadAttribute(get(), 0, attribute, to.data(), to.size() * sizeof(HANDLE), nullptr, nullptr) ==
            0) {
            return std::unexpected(last_windows_error());
        }
        return {};
    }

    std::vector<HANDLE> handles_;
    std::vector<HANDLE> jobs_;  // 0 or 1
    std::vector<std::byte> memory_;
    bool is_open_ = false;
};

/// Returns the variables as CreateProcessW() takes them: sorted, each with a NUL, and another one at the end.
result<std::wstring> block_of(std::vector<std::string>& environment) {
    const auto name_of = [](const std::string& each) { return std::string_view(each).substr(0, each.find('=', 1)); };
    std::ranges::sort(environment, variable_precedes, name_of);
    std::wstring block;
    for (const auto& each : environment) {
        const auto wide = exactly_wide_of(each);
        if (!wide) return std::unexpected(wide.error());
        block.append(*wide).append(1, L'\0');
    }
    if (block.empty()) block.append(1, L'\0');
    return block;  // data() has a NUL at its end
}

/// Returns the error of a working directory that does not exist or is none: CreateProcessW() does not tell which.
result<void> check_directory(const std::filesystem::path& path) noexcept {
    const DWORD found = ::GetFileAttributesW(path.c_str());
    if (found == INVALID_FILE_ATTRIBUTES) return std::unexpected(last_windows_error());
    if ((found & FILE_ATTRIBUTE_DIRECTORY) == 0) return failed(std::errc::not_a_directory);
    return {};
}

/// What CreateProcessW() takes.
struct program_and_line {
    std::wstring program;
    std::wstring line;
};

result<program_and_line> program_and_line_of(const start_request& what) {
    auto file = find_program(what);
    if (!file) return std::unexpected(file.error());
    const bool is_batch = is_batch_file(*file);
    auto line = is_batch ? batch_command_line_of(*file, what.arguments) : command_line_of(what.arguments);
    if (!line) return std::unexpected(line.error());
    // Of cmd.exe, and of CreateProcessW().
    const std::size_t longest = is_batch ? 8'191 : 32'766;
    if (line->size() > longest) return failed(std::errc::argument_list_too_long);
    if (!is_batch) return program_and_line{file->native(), std::move(*line)};
    if (const DWORD found = ::GetFileAttributesW(file->c_str()); found == INVALID_FILE_ATTRIBUTES)
        return std::unexpected(last_windows_error());
    std::wstring directory(MAX_PATH, L'\0');
    directory.resize(::GetSystemDirectoryW(directory.data(), MAX_PATH));
    return program_and_line{directory + L"\\cmd.exe", std::move(*line)};
}

/// Creates a group: a job object that ends its processes when its last handle is closed, so also with this program.
result<unique_fd> make_job() noexcept {
    const HANDLE made = ::CreateJobObjectW(nullptr, nullptr);
    if (made == nullptr) return std::unexpected(last_windows_error());
    auto job = own_handle(made);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (::SetInformationJobObject(made, JobObjectExtendedLimitInformation, &limits, sizeof limits) == 0)
        return std::unexpected(last_windows_error());
    return job;
}

}  // namespace

result<started_process> start_process(start_request& what) {
    if (!what.further.empty()) return failed(std::errc::not_supported);  // there are no numbers for them
    const auto directory = path_from(what.directory);
    if (!directory.empty()) {
        if (const auto is = check_directory(directory); !is) return std::unexpected(is.error());
    }
    auto program = program_and_line_of(what);
    if (!program) return std::unexpected(program.error());
    auto environment = block_of(what.environment);
    if (!environment) return std::unexpected(environment.error());
    result<unique_fd> job;
    if (what.has_group) job = make_job();
    if (!job) return std::unexpected(job.error());
    standard_handles standard;
    if (const auto opened = standard.open(what); !opened) return std::unexpected(opened.error());
    attribute_list attributes(standard.list(), *job);
    if (const auto opened = attributes.open(); !opened) return std::unexpected(opened.error());

    STARTUPINFOEXW info{};
    info.StartupInfo.cb = sizeof info;
    info.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    info.StartupInfo.hStdInput = standard.get(0);
    info.StartupInfo.hStdOutput = standard.get(1);
    info.StartupInfo.hStdError = standard.get(2);
    info.lpAttributeList = attributes.get();
    DWORD flags = CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT;
    if (what.has_group) flags |= CREATE_NEW_PROCESS_GROUP;
    if (what.has_session) flags |= CREATE_NO_WINDOW;
    PROCESS_INFORMATION made{};
    if (::CreateProcessW(program->program.c_str(), program->line.data(), nullptr, nullptr, attributes.inherits(), flags,
                         environment->data(), directory.empty() ? nullptr : directory.c_str(), &info.StartupInfo,
                         &made) == 0) {
        return std::unexpected(last_windows_error());
    }
    ::CloseHandle(made.hThread);
    return started_process{static_cast<int>(made.dwProcessId), own_handle(made.hProcess), std::move(*job)};
}

}  // namespace eddy::sys
