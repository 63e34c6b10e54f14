// SPDX-License-Identifier: MIT
#include <eddy/fs/error.hpp>

#include <string>
#include <system_error>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/fs/operation.hpp>
#include <eddy/task/join_handle.hpp>

#include "sys/path_text.hpp"

EDDY_LIBRARY(fs)

namespace eddy::fs {
namespace {

const char* text_of(errc code) noexcept {
    switch (code) {
    case errc::fifo: return "this is a FIFO: open it with net::pipe::open_options";
    case errc::socket: return "this is a socket: connect to it with net::unix_stream::connect()";
    case errc::terminal: return "this is a terminal: use io::standard_input(), or io::async_fd";
    case errc::device: return "this is a device: use io::async_fd, or spawn_blocking()";
    case errc::closed: return "the file was closed";
    case errc::append_only: return "the file was opened with append(true), so it cannot be written at a position";
    case errc::file_too_large: return "the file is larger than the limit";
    case errc::same_file: return "both paths are those of the same file";
    case errc::unwatchable: return "fs::watch() is not available on this system";
    case errc::directory: return "this is a directory: use fs::open_dir()";
    case errc::outside: return "the path leads out of the directory";
    case errc::no_name: return "the path does not end with the name of a file or directory";
    case errc::no_access: return "choose read(true), write(true) or append(true)";
    case errc::needs_write: return "create, create_new, truncate and temporary need write(true) or append(true)";
    case errc::target_exists: return "the target exists: use fs::copy_options().overwrite(true) to replace it";
    case errc::no_attribute: return "the file has no extended attribute with this name";
    case errc::append_truncate: return "append(true) and truncate(true) exclude each other";
    }
    return "unknown error of a file";
}

class category final : public std::error_category {
public:
    const char* name() const noexcept override { return "eddy.fs"; }
    std::string message(int code) const override { return text_of(static_cast<errc>(code)); }
    std::error_condition default_error_condition(int code) const noexcept override {
        switch (static_cast<errc>(code)) {
        case errc::closed: return std::errc::bad_file_descriptor;
        case errc::file_too_large: return std::errc::file_too_large;
        case errc::unwatchable: return std::errc::not_supported;
        case errc::directory: return std::errc::is_a_directory;
        case errc::outside: return std::errc::cross_device_link;
        case errc::target_exists: return std::errc::file_exists;
        case errc::no_attribute: return std::errc::no_message_available;
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

struct error::paths {
    std::filesystem::path first;
    std::filesystem::path second;
    side failed = side::unknown;

    static const paths& none() {
        static const paths empty;
        return empty;
    }
};

error::error(std::error_code code, const char* operation) noexcept : code_(code), operation_(operation) {}

error::error(std::error_code code, const char* operation, std::filesystem::path path)
    : error(code, operation, std::move(path), {}) {}

error::error(std::error_code code, const char* operation, std::filesystem::path path, std::filesystem::path other,
             side failed)
    : code_(code),
      operation_(operation),
      paths_(std::make_shared<const paths>(std::move(path), std::move(other), failed)) {}

const std::filesystem::path& error::path() const noexcept { return (paths_ ? *paths_ : paths::none()).first; }
const std::filesystem::path& error::other_path() const noexcept { return (paths_ ? *paths_ : paths::none()).second; }
side error::failed() const noexcept { return paths_ ? paths_->failed : side::unknown; }

std::string error::message() const {
    std::string text = operation_;
    if (!path().empty()) text.append(" ").append(eddy::sys::text_of(path()));
    if (!other_path().empty()) text.append(" to ").append(eddy::sys::text_of(other_path()));
    if (failed() != side::unknown)
        text.append(": ").append(eddy::sys::text_of(failed() == side::first ? path() : other_path()));
    return text.append(": ").append(code_.message());
}

std::error_code detail::code_of(const join_error& error) {
    return error.is_cancelled() ? make_error_code(eddy::errc::runtime_shutdown) : error.to_error_code();
}

}  // namespace eddy::fs
