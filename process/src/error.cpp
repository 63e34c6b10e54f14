// SPDX-License-Identifier: MIT
#include <eddy/process/error.hpp>

#include <memory>
#include <string>
#include <system_error>
#include <utility>

EDDY_LIBRARY(process)

namespace eddy::process {
namespace {

const char* text_of(errc code) noexcept {
    switch (code) {
    case errc::nul_character: return "an argument, a name or a path contains a NUL character";
    case errc::no_program: return "the name of the program is empty";
    case errc::bad_variable: return "the name of an environment variable is empty or contains '='";
    case errc::bad_stream: return "stdio::same_as_out() is for command::error() only";
    case errc::bad_descriptor: return "command::descriptor() takes a number above 2, and a descriptor";
    case errc::bad_name: return "the name of a socket has up to 255 visible characters of ASCII, and no colon";
    case errc::second_successor: return "a service has one successor at a time";
    case errc::failed: return "the process has failed";
    case errc::ended_before_ready: return "the successor has ended before it was ready";
    case errc::no_group: return "the process has no group of its own: call command::group()";
    case errc::has_ended: return "the process has ended";
    case errc::status_lost:
        return "the exit status is lost: the program ignores SIGCHLD, other code waits for all child processes, or "
               "this process was forked from the parent";
    case errc::no_signal: return "Windows has no signals: only SIGKILL and SIGTERM end a process";
    case errc::no_user: return "there is no user with this name";
    case errc::unsafe_argument:
        return "cmd.exe cannot pass an argument with '\"', '%' or a line break to a batch file unchanged";
    }
    return "unknown error of a process";
}

class category final : public std::error_category {
public:
    const char* name() const noexcept override { return "eddy.process"; }
    std::string message(int code) const override { return text_of(static_cast<errc>(code)); }
    std::error_condition default_error_condition(int code) const noexcept override {
        switch (static_cast<errc>(code)) {
        case errc::failed: return {code, *this};
        case errc::no_group: return std::errc::operation_not_permitted;
        case errc::second_successor: return std::errc::device_or_resource_busy;
        case errc::ended_before_ready:
        case errc::has_ended: return std::errc::no_such_process;
        case errc::status_lost: return std::errc::no_child_process;
        case errc::no_signal: return std::errc::not_supported;
        default: return std::errc::invalid_argument;
        }
    }
};

}  // namespace

const std::error_category& error_category() noexcept {
    static const category instance;
    return instance;
}

std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), error_category()}; }

struct error::texts {
    std::string program;
    std::string note;
};

error::error(std::error_code code, std::string program, std::string note)
    : code_(code), texts_(std::make_shared<const texts>(std::move(program), std::move(note))) {}

const std::string& error::program() const noexcept { return texts_->program; }
const std::string& error::note() const noexcept { return texts_->note; }

std::string error::message() const {
    std::string text = program() + ": " + code_.message();
    if (!note().empty()) text.append(" (").append(note()).append(")");
    return text;
}

}  // namespace eddy::process
