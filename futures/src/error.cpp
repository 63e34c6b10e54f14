// SPDX-License-Identifier: MIT
#include <eddy/error.hpp>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#include <eddy/future/detail/wait_record.hpp>

#include "sys/available.hpp"
#include "sys/fork.hpp"

#if EDDY_HAS_EPOLL
#define EDDY_DRIVER_NAMES "epoll, io_uring, poll and auto"
#elif EDDY_HAS_KQUEUE
#define EDDY_DRIVER_NAMES "kqueue, poll and auto"
#elif EDDY_HAS_AFD
#define EDDY_DRIVER_NAMES "afd and auto"
#else
#define EDDY_DRIVER_NAMES "poll and auto"
#endif

EDDY_LIBRARY(runtime)

namespace eddy {
namespace {

const char* text_of(errc code) noexcept {
    switch (code) {
    case errc::runtime_shutdown:
        if (sys::is_forked_child())
            return "the eddy runtime behind this object has shut down or is shutting down, or it belongs to the parent "
                   "of this process: after a fork, make a new runtime and new sockets in the child";
        return "the eddy runtime behind this object has shut down or is shutting down";
    case errc::io_disabled: return "this eddy runtime was built without I/O: remove enable_io(false) from its builder";
    case errc::timed_out: return "the operation timed out";
    case errc::task_cancelled: return "the task was cancelled";
    case errc::no_address: return "could not resolve to any address";
    case errc::bad_address:
        return "not a socket address: write it as 127.0.0.1:80 or [::1]:80 (IPv6 in brackets, a port from 0 to 65535), "
               "or localhost:80 where names are looked up";
    case errc::blocking_descriptor:
        return "the descriptor is in blocking mode: set O_NONBLOCK before you hand it to eddy";
    case errc::unexpected_eof: return "the stream ended early";
    case errc::write_zero: return "the sink took no byte of a non-empty buffer";
    case errc::unknown_driver: return "the environment's EDDY_DRIVER names no driver: there are " EDDY_DRIVER_NAMES;
    case errc::bad_worker_count:
        return "the environment's EDDY_WORKER_THREADS is not a number from 1 to 32767: correct it or unset it, or call "
               "worker_threads() of the builder";
    case errc::fallback_is_set:
        return "another fallback reactor has been set for this process: see reactor_handle::set_fallback";
    case errc::driver_unavailable:
        return "the requested driver cannot be used: this system does not have it, or, for io_uring, the kernel lacks "
               "features that eddy needs (Linux 6.1 has them), or eddy was built without liburing; with `automatic`, "
               "why_driver() tells what is missing";
    case errc::affinity_unsupported:
        return "this system has no way to bind a thread to processors: leave out affinity() and pin_workers() here";
    case errc::channel_closed: return "the other end of the channel is gone";
    case errc::semaphore_closed: return "the semaphore is closed";
    case errc::receiver_lagged:
        return "the receiver lagged behind, and values were overwritten before it had read them";
    case errc::count_too_large: return "a reader or writer reported more bytes than it was given";
    case errc::invalid_utf8: return "the bytes are not UTF-8";
    case errc::line_too_long: return "the line is longer than its limit";
    case errc::bad_path: return "a path must not be empty and must not contain a NUL";
    case errc::unix_name_too_long:
        return "a Unix socket's path or abstract name has 107 bytes at most: use a shorter one, or a relative path";
    case errc::bytes_remaining: return "bytes remaining on stream: it ended in the middle of a frame";
    case errc::frame_too_large: return "the frame is larger than the limit, or than its length field can express";
    case errc::bad_frame_length: return "the length field holds an invalid frame length: negative, or too large";
    case errc::forbidden_signal:
        return "the signal does not exist, or cannot be waited for: KILL, STOP, and those of program errors (SEGV, "
               "ILL, FPE, BUS)";
    case errc::tls_truncated:
        return "the TLS connection ended without close_notify: the peer has failed, or an attacker has cut the "
               "connection";
    case errc::overloaded: return "the service is overloaded: a limit is reached, so the call was not made";
    case errc::circuit_open: return "the circuit breaker is open: recent calls have failed, so the call was not made";
    case errc::connection_closed: return "the connection has ended before the call was answered";
    case errc::unexpected_answer: return "the peer answered a call that was not made";
    case errc::regular_file:
        return "a regular file or a directory cannot be waited for, because it is always ready: read and write it in "
               "spawn_blocking()";
    case errc::already_registered:
        return "the descriptor is registered with this event loop already: await the object that registered it, or "
               "register a copy of the descriptor, which dup(2) makes";
    case errc::other: return "an error without a code";
    case errc::not_a_pipe: return "the file is not a pipe: make it with mkfifo(3), or check its name";
    }
    return "unknown eddy error";
}

class category final : public std::error_category {
public:
    const char* name() const noexcept override { return "eddy"; }
    std::string message(int code) const override { return text_of(static_cast<errc>(code)); }
    std::error_condition default_error_condition(int code) const noexcept override {
        switch (static_cast<errc>(code)) {
        case errc::timed_out: return std::errc::timed_out;
        case errc::task_cancelled: return std::errc::operation_canceled;
        case errc::no_address:
        case errc::bad_address:
        case errc::blocking_descriptor:
        case errc::unknown_driver:
        case errc::bad_worker_count:
        case errc::bad_path:
        case errc::forbidden_signal:
        case errc::not_a_pipe: return std::errc::invalid_argument;
        case errc::unix_name_too_long: return std::errc::filename_too_long;
        case errc::affinity_unsupported:
        case errc::driver_unavailable: return std::errc::not_supported;
        case errc::already_registered: return std::errc::file_exists;
        case errc::regular_file: return std::errc::operation_not_permitted;
        case errc::invalid_utf8: return std::errc::illegal_byte_sequence;
        case errc::frame_too_large:
        case errc::line_too_long: return std::errc::message_size;
        case errc::bad_frame_length:
        case errc::unexpected_answer: return std::errc::bad_message;
        default: return {code, *this};
        }
    }
};

std::string with_place(std::string_view text, const std::source_location& where) {
    std::string all(text);
    if (*where.file_name() == '\0') return all;  // polled without a co_await, so there is no location
    all += " (at ";
    all += where.file_name();
    all += ':';
    all += std::to_string(where.line());
    all += ')';
    return all;
}

}  // namespace

const std::error_category& error_category() noexcept {
    // The category is never destroyed, because destructors that run at process exit may compare error codes. It is in
    // static storage, so that the first error needs no allocation.
    alignas(category) static std::byte storage[sizeof(category)];
    static const category& instance = *::new (storage) category;
    return instance;
}

std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), error_category()}; }

bool is_runtime_shutdown(const std::error_code& error) noexcept {
    return error == make_error_code(errc::runtime_shutdown);
}

misuse::misuse(std::string_view text, std::source_location where)
    : std::logic_error(with_place(text, where)), where_(where) {}

namespace detail {

void throw_empty(const char* what, const char* kind, const char* how, std::source_location where) {
    std::string text = std::string(what) + " on a " + kind + " that was " + how + ", and so is empty: ";
    text = text + "use the " + kind + " that it was moved into, or make another one";
    throw misuse(text, where);
}

void throw_has_ended(const char* what, std::source_location where) {
    throw misuse(std::string(what) + " was awaited after it had ended: await it once, and keep its output", where);
}

void throw_two_operations(const char* text, const std::source_location& first, const std::source_location& second) {
    std::string all = text;
    if (*first.file_name() != '\0') all += with_place(". The first one was awaited", first);
    if (*second.file_name() != '\0') all += ". The second one was awaited";
    throw misuse(all, second);
}

void throw_empty_handle(const char* what, std::source_location where) {
    throw misuse(std::string(what) +
                     " that is empty: it has given its output already, or was moved from, or detached; await a handle "
                     "once, and keep its output",
                 where);
}

void fatal_misuse(std::string_view text) noexcept { fatal_error(text); }
void fatal_misuse(std::string_view text, const std::source_location& where) noexcept {
    fatal_error(with_place(text, where));
}

void fatal_moved(const char* what, const std::source_location& polled_at) noexcept {
    std::string text(what);
    text += " was moved after its first poll: keep it where it is, and pass it by std::ref, or use eddy::pin()";
    if (*polled_at.file_name() != '\0') text += ". It was polled";
    fatal_misuse(text, polled_at);
}
void fatal_moved(const char* what, call_site polled_at) noexcept { fatal_moved(what, source_location_of(polled_at)); }

void fatal_destroyed(const char* text, call_site polled_at) noexcept {
    if (polled_at == nullptr) fatal_misuse(text);
    fatal_misuse(std::string(text) + ". The co_await is", source_location_of(polled_at));
}

void fatal_error(std::string_view text) noexcept {
    std::fprintf(stderr, "eddy: %.*s\n", static_cast<int>(text.size()), text.data());
    std::abort();
}

void assertion_failed(const char* expression, const char* text, std::source_location where) noexcept {
    std::fprintf(stderr,
                 "eddy: internal error at %s:%u: %s (%s). The program has used an object of eddy that was destroyed or "
                 "moved, which AddressSanitizer finds, or eddy has a bug\n",
                 where.file_name(), where.line(), text, expression);
    std::abort();
}

}  // namespace detail
}  // namespace eddy
