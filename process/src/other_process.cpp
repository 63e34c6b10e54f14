// SPDX-License-Identifier: MIT
#include <eddy/process/other_process.hpp>

#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/io/async_fd.hpp>
#include <eddy/io/owned_fd.hpp>

#include "sys/other_processes.hpp"
#include "sys/processes.hpp"

namespace eddy::process {

struct detail::process_reference {
    eddy::sys::started_process process;

    explicit process_reference(eddy::sys::started_process&& of) noexcept : process(std::move(of)) {}
};

namespace {

error failed(std::error_code code, int id) {
    const bool has_ended = code == std::errc::no_such_process;
    return {has_ended ? make_error_code(errc::has_ended) : code, "process " + std::to_string(id)};
}

task<result<void>> end_of(std::shared_ptr<const detail::process_reference> to) {
    // A descriptor of its own: several tasks of an event loop may wait.
    auto copy = eddy::sys::duplicate_from(to->process.watched.get(), 3);
    if (!copy) co_return std::unexpected(failed(copy.error(), to->process.id));
    // Readable when the process has ended.
    auto end = io::async_fd<io::owned_fd>::make(io::owned_fd(copy->release()), io::interest::readable);
    if (!end) co_return std::unexpected(failed(end.error().to_error_code(), to->process.id));
    const auto ended = co_await end->wait_readable();
    if (!ended) co_return std::unexpected(failed(ended.error(), to->process.id));
    co_return {};
}

}  // namespace

int other_process::id() const noexcept { return to_->process.id; }

bool other_process::has_ended() const { return eddy::sys::has_ended(to_->process); }

task<result<void>> other_process::wait() const { return end_of(to_); }

result<void> other_process::signal(int number) const {
    const auto sent = eddy::sys::send_signal(to_->process, number);
    if (!sent) return std::unexpected(failed(sent.error(), id()));
    return {};
}

result<other_process> open(int id) {
    auto opened = eddy::sys::open_process(id);
    if (!opened) return std::unexpected(error(opened.error(), "process " + std::to_string(id)));
    return other_process(
        std::make_shared<const detail::process_reference>(eddy::sys::started_process{id, *std::move(opened)}));
}

}  // namespace eddy::process
